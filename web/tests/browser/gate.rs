//! The gate on the page: the exact text, nothing allowed before it stood still and was read, one decision per click.

use crate::page::{Page, settled, until};
use portcullis_protocol::session::Choice;
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
    page.asked(Tick(0), "R", &bash("rm \u{202e}x \u{200b}y\n  tail  "));
    settled().await;
    let shown = page.text(EXACT);
    assert!(shown.contains("rm ⟨U+202E⟩x ⟨U+200B⟩y⏎"), "{shown}");
    assert!(shown.contains("  tail··"), "{shown}");
    assert_eq!(page.text(".hidden-char"), "⟨U+202E⟩⟨U+200B⟩");
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
    assert_eq!(page.text("[data-testid=gate-offer] code"), "always allow Bash(ls:*) for this session");
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

fn limit_height(element: &Element) {
    use wasm_bindgen::JsCast as _;
    let style = element.unchecked_ref::<web_sys::HtmlElement>().style();
    style.set_property("max-height", "200px").unwrap();
    style.set_property("overflow", "auto").unwrap();
}
