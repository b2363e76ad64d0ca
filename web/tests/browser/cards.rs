//! Tool calls as a person sees them: one line each, and what they open to.

use crate::page::{Page, settled, until};
use portcullis_protocol::Tick;
use portcullis_web::state::command::Command;
use portcullis_web::words::Language;
use serde_json::{Value, json};
use wasm_bindgen_test::wasm_bindgen_test;

const LINE: &str = "[data-testid=item][data-kind=tool] > .line";
/// The smallest image there is.
const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

fn used(page: &Page, id: &str, name: &str, input: &Value, parent: Option<&str>) {
    page.event(
        Tick(0),
        &json!({"type":"assistant","uuid":format!("u{id}"),"session_id":"","parent_tool_use_id":parent,"timestamp":"2026-11-21T09:00:00.000Z",
            "message":{"id":format!("m{id}"),"role":"assistant","content":[{"type":"tool_use","id":id,"name":name,"input":input}]}}),
    );
}

fn gave(page: &Page, id: &str, content: &Value, result: &Value) {
    page.event(
        Tick(0),
        &json!({"type":"user","uuid":format!("r{id}"),"session_id":"","parent_tool_use_id":null,"timestamp":"2026-11-21T09:00:12.000Z",
            "message":{"role":"user","content":[{"type":"tool_result","tool_use_id":id,"content":content}]},"tool_use_result":result}),
    );
}

#[wasm_bindgen_test]
async fn a_file_opens_with_its_own_numbers_and_a_copy_is_what_is_shown() {
    let page = Page::with_transcript();
    used(&page, "t", "Read", &json!({"file_path":"/p/a.rs"}), None);
    gave(
        &page,
        "t",
        &json!("41\tlet a = 1;"),
        &json!({"type":"text","file":{"content":"let a = 1;\nlet b;","startLine":41,"numLines":2,"totalLines":900}}),
    );
    settled().await;
    assert!(
        page.text(LINE).contains("2 of 900 lines") && page.text(LINE).contains("12 s"),
        "{}",
        page.text(LINE)
    );
    page.click(LINE);
    settled().await;
    assert_eq!(page.text(".code-numbers"), "41\n42\n");
    assert_eq!(page.text(".code-body code"), "let a = 1;\nlet b;");
    page.end();
}

#[wasm_bindgen_test]
async fn a_change_stands_in_one_column_or_side_by_side_and_the_choice_is_kept() {
    let page = Page::with_transcript();
    let patch = json!({"structuredPatch":[{"oldStart":3,"newStart":3,"lines":[" same","-let a = 1;","+let a = 2;"]}]});
    for id in ["t1", "t2"] {
        used(&page, id, "Edit", &json!({"file_path":"/p/a.rs","old_string":"x","new_string":"y"}), None);
        gave(&page, id, &json!("ok"), &patch);
        settled().await;
    }
    assert_eq!(page.text(".change-part"), "1212", "the part of a line that changed");
    assert_eq!(page.attributes(".change-row", "data-sign")[..3], ["same", "removed", "added"]);
    page.click("[data-testid=diff-form]");
    settled().await;
    assert_eq!(page.attributes(".change", "data-split"), ["true", "false"]);
    used(&page, "t3", "Edit", &json!({"file_path":"/p/a.rs","old_string":"x","new_string":"y"}), None);
    gave(&page, "t3", &json!("ok"), &patch);
    settled().await;
    assert_eq!(page.attributes(".change", "data-split")[2], "true");
    page.click("[data-testid=diff-form]");
    page.end();
}

#[wasm_bindgen_test]
async fn looks_in_a_row_are_one_line_that_opens() {
    let page = Page::with_transcript();
    for (id, name) in [("t1", "Read"), ("t2", "Read"), ("t3", "Grep")] {
        used(&page, id, name, &json!({"file_path":"/p/a","pattern":"x"}), None);
        gave(&page, id, &json!("x"), &json!({"numMatches":1}));
    }
    settled().await;
    assert_eq!((page.count("[data-testid=run]"), page.count("[data-testid=item]")), (1, 0));
    assert_eq!(page.text("[data-testid=run] > .line"), "Read 2 files, searched 1 time");
    page.click("[data-testid=run] > .line");
    settled().await;
    assert_eq!(page.count("[data-testid=run] [data-testid=item]"), 3);
    page.end();
}

