//! The gate on the page: the exact text, nothing allowed before it stood still and was read, one decision per click.

use crate::page::{Page, asks, settled, until};
use leptos::prelude::Set as _;
use portcullis_protocol::approval::base::MOVED_ON;
use portcullis_protocol::session::{Choice, Input};
use portcullis_protocol::{RawJson, Tick};
use serde_json::{Value, json};
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::{Element, HtmlTextAreaElement};

const ALLOW: &str = "[data-testid=gate-allow]";
const EXACT: &str = "[data-testid=gate-exact]";

fn bash(command: &str) -> Value {
    json!({"subtype":"can_use_tool","tool_name":"Bash","input":{"command":command},"tool_use_id":"t",
        "permission_suggestions":[{"type":"addRules","rules":[{"toolName":"Bash","ruleContent":"ls:*"}],"behavior":"allow","destination":"session"}]})
}

#[wasm_bindgen_test]
async fn shows_the_exact_text_and_names_what_hides() {
    let page = Page::with_gate();
    page.asked(Tick(0), "R", &bash("rm \u{202e}x \u{200b}y\n\ttail  "));
    settled().await;
    let shown = page.text(EXACT);
    assert!(shown.contains("rm ⟨U+202E⟩x ⟨U+200B⟩y⏎"), "{shown}");
    assert!(shown.contains("\ttail  "), "copied is what it is: {shown}");
    assert_eq!(page.text(".hidden-char"), "⟨U+202E⟩⟨U+200B⟩");
    let style = styled();
    let mark = |selector, part| style_of(&page.element(selector), part, "content");
    assert_eq!((page.text(".spaces"), mark(".tab", "::before")), ("  ".into(), "\"⇥\"".into()));
    style.remove();
    page.end();
}

