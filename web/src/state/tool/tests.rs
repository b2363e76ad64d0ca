use super::*;
use portcullis_protocol::RawJson;
use portcullis_protocol::session::transcript::ToolOutput;

fn call(name: &str, input: &str, state: ToolState, output: Option<(&str, Option<&str>)>) -> ToolCall {
    let mut call = ToolCall::new("t".into(), name.into(), ToolInput::Whole(RawJson::parse(input).unwrap()));
    call.state = state;
    call.output = output.map(|(text, result)| ToolOutput {
        text: text.into(),
        images: 0,
        blocks: None,
        result: result.map(|text| RawJson::parse(text).unwrap()),
    });
    call
}

fn line(call: &ToolCall) -> String {
    let card = Card::of(call, None);
    format!("{} {} {}", card.verb, card.object, card.result).trim_end().to_owned()
}

fn done(name: &str, input: &str, text: &str, result: &str) -> ToolCall {
    call(name, input, ToolState::Done, Some((text, Some(result))))
}

#[test]
fn a_call_is_a_sentence() {
    let bash =
        |state| call("Bash", r#"{"command":"cargo test\necho done"}"#, state, Some(("Exit code 1", None)));
    assert_eq!(line(&bash(ToolState::Running)), "Running cargo test");
    assert_eq!(line(&bash(ToolState::Done)), "Ran cargo test");
    assert_eq!(line(&bash(ToolState::Failed)), "Ran, failed: cargo test Exit code 1");
    assert_eq!(line(&bash(ToolState::Waiting)), "Run (waits for you) cargo test");
    let read = call("Read", r#"{"file_path":"a.rs"}"#, ToolState::Done, Some(("1\tx\n2\ty\n", None)));
    assert_eq!(line(&read), "Read a.rs 2 lines");
    let mcp = call("mcp__linear__create", "{}", ToolState::Done, None);
    assert_eq!(line(&mcp), "linear: create");
}

#[test]
fn every_tool_says_what_came_of_it() {
    for (call, said) in [
        (
            done(
                "Read",
                r#"{"file_path":"a"}"#,
                "",
                r#"{"type":"text","file":{"content":"x","numLines":40,"startLine":1,"totalLines":900}}"#,
            ),
            "Read a 40 of 900 lines",
        ),
        (
            done(
                "Read",
                r#"{"file_path":"a.png"}"#,
                "",
                r#"{"type":"image","file":{"type":"image/png","originalSize":2048}}"#,
            ),
            "Read a.png image/png, 2 KiB",
        ),
        (
            done("Read", r#"{"file_path":"a.pdf"}"#, "", r#"{"type":"pdf","file":{"originalSize":2048}}"#),
            "Read a.pdf PDF, 2 KiB",
        ),
        (
            done("Read", r#"{"file_path":"a.ipynb"}"#, "", r#"{"type":"notebook","file":{"cells":[{},{}]}}"#),
            "Read a.ipynb 2 cells",
        ),
        (
            done("Grep", r#"{"pattern":"foo"}"#, "", r#"{"numMatches":14,"numFiles":2}"#),
            "Searched foo 14 hits",
        ),
        (done("Glob", r#"{"pattern":"*.rs"}"#, "", r#"{"numFiles":1}"#), "Listed *.rs 1 file"),
        (
            done("WebFetch", r#"{"url":"https://a.example"}"#, "", r#"{"code":200,"bytes":2048}"#),
            "Fetched https://a.example 200 · 2 KiB",
        ),
        (
            done("WebSearch", r#"{"query":"q"}"#, "", r#"{"results":[{"content":[{},{}]},"text"]}"#),
            "Searched the web for q 2 results",
        ),
        (
            done(
                "Agent",
                r#"{"description":"look","subagent_type":"Explore"}"#,
                "",
                r#"{"totalToolUseCount":12,"totalTokens":34500}"#,
            ),
            "Sub-agent Explore: look 12 steps · 34.5k tokens",
        ),
        (
            done("Bash", r#"{"command":"sleep 9"}"#, "", r#"{"backgroundTaskId":"b1"}"#),
            "Ran sleep 9 in the background",
        ),
        (done("TaskUpdate", r#"{"taskId":"3","status":"completed"}"#, "", "{}"), "Task #3 → completed"),
        (
            done("AskUserQuestion", r#"{"questions":[{"question":"Which?"},{"question":"Why?"}]}"#, "", "{}"),
            "Asked Which? (and 1 more)",
        ),
        (done("Skill", r#"{"skill":"pdf"}"#, "", "{}"), "Used the skill pdf"),
        (done("mcp__a__b", r#"{"n":1,"path":"/x"}"#, "", r#""ok""#), "a: b /x"),
    ] {
        assert_eq!(line(&call), said);
    }
}

#[test]
fn an_error_says_its_first_useful_line() {
    let failed = |text| line(&call("Bash", r#"{"command":"x"}"#, ToolState::Failed, Some((text, None))));
    assert_eq!(
        failed("Exit code 101\n\nerror[E0308]: mismatched"),
        "Ran, failed: x exit 101: error[E0308]: mismatched"
    );
    assert_eq!(failed("<tool_use_error>File not found</tool_use_error>"), "Ran, failed: x File not found");
    assert_eq!(failed("\u{1b}[31mboom\u{1b}[0m\n"), "Ran, failed: x boom");
}

#[test]
fn an_edit_shows_the_reported_patch_before_the_requested_one() {
    let input = r#"{"file_path":"a","old_string":"x","new_string":"y"}"#;
    assert_eq!(line(&call("Edit", input, ToolState::Running, None)), "Editing a +1 \u{2212}1");
    let patch = r#"{"structuredPatch":[{"oldStart":1,"newStart":1,"lines":["-x","+y","+z"]}]}"#;
    assert_eq!(
        line(&call("Edit", input, ToolState::Done, Some(("ok", Some(patch))))),
        "Edited a +2 \u{2212}1"
    );
}

#[test]
fn an_input_of_another_shape_is_shown_as_it_is() {
    let odd = call("TodoWrite", r#"{"todos":7}"#, ToolState::Done, None);
    assert_eq!(detail::details(&odd), [Detail::Fields(vec![("todos".into(), "7".into())])]);
    for name in
        ["Bash", "Read", "Edit", "TodoWrite", "AskUserQuestion", "ExitPlanMode", "Agent", "WebSearch", "X"]
    {
        for input in ["{}", "null", "[]", r#""text""#, "7", r#"{"file_path":{},"questions":"a","edits":1}"#] {
            for result in
                [None, Some("{}"), Some(r#""Error: x""#), Some(r#"{"file":[],"answers":[],"content":7}"#)]
            {
                for state in [ToolState::Done, ToolState::Failed, ToolState::Running] {
                    let odd = call(name, input, state, Some(("the text", result)));
                    let _ = Card::of(&odd, Some(7));
                    let _ = detail::details(&odd);
                }
            }
        }
    }
    let todo = call(
        "TodoWrite",
        r#"{"todos":[{"content":"a","status":"completed"},{"content":"b"}]}"#,
        ToolState::Done,
        None,
    );
    assert_eq!(Card::of(&todo, None).result, "1 of 2");
}

#[test]
fn a_file_is_shown_with_its_own_line_numbers() {
    let lines = |first, text: &str| vec![Detail::Lines { first, text: text.into() }];
    let structured = done("Read", "{}", "7\tx", r#"{"type":"text","file":{"content":"x\ny","startLine":7}}"#);
    assert_eq!(detail::details(&structured), lines(7, "x\ny"));
    for told in ["7\tx\n8\ty", "     7→x\n     8→y"] {
        let told = call("Read", "{}", ToolState::Done, Some((told, None)));
        assert_eq!(detail::details(&told), lines(7, "x\ny"));
    }
}

#[test]
fn answers_stand_under_their_questions() {
    let asked = done(
        "AskUserQuestion",
        r#"{"questions":[{"question":"Which?"},{"question":"More?"},{"question":"Why?"}]}"#,
        "",
        r#"{"answers":{"Which?":"A","More?":["B","C"]}}"#,
    );
    let pairs = [("Which?", "A"), ("More?", "B, C"), ("Why?", "")];
    let pairs = pairs.map(|(question, answer)| (question.to_owned(), answer.to_owned()));
    assert_eq!(detail::details(&asked), [Detail::Answers(pairs.to_vec())]);
}

#[test]
fn what_an_mcp_tool_gives_beside_text_is_shown_too() {
    let mut mcp = done("mcp__a__b", r#"{"q":"x"}"#, "said", r#"{"structuredContent":{"n":1}}"#);
    mcp.output.as_mut().unwrap().blocks = Some(
        RawJson::parse(r#"[{"type":"text","text":"said"},{"type":"resource_link","uri":"https://a.example/1","name":"One"},{"type":"image","data":"aGk=","mimeType":"image/png"},{"type":"hologram"}]"#)
            .unwrap(),
    );
    assert_eq!(
        detail::details(&mcp),
        [
            Detail::Fields(vec![("q".into(), "x".into())]),
            Detail::Output("said".into()),
            Detail::Label("Structured"),
            Detail::Source("{\n  \"n\": 1\n}".into()),
            Detail::Picture(pictures::Picture::Drawn { kind: "image/png", data: "aGk=".into() }),
            Detail::Links(vec![("One".into(), "https://a.example/1".into())]),
            Detail::Source("{\n  \"type\": \"hologram\"\n}".into()),
        ]
    );
}

#[test]
fn output_that_was_kept_in_a_file_is_shown_as_far_as_it_came() {
    let kept = done(
        "Bash",
        r#"{"command":"yes"}"#,
        "<persisted-output>…",
        r#"{"stdout":"y\ny","stderr":"","persistedOutputPath":"/tmp/out","persistedOutputSize":2048}"#,
    );
    let details = detail::details(&kept);
    assert_eq!(details[0], Detail::Output("y\ny".into()));
    assert!(
        matches!(&details[1], Detail::Remark(text) if text.contains("/tmp/out") && text.contains("2 KiB"))
    );
}