#[wasm_bindgen_test]
async fn what_a_sub_agent_does_stands_inside_of_it_with_its_last_step_in_view() {
    let page = Page::with_transcript();
    used(
        &page,
        "a1",
        "Agent",
        &json!({"description":"look around","prompt":"Look.","subagent_type":"Explore"}),
        None,
    );
    used(&page, "a2", "Agent", &json!({"description":"other","prompt":"Other."}), None);
    used(&page, "t1", "Bash", &json!({"command":"ls"}), Some("a1"));
    used(&page, "t2", "Bash", &json!({"command":"pwd"}), Some("a2"));
    used(&page, "t3", "Bash", &json!({"command":"date"}), Some("a1"));
    settled().await;
    assert_eq!(page.count(".rows > [data-testid=item]"), 2, "two agents, two rows");
    assert_eq!(page.text(".line-last"), "Running dateRunning pwd");
    page.click(LINE);
    settled().await;
    assert_eq!(page.text("[data-testid=inside] .line-object"), "lsdate");
    gave(
        &page,
        "a1",
        &json!("# Found"),
        &json!({"content":[{"type":"text","text":"# Found"}],"totalToolUseCount":2,"totalTokens":1500}),
    );
    settled().await;
    assert!(page.text(LINE).contains("2 steps · 1.5k tokens"), "{}", page.text(LINE));
    assert_eq!(page.count(".detail-prose h3"), 1, "its answer is markdown");
    page.end();
}

#[wasm_bindgen_test]
async fn an_image_is_drawn_from_this_pages_own_memory_and_an_svg_is_not() {
    let page = Page::with_transcript();
    let image = |kind: &str, data: &str| json!({"type":"image","source":{"type":"base64","media_type":kind,"data":data}});
    used(&page, "t", "mcp__shot__take", &json!({"url":"x"}), None);
    gave(
        &page,
        "t",
        &json!([image("image/png", PNG), image("image/svg+xml", "PHN2Zy8+"), {"type":"text","text":"two"}]),
        &json!(null),
    );
    settled().await;
    let shown = page.attributes(".picture img", "src");
    assert_eq!(shown.len(), 1);
    assert!(shown[0].starts_with("blob:"), "{shown:?}");
    page.click(".picture");
    settled().await;
    assert!(page.find("dialog.picture-large").unwrap().has_attribute("open"));
    page.click(".picture-large button");
    page.end();
}

#[wasm_bindgen_test]
async fn the_list_of_what_there_is_to_do_is_shown_once_as_it_is_now() {
    let page = Page::with_transcript();
    let todos = |first: &str, second: &str| json!({"todos":[{"content":"one","status":first,"activeForm":"doing one"},{"content":"two","status":second}]});
    used(&page, "t1", "TodoWrite", &todos("in_progress", "pending"), None);
    gave(&page, "t1", &json!("ok"), &json!({}));
    settled().await;
    assert_eq!(page.text("[data-testid=todo-now] bdi"), "doing onetwo");
    used(&page, "t2", "TodoWrite", &todos("completed", "in_progress"), None);
    gave(&page, "t2", &json!("ok"), &json!({}));
    settled().await;
    assert!(page.text("[data-testid=todo-now] summary").contains("1 of 2"));
    assert_eq!(page.count("[data-testid=todo-now]"), 1);
    used(&page, "t3", "TodoWrite", &todos("completed", "completed"), None);
    gave(&page, "t3", &json!("ok"), &json!({}));
    settled().await;
    assert_eq!(page.count("[data-testid=todo-now]"), 0, "all is done");
    page.end();
}