#[wasm_bindgen_test]
async fn a_file_edit_says_what_it_was_asked_on_and_why_it_did_not_run_over_another() {
    let request =
        json!({"subtype":"can_use_tool","tool_name":"Write","input":{"file_path":"/p/a","content":"x"}});
    let asked = asks("R", &request, 0);
    for (base, said) in [
        (json!({"sha256": "ab".repeat(32), "bytes": 3_300}), "changes a file of 3 KiB"),
        (json!({"is_new": true}), "makes a new file"),
    ] {
        let page = Page::with_gate();
        page.frame(Tick(0), &format!(r#"{},"base_file":{base}}}}}"#, asked.strip_suffix("}}").unwrap()));
        until("what it was asked on", || page.text(".card-where").contains(said)).await;
        let digest = portcullis_protocol::approval::digest(&RawJson::from_value(&request));
        let why = format!("{MOVED_ON}: it is not the one. Read it again");
        let refused = json!({"type": "permission", "request_id": "R", "state": "refused", "digest": digest,
            "behavior": "allow", "decided_by": "me", "reason": why});
        page.frame(Tick(1), &refused.to_string());
        let said = "The file changed meanwhile, so this did not run.";
        until("why it did not run", || page.text(".outcome-said").starts_with(said)).await;
        page.end();
    }
}

#[wasm_bindgen_test]
async fn a_run_of_spaces_is_named_and_keeps_its_width_in_the_request_and_in_a_rule_a3() {
    let page = Page::with_gate();
    let style = styled();
    let command = format!("echo ok{}; touch x", " ".repeat(500));
    let mut request = bash(&command);
    request["permission_suggestions"][0]["rules"][0]["ruleContent"] = json!(format!("{command}   y"));
    page.asked(Tick(0), "R", &request);
    settled().await;
    assert!(page.text(EXACT).contains(&command), "copied is what it is");
    assert_eq!(style_of(&page.element(".spaces"), "::after", "content"), "\"⟨500 spaces⟩\"");
    let rule: Element = page.element(".offer-rule .told");
    let text = rule.text_content().unwrap();
    assert!(text.contains("Bash(echo ok⟨500 spaces⟩; touch x   y)"), "{text}");
    for shown in [rule, page.element(".exact-text")] {
        assert_eq!(style_of(&shown, "", "white-space-collapse"), "break-spaces");
    }
    style.remove();
    page.end();
}

#[wasm_bindgen_test]
async fn arms_only_after_it_stood_still_and_takes_no_focus() {
    let page = Page::with_gate();
    page.asked(Tick(0), "R", &bash("ls"));
    settled().await;
    assert!(page.is_disabled(ALLOW), "armed at once");
    page.click(ALLOW);
    assert!(page.decisions().is_empty());
    let focused = web_sys::window().unwrap().document().unwrap().active_element();
    assert!(
        focused.is_none_or(|element| element.closest("[data-testid=gate]").unwrap().is_none()),
        "the gate took the focus"
    );
    until("armed", || !page.is_disabled(ALLOW)).await;
    page.click(ALLOW);
    assert_eq!(page.decisions(), [("R".to_owned(), Choice::Allow)]);
    page.end();
}

#[wasm_bindgen_test]
async fn a_long_text_is_allowed_only_after_it_was_unfolded_and_scrolled_through() {
    let page = Page::with_gate();
    page.asked(Tick(0), "R", &bash(&"echo x\n".repeat(100)));
    settled().await;
    let exact: Element = page.element(EXACT);
    exact.set_attribute("class", "exact").unwrap();
    limit_height(&exact);
    until("folded", || page.text(".exact-gap").contains("lines are folded here")).await;
    page.click("[data-testid=gate-unfold]");
    settled().await;
    for _ in 0..40 {
        settled().await;
    }
    assert!(page.is_disabled(ALLOW), "unfolded, but not scrolled through");
    exact.set_scroll_top(exact.scroll_height());
    until("armed after reading", || !page.is_disabled(ALLOW)).await;
    page.end();
}

#[wasm_bindgen_test]
async fn above_the_bound_there_is_only_a_no() {
    let page = Page::with_gate();
    page.asked(Tick(0), "R", &bash(&"x".repeat(70 * 1024)));
    settled().await;
    page.click("[data-testid=gate-unfold]");
    for _ in 0..40 {
        settled().await;
    }
    assert!(page.is_disabled(ALLOW));
    assert!(!page.text(".card-blocked").is_empty(), "it does not say why");
    page.click("[data-testid=gate-deny]");
    settled().await;
    page.click("[data-testid=gate-deny-send]");
    assert_eq!(
        page.decisions(),
        [("R".to_owned(), Choice::Deny { message: String::new(), interrupt: false })]
    );
    page.end();
}

#[wasm_bindgen_test]
async fn a_denial_carries_its_reason() {
    let page = Page::with_gate();
    page.asked(Tick(0), "R", &bash("ls"));
    settled().await;
    page.click("[data-testid=gate-deny]");
    settled().await;
    let reason: HtmlTextAreaElement = page.element("[data-testid=gate-deny-reason]");
    reason.set_value("not on a Friday");
    reason.dispatch_event(&web_sys::Event::new("input").unwrap()).unwrap();
    page.click("[data-testid=gate-deny-send]");
    assert_eq!(
        page.decisions(),
        [("R".to_owned(), Choice::Deny { message: "not on a Friday".into(), interrupt: false })]
    );
    page.end();
}

#[wasm_bindgen_test]
async fn an_edit_shows_its_difference_and_sends_exactly_that() {
    let page = Page::with_gate();
    page.asked(Tick(0), "R", &bash("rm -rf target"));
    settled().await;
    page.click("[data-testid=gate-edit]");
    settled().await;
    assert!(page.is_disabled("[data-testid=gate-allow-edited]"), "nothing was changed yet");
    let text: HtmlTextAreaElement = page.element("[data-testid=gate-edit-text]");
    text.set_value("ls target\u{200b}");
    text.dispatch_event(&web_sys::Event::new("input").unwrap()).unwrap();
    settled().await;
    assert!(page.is_disabled("[data-testid=gate-allow-edited]"), "armed while it still changes");
    let difference = page.text("[data-testid=gate-difference]");
    assert!(difference.contains("rm -rf target") && difference.contains("ls target⟨U+200B⟩"), "{difference}");
    until("armed", || !page.is_disabled("[data-testid=gate-allow-edited]")).await;
    page.click("[data-testid=gate-allow-edited]");
    let input = RawJson::parse("{\"command\":\"ls target\u{200b}\"}").unwrap();
    assert_eq!(page.decisions(), [("R".to_owned(), Choice::AllowEdited { input })]);
    page.end();
}

#[wasm_bindgen_test]
async fn each_offer_is_its_literal_rule_and_granted_alone() {
    let page = Page::with_gate();
    page.asked(Tick(0), "R", &bash("ls"));
    settled().await;
    assert_eq!(page.text("[data-testid=gate-offer-row] code"), "always allow Bash(ls:*) for this session");
    until("armed", || !page.is_disabled("[data-testid=gate-offer]")).await;
    page.click("[data-testid=gate-offer]");
    assert_eq!(page.decisions(), [("R".to_owned(), Choice::AllowWith { suggestion: 0 })]);
    page.end();
}

#[wasm_bindgen_test]
async fn several_requests_are_all_shown_and_one_that_is_over_leaves_its_text() {
    let page = Page::with_gate();
    for (id, command) in [("A", "first"), ("B", "second"), ("C", "third")] {
        page.asked(Tick(0), id, &bash(command));
    }
    settled().await;
    assert_eq!(page.text(".strip-title"), "Waits for you: 1 of 3");
    assert!(page.text(EXACT).contains("first"));
    page.stepped(Tick(1), "A", &bash("first"), "cancelled");
    settled().await;
    assert_eq!(page.text(".strip-title"), "Waits for you: 1 of 2");
    assert!(page.text(EXACT).contains("second"));
    page.stepped(Tick(2), "B", &bash("second"), "decided");
    settled().await;
    assert_eq!(page.count(EXACT), 0, "what is decided is not shown as waiting");
    assert_eq!(page.attributes("[data-testid=gate-ticks]", "data-tick"), ["accepted"]);
    page.end();
}

#[wasm_bindgen_test]
async fn three_ticks_come_one_by_one() {
    let page = Page::with_gate();
    page.asked(Tick(0), "R", &bash("ls"));
    let reached = |page: &Page| page.attributes("[data-testid=gate-ticks] [data-tick]", "data-reached");
    for (state, ticks) in [
        ("pending", ["no", "no", "no"]),
        ("decided", ["yes", "no", "no"]),
        ("delivered", ["yes", "yes", "no"]),
        ("settled", ["yes", "yes", "yes"]),
    ] {
        page.stepped(Tick(1), "R", &bash("ls"), state);
        settled().await;
        assert_eq!(reached(&page), ticks, "{state}");
    }
    assert_eq!(
        page.attributes("[data-testid=gate-ticks] [data-tick]", "data-tick"),
        ["accepted", "delivered", "settled"]
    );
    page.end();
}

#[wasm_bindgen_test]
async fn a_decision_the_agent_did_not_get_in_time_is_warned_about_until_it_has_it() {
    const LATE: &str = "[data-testid=gate-late]";
    let page = Page::with_gate();
    page.asked(Tick(0), "R", &bash("ls"));
    page.stepped(Tick(1), "R", &bash("ls"), "decided");
    page.feed(Tick(4_000), Input::Timeout);
    settled().await;
    assert_eq!(page.count(LATE), 0, "warned too early");
    page.feed(Tick(5_001), Input::Timeout);
    settled().await;
    assert!(page.text(LATE).contains("bridge is connected"), "{}", page.text(LATE));
    page.frame(Tick(5_002), r#"{"type":"worker","state":"offline"}"#);
    settled().await;
    assert!(page.text(LATE).contains("bridge is offline"), "{}", page.text(LATE));
    page.stepped(Tick(5_003), "R", &bash("ls"), "delivered");
    settled().await;
    assert_eq!(page.count(LATE), 0);
    page.end();
}

#[wasm_bindgen_test]
async fn a_bridge_that_is_away_is_said_before_the_click() {
    const AWAY: &str = "[data-testid=gate-offline]";
    let page = Page::with_gate();
    page.asked(Tick(0), "R", &bash("ls"));
    settled().await;
    assert_eq!(page.text(AWAY), "");
    page.frame(Tick(1), r#"{"type":"worker","state":"offline"}"#);
    settled().await;
    assert!(page.text(AWAY).contains("bridge is offline"), "{}", page.text(AWAY));
    page.cut(Tick(2));
    settled().await;
    assert!(page.text(AWAY).contains("not connected"), "{}", page.text(AWAY));
    page.end();
}

#[wasm_bindgen_test]
async fn a_payload_below_the_edge_of_a_small_box_is_not_allowed_before_it_was_scrolled_to() {
    let page = Page::with_gate();
    page.asked(Tick(0), "R", &bash(&format!("ls{}rm -rf ~", "\n".repeat(36))));
    settled().await;
    assert!(page.find("[data-testid=gate-unfold]").unwrap().has_attribute("hidden"), "it folds nothing");
    let exact: Element = page.element(EXACT);
    limit_height(&exact);
    for _ in 0..60 {
        settled().await;
    }
    assert!(page.is_disabled(ALLOW), "allowed unseen");
    assert!(page.is_disabled("[data-testid=gate-offer]"), "an offer allowed it unseen");
    assert!(page.text(".card-blocked").contains("scroll"), "it does not say why");
    exact.set_scroll_top(exact.scroll_height());
    until("armed after reading", || !page.is_disabled(ALLOW)).await;
    page.end();
}

#[wasm_bindgen_test]
async fn a_rule_that_overflows_its_box_is_granted_only_after_its_end_was_seen() {
    let page = Page::with_gate();
    let rules: Vec<Value> =
        (0..60).map(|at| json!({"toolName":"Bash","ruleContent":format!("tool-{at}:*")})).collect();
    let mut request = bash("ls");
    request["permission_suggestions"][0]["rules"] = json!(rules);
    page.asked(Tick(0), "R", &request);
    settled().await;
    let rule: Element = page.element(".offer-rule");
    limit_to(&rule, "20px");
    until("armed", || !page.is_disabled(ALLOW)).await;
    assert!(page.is_disabled("[data-testid=gate-offer]"));
    rule.set_scroll_top(rule.scroll_height());
    until("the rule was read", || !page.is_disabled("[data-testid=gate-offer]")).await;
    page.end();
}

#[wasm_bindgen_test]
async fn wide_lines_wrap_and_a_long_reason_is_folded_not_cut() {
    let page = Page::with_gate();
    let style = styled();
    let mut request = bash(&format!("{};rm -rf ~", "x".repeat(900)));
    request["decision_reason"] = json!(format!("a\u{202e}{}end", "y".repeat(6_000)));
    page.asked(Tick(0), "R", &request);
    settled().await;
    let exact: Element = page.element(EXACT);
    assert!(exact.scroll_width() <= exact.client_width(), "a line goes on at the side");
    let hint = page.text(".card-hints");
    assert!(hint.contains("a⟨U+202E⟩") && hint.contains("end") && hint.contains("folded here"), "{hint}");
    page.click("[data-testid=gate-unfold]");
    settled().await;
    assert!(page.text(".card-hints").contains(&"y".repeat(6_000)));
    style.remove();
    page.end();
}

#[wasm_bindgen_test]
async fn typing_outside_of_a_field_decides_nothing_and_only_the_chord_allows() {
    let page = Page::with_gate_and_keys();
    page.asked(Tick(0), "R", &bash("ls"));
    settled().await;
    until("armed", || !page.is_disabled(ALLOW)).await;
    for key in ["b", "a", "d", "Enter", "a", "Enter"] {
        press(key, false);
    }
    press("Enter", true);
    assert!(page.decisions().is_empty(), "typing decided");
    pause(1_100).await;
    press("a", false);
    press("Enter", false);
    press("Enter", true);
    assert!(page.decisions().is_empty(), "the keys came at once");
    pause(300).await;
    press("Enter", true);
    assert_eq!(page.decisions(), [("R".to_owned(), Choice::Allow)]);
    page.end();
}

#[wasm_bindgen_test]
async fn a_plain_key_on_a_button_that_allows_does_nothing_and_a_click_without_one_does_a28() {
    let page = Page::with_gate_and_keys();
    page.asked(Tick(0), "R", &bash("ls"));
    settled().await;
    until("armed", || !page.is_disabled("[data-testid=gate-offer]") && !page.is_disabled(ALLOW)).await;
    let is_left_alone = |selector: &str| {
        let button: web_sys::HtmlElement = page.element(selector);
        button.focus().unwrap();
        let named = button.get_attribute("aria-describedby").expect("it names the chord");
        assert!(page.text(&format!("#{named}")).contains("Ctrl+Enter"));
        for (kind, key) in [("keydown", "Enter"), ("keydown", " "), ("keyup", " ")] {
            assert!(!dispatch(kind, key, |_| ()), "{selector}: the browser would click at {kind} of {key:?}");
        }
        assert!(dispatch("keydown", "Tab", |_| ()), "other keys go their way");
    };
    is_left_alone(ALLOW);
    is_left_alone("[data-testid=gate-offer]");
    page.click("[data-testid=gate-edit]");
    settled().await;
    let text: HtmlTextAreaElement = page.element("[data-testid=gate-edit-text]");
    text.set_value("ls -l");
    text.dispatch_event(&web_sys::Event::new("input").unwrap()).unwrap();
    until("armed", || !page.is_disabled("[data-testid=gate-allow-edited]")).await;
    is_left_alone("[data-testid=gate-allow-edited]");
    assert!(page.decisions().is_empty());
    pause(1_100).await;
    dispatch("keydown", "Enter", |init| init.set_meta_key(true));
    assert_eq!(page.decisions().len(), 1, "the chord means the button that has the focus");
    page.asked(Tick(1), "S", &bash("pwd"));
    page.app.session.selected.set(Some("S".into()));
    until("armed", || page.find(ALLOW).is_some() && !page.is_disabled(ALLOW)).await;
    page.click(ALLOW);
    assert_eq!(page.decisions().last(), Some(&("S".to_owned(), Choice::Allow)), "a screen reader's click");
    page.end();
}

#[wasm_bindgen_test]
async fn d_is_one_key_from_a_plain_no_and_denies_nothing_by_itself() {
    let page = Page::with_gate_and_keys();
    page.asked(Tick(0), "R", &bash("ls"));
    settled().await;
    press("d", false);
    until("the no has the focus", || focused("[data-testid=gate-deny-send]")).await;
    assert!(page.decisions().is_empty());
    page.end();
}

#[wasm_bindgen_test]
async fn capital_d_asks_for_the_reason_first() {
    let page = Page::with_gate_and_keys();
    page.asked(Tick(0), "R", &bash("ls"));
    settled().await;
    press("D", false);
    until("the reason has the focus", || focused("textarea")).await;
    assert!(page.decisions().is_empty());
    page.end();
}

/// Gives the page the gate's style.
fn styled() -> Element {
    let document = web_sys::window().unwrap().document().unwrap();
    let style = document.create_element("style").unwrap();
    style.set_text_content(Some(include_str!("../../styles/gate.css")));
    document.head().unwrap().append_child(&style).unwrap();
    style
}

/// What the browser computes for `property` of `element`, or of the `part` it paints itself.
fn style_of(element: &Element, part: &str, property: &str) -> String {
    let window = web_sys::window().unwrap();
    let style = window.get_computed_style_with_pseudo_elt(element, part).unwrap().unwrap();
    style.get_property_value(property).unwrap()
}

fn focused(selector: &str) -> bool {
    let document = web_sys::window().unwrap().document().unwrap();
    document.active_element().is_some_and(|element| element.matches(selector).unwrap())
}

/// Presses a key where the focus is.
fn press(key: &str, ctrl: bool) {
    dispatch("keydown", key, |init| init.set_ctrl_key(ctrl));
}

/// Whether the browser would do what it does with that key.
fn dispatch(kind: &str, key: &str, change: impl FnOnce(&web_sys::KeyboardEventInit)) -> bool {
    let init = web_sys::KeyboardEventInit::new();
    init.set_key(key);
    init.set_bubbles(true);
    init.set_cancelable(true);
    change(&init);
    let event = web_sys::KeyboardEvent::new_with_keyboard_event_init_dict(kind, &init).unwrap();
    let document = web_sys::window().unwrap().document().unwrap();
    document.active_element().unwrap().dispatch_event(&event).unwrap()
}

/// Lets the clock go on: what is tested is the time between keys.
async fn pause(ms: i32) {
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        let window = web_sys::window().unwrap();
        window.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, ms).unwrap();
    });
    wasm_bindgen_futures::JsFuture::from(promise).await.unwrap();
}

fn limit_height(element: &Element) {
    limit_to(element, "200px");
}

fn limit_to(element: &Element, height: &str) {
    use wasm_bindgen::JsCast as _;
    let style = element.unchecked_ref::<web_sys::HtmlElement>().style();
    style.set_property("max-height", height).unwrap();
    style.set_property("overflow", "auto").unwrap();
}
