//! The composer: Enter sends, Shift+Enter does not, and what was typed survives.

use crate::page::{Page, settled};
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::{Event, HtmlTextAreaElement, KeyboardEvent, KeyboardEventInit};

const INPUT: &str = "[data-testid=composer-input]";
const SEND: &str = "[data-testid=composer-send]";

fn type_into(page: &Page, text: &str) {
    let input: HtmlTextAreaElement = page.element(INPUT);
    input.set_value(text);
    input.dispatch_event(&Event::new("input").unwrap()).unwrap();
}

fn enter(page: &Page, shift: bool) {
    let init = KeyboardEventInit::new();
    init.set_key("Enter");
    init.set_shift_key(shift);
    init.set_bubbles(true);
    init.set_cancelable(true);
    let event = KeyboardEvent::new_with_keyboard_event_init_dict("keydown", &init).unwrap();
    page.element::<HtmlTextAreaElement>(INPUT).dispatch_event(&event).unwrap();
}

#[wasm_bindgen_test]
async fn enter_sends_and_shift_enter_does_not() {
    let page = Page::with_composer();
    type_into(&page, "hello");
    settled().await;
    enter(&page, true);
    assert!(page.prompts().is_empty());
    enter(&page, false);
    settled().await;
    assert_eq!(page.prompts(), ["hello"]);
    assert_eq!(page.element::<HtmlTextAreaElement>(INPUT).value(), "");
    page.end();
}

#[wasm_bindgen_test]
async fn nothing_but_white_space_is_not_sent() {
    let page = Page::with_composer();
    type_into(&page, "  \n ");
    settled().await;
    assert!(page.is_disabled(SEND));
    enter(&page, false);
    assert!(page.prompts().is_empty());
    page.end();
}

#[wasm_bindgen_test]
async fn a_draft_is_there_again_after_the_page_was_gone() {
    let page = Page::with_composer();
    type_into(&page, "half a thou");
    settled().await;
    page.end();
    let page = Page::with_composer();
    settled().await;
    assert_eq!(page.element::<HtmlTextAreaElement>(INPUT).value(), "half a thou");
    type_into(&page, "");
    settled().await;
    page.end();
}