#[wasm_bindgen_test]
async fn hostile_results_make_no_element_that_they_named() {
    const EVIL: &str = "<img src=x onerror=\"window.__card=1\"><script>window.__card=1</script>";
    let page = Page::with_transcript();
    let tools = [
        "Bash",
        "Read",
        "Edit",
        "Grep",
        "WebFetch",
        "WebSearch",
        "Agent",
        "AskUserQuestion",
        "Skill",
        "mcp__a__b",
        "Unknown",
    ];
    for (at, name) in tools.into_iter().enumerate() {
        let input = json!({"command":EVIL,"file_path":EVIL,"old_string":EVIL,"new_string":EVIL,"pattern":EVIL,"url":EVIL,"query":EVIL,
            "prompt":EVIL,"description":EVIL,"questions":[{"question":EVIL}],EVIL:EVIL});
        used(&page, &format!("t{at}"), name, &input, None);
        let result = json!({"stdout":EVIL,"file":{"content":EVIL},"content":[{"type":"text","text":EVIL}],"filenames":[EVIL],"answers":{EVIL:EVIL},
            "results":[{"content":[{"title":EVIL,"url":"javascript:window.__card=1"}]}]});
        gave(
            &page,
            &format!("t{at}"),
            &json!([{"type":"text","text":EVIL},{"type":"resource_link","uri":"javascript:window.__card=1","name":EVIL}]),
            &result,
        );
    }
    settled().await;
    for line in page.root_all(".rows .line") {
        use wasm_bindgen::JsCast as _;
        if line.get_attribute("aria-expanded").as_deref() == Some("false") {
            line.unchecked_into::<web_sys::HtmlElement>().click();
        }
    }
    settled().await;
    for never in ["img", "script", "[onerror]", "a[href^=javascript]"] {
        assert_eq!(page.count(&format!(".rows {never}")), 0, "{never}");
    }
    assert!(page.window_has_no("__card"));
    page.end();
}

#[wasm_bindgen_test]
async fn a_row_far_away_can_be_asked_for_by_the_rail_and_by_a_search() {
    let page = Page::with_transcript();
    for number in 1..=30 {
        page.said(Tick(0), &format!("line {number}"));
    }
    settled().await;
    let rail: web_sys::HtmlInputElement = page.element("[data-testid=rail]");
    assert_eq!(
        (rail.max(), rail.get_attribute("aria-valuetext")),
        ("30".into(), Some("Event 30 of 30".into()))
    );
    rail.set_value("7");
    rail.dispatch_event(&web_sys::Event::new("change").unwrap()).unwrap();
    let asked = page.sent(|command| if let Command::Visit(seq) = command { Some(*seq) } else { None });
    assert_eq!(asked, [7]);
    page.app.session.want(7);
    settled().await;
    assert_eq!(page.attributes("[data-target]", "data-seq"), ["7"]);
    page.click("[data-testid=search-open]");
    settled().await;
    let field: web_sys::HtmlInputElement = page.element("[data-testid=find]");
    field.set_value("line 3");
    field.dispatch_event(&web_sys::Event::new("input").unwrap()).unwrap();
    until("the search is asked for", || {
        page.sent(|command| if let Command::Find(words) = command { Some(words.clone()) } else { None })
            == ["line 3"]
    })
    .await;
    page.end();
}

#[wasm_bindgen_test]
async fn the_prompt_of_what_is_read_stays_in_view_and_leads_back() {
    let page = Page::with_transcript();
    page.event(
        Tick(0),
        &json!({"type":"user","uuid":"p","isReplay":true,"message":{"role":"user","content":"what I asked"}}),
    );
    for number in 1..=60 {
        page.said(Tick(0), &format!("line {number}"));
    }
    let log: web_sys::HtmlElement = page.element("[data-testid=transcript]");
    log.style().set_property("height", "200px").unwrap();
    log.style().set_property("overflow", "auto").unwrap();
    settled().await;
    settled().await;
    until("the line is there", || page.find("[data-testid=turn-bar]").is_some()).await;
    assert!(page.text("[data-testid=turn-bar]").contains("what I asked"));
    log.set_scroll_top(0);
    until("the prompt itself is in view", || page.find("[data-testid=turn-bar]").is_none()).await;
    page.end();
}

#[wasm_bindgen_test]
async fn cards_speak_chinese() {
    let page = Page::with_transcript();
    Language::Chinese.set();
    used(&page, "t", "Bash", &json!({"command":"ls"}), None);
    settled().await;
    let said = page.text(LINE);
    Language::English.set();
    assert!(said.contains("正在运行"), "{said}");
    page.end();
}
