//! The composer: Enter sends, Shift+Enter does not, and what was typed survives.

use crate::page::{Page, settled};
use leptos::prelude::Set as _;
use portcullis_protocol::Tick;
use portcullis_web::state::attach::Attached;
use portcullis_web::state::command::Command;
use portcullis_web::state::route::Route;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::{Event, HtmlTextAreaElement, KeyboardEvent, KeyboardEventInit};

const INPUT: &str = "[data-testid=composer-input]";
const THUMB: &str = "[data-testid=thumb]";
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
async fn what_is_typed_is_handed_over_and_what_comes_back_fills_an_empty_field() {
    let page = Page::with_composer();
    type_into(&page, "half a thou");
    settled().await;
    let typed = |command: &Command| {
        let Command::Typed { place, text } = command else { return None };
        Some((place.clone(), text.clone()))
    };
    assert_eq!(page.sent(typed), [("test".to_owned(), "half a thou".to_owned())]);
    page.app.draft.set(Some(("test".into(), "older".into())));
    settled().await;
    assert_eq!(page.element::<HtmlTextAreaElement>(INPUT).value(), "half a thou", "typing was overwritten");
    page.end();

    let page = Page::with_composer();
    page.app.draft.set(Some(("elsewhere".into(), "not mine".into())));
    settled().await;
    assert_eq!(page.element::<HtmlTextAreaElement>(INPUT).value(), "");
    page.app.draft.set(Some(("test".into(), "half a thou".into())));
    settled().await;
    assert_eq!(page.element::<HtmlTextAreaElement>(INPUT).value(), "half a thou");
    page.end();
}

#[wasm_bindgen_test]
async fn what_was_attached_comes_back_is_kept_and_goes_with_the_message() {
    let page = Page::with_composer();
    let file = |name: &str| Attached {
        name: name.into(),
        data_url: "data:image/gif;base64,R0lGODlhAQABAAAAACw=".into(),
    };
    let kept = |page: &Page| {
        let names = |files: &[Attached]| files.iter().map(|file| file.name.clone()).collect::<Vec<_>>();
        page.sent(|command| {
            let Command::Attached { place, files } = command else { return None };
            Some((place.clone(), names(files)))
        })
    };
    assert!(kept(&page).is_empty(), "nothing attached is no news");
    page.app.files.set(Some(("elsewhere".into(), vec![file("x")])));
    settled().await;
    assert_eq!(page.count(THUMB), 0);
    page.app.files.set(Some(("test".into(), vec![file("a"), file("b")])));
    settled().await;
    assert_eq!(page.count(THUMB), 2);
    page.click("[data-testid=thumb] button");
    settled().await;
    assert_eq!(kept(&page).last().unwrap(), &("test".to_owned(), vec!["b".to_owned()]));
    page.click(SEND);
    settled().await;
    let sent =
        page.sent(|command| if let Command::Prompt(said) = command { Some(said.files.len()) } else { None });
    assert_eq!((sent, page.count(THUMB)), (vec![1], 0));
    assert_eq!(kept(&page).last().unwrap(), &("test".to_owned(), Vec::new()));
    page.end();
}

#[wasm_bindgen_test]
async fn what_could_not_be_sent_is_in_the_field_again() {
    let page = Page::with_composer();
    type_into(&page, "too much");
    settled().await;
    enter(&page, false);
    // The machine said no while the command was carried out.
    page.app.draft.set(Some(("test".into(), "too much".into())));
    settled().await;
    assert_eq!(page.element::<HtmlTextAreaElement>(INPUT).value(), "too much");
    page.end();
}

#[wasm_bindgen_test]
async fn connection_bridge_and_agent_stand_in_one_line_and_only_as_far_as_they_are_known() {
    let page = Page::with_composer();
    page.app.route.set(Route::parse("/s/s_1"));
    settled().await;
    assert_eq!(page.text("[data-testid=pulse]"), "Connectedbridge onlineagent idle");
    page.frame(Tick(1), r#"{"type":"worker","state":"offline"}"#);
    settled().await;
    assert_eq!(page.text("[data-testid=pulse]"), "Connectedbridge offlineagent out of reach");
    page.cut(Tick(2));
    settled().await;
    assert_eq!(page.text("[data-testid=pulse]"), "Not connected");
    page.app.network.set(false);
    settled().await;
    assert_eq!(page.text("[data-testid=pulse]"), "Offline");
    page.end();
}
