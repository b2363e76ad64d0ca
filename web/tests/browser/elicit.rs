//! What a server of the agent asks a person, and a dialog: fields with labels, an armed yes, a no at any time.

use portcullis_protocol::session::Choice;
use portcullis_protocol::{RawJson, Tick};
use serde_json::{Value, json};
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::{Element, HtmlInputElement, HtmlSelectElement, HtmlTextAreaElement};

use crate::page::{Page, settled, until};

const ACCEPT: &str = "[data-testid=gate-accept]";
const DECLINE: &str = "[data-testid=gate-decline]";
const FIELD: &str = "[data-testid=elicit-field]";

fn form() -> Value {
    json!({"subtype": "elicitation", "mcp_server_name": "files\u{202e}", "message": "Who\u{200b} are you?", "mode": "form",
    "property_order": ["name", "size", "age", "sure", "more"],
    "requested_schema": {"type": "object", "required": ["name"], "properties": {
        "more": {"type": "array"}, "sure": {"type": "boolean"}, "age": {"type": "integer"},
        "size": {"type": "string", "enum": ["S", "L"]}, "name": {"type": "string", "title": "Your name"},
    }}})
}

fn tell(element: &Element, event: &str) {
    element.dispatch_event(&web_sys::Event::new(event).unwrap()).unwrap();
}

fn no() -> Choice {
    Choice::Deny { message: String::new(), interrupt: false }
}

#[wasm_bindgen_test]
async fn a_form_is_filled_in_and_sent_as_values_of_its_types() {
    use wasm_bindgen::JsCast as _;
    let page = Page::with_gate();
    page.asked(Tick(0), "R", &form());
    settled().await;
    let shown = page.text("[data-testid=gate]");
    assert!(shown.contains("“files⟨U+202E⟩”") && shown.contains("Who⟨U+200B⟩ are you?"), "{shown}");
    assert!(shown.contains("Your name (name) required"), "{shown}");
    for _ in 0..60 {
        settled().await;
    }
    page.click(ACCEPT);
    assert!(page.is_disabled(ACCEPT) && page.decisions().is_empty(), "accepted without what is required");
    let fields = page.root_all(FIELD);
    assert_eq!(fields.len(), 5);
    let name: &HtmlInputElement = fields[0].dyn_ref().unwrap();
    name.set_value("a \"b\"");
    tell(name, "input");
    let size: &HtmlSelectElement = fields[1].dyn_ref().unwrap();
    size.set_value("L");
    tell(size, "change");
    let age: &HtmlInputElement = fields[2].dyn_ref().unwrap();
    age.set_value("seven");
    tell(age, "input");
    settled().await;
    assert!(page.is_disabled(ACCEPT), "a word is no whole number");
    assert!(page.text("[data-testid=gate]").contains("is a whole number"));
    age.set_value("7");
    tell(age, "input");
    let more: &HtmlTextAreaElement = fields[4].dyn_ref().unwrap();
    more.set_value("[1.0]");
    tell(more, "input");
    until("armed", || !page.is_disabled(ACCEPT)).await;
    page.click(ACCEPT);
    let content = RawJson::parse(r#"{"name":"a \"b\"","size":"L","age":7,"more":[1.0]}"#).unwrap();
    assert_eq!(page.decisions(), [("R".to_owned(), Choice::Accept { content: Some(content) })]);
    page.end();
}

#[wasm_bindgen_test]
async fn declining_needs_no_field_and_no_waiting() {
    let page = Page::with_gate();
    page.asked(Tick(0), "R", &form());
    settled().await;
    assert_eq!(page.count("[data-testid=gate-allow]"), 0, "nothing runs, so nothing is allowed");
    page.click(DECLINE);
    assert_eq!(page.decisions(), [("R".to_owned(), no())]);
    page.end();
}

#[wasm_bindgen_test]
async fn an_address_is_shown_word_for_word_and_one_that_misleads_is_no_link() {
    for (url, links) in
        [("https://a.example/x?y=1", 1), ("https://\u{430}.example/", 0), ("javascript:alert(1)", 0)]
    {
        let page = Page::with_gate();
        let request = json!({"subtype": "elicitation", "mcp_server_name": "s", "message": "Go", "mode": "url", "url": url});
        page.asked(Tick(0), "R", &request);
        settled().await;
        assert!(page.text("[data-testid=elicit-url]").contains(url), "{url}");
        assert_eq!(page.count("[data-testid=elicit-url] a"), links, "{url}");
        if url.contains('\u{430}') {
            assert!(page.text("[data-testid=gate]").contains("xn--"), "the host is not named in punycode");
        }
        until("armed", || !page.is_disabled(ACCEPT)).await;
        page.click(ACCEPT);
        assert_eq!(page.decisions(), [("R".to_owned(), Choice::Accept { content: None })]);
        page.end();
    }
}

#[wasm_bindgen_test]
async fn a_dialog_is_completed_with_json_or_closed() {
    let page = Page::with_gate();
    let dialog = json!({"subtype": "request_user_dialog", "dialog_kind": "pick", "payload": {"of": ["a", "b\u{202e}"]}});
    page.asked(Tick(0), "R", &dialog);
    settled().await;
    let shown = page.text("[data-testid=gate]");
    assert!(shown.contains("“pick”") && shown.contains("b⟨U+202E⟩"), "{shown}");
    let field: HtmlTextAreaElement = page.element(FIELD);
    field.set_value("{\"picked\":");
    tell(&field, "input");
    for _ in 0..60 {
        settled().await;
    }
    assert!(page.is_disabled(ACCEPT), "that is no JSON");
    field.set_value("{\"picked\": 1.0}");
    tell(&field, "input");
    until("armed", || !page.is_disabled(ACCEPT)).await;
    page.click(ACCEPT);
    let result = RawJson::parse(r#"{"picked": 1.0}"#).unwrap();
    assert_eq!(page.decisions(), [("R".to_owned(), Choice::Complete { result })]);
    page.end();
}
