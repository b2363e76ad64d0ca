//! Everything by name, the list of keys, what is completed and what goes with a message.

use crate::page::{Page, settled, until};
use leptos::prelude::Update as _;
use portcullis_protocol::RawJson;
use portcullis_web::state::command::Command;
use portcullis_web::state::route::Route;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::{Event, HtmlInputElement, HtmlTextAreaElement, KeyboardEvent, KeyboardEventInit};

const INPUT: &str = "[data-testid=composer-input]";
const SEND: &str = "[data-testid=composer-send]";

fn press(target: &web_sys::EventTarget, key: &str, ctrl: bool) {
    let init = KeyboardEventInit::new();
    init.set_key(key);
    init.set_ctrl_key(ctrl);
    init.set_bubbles(true);
    init.set_cancelable(true);
    let event = KeyboardEvent::new_with_keyboard_event_init_dict("keydown", &init).unwrap();
    target.dispatch_event(&event).unwrap();
}

fn on_page(key: &str, ctrl: bool) {
    press(&web_sys::window().unwrap().document().unwrap().body().unwrap(), key, ctrl);
}

fn write(page: &Page, text: &str) {
    let input: HtmlTextAreaElement = page.element(INPUT);
    input.set_value(text);
    input.dispatch_event(&Event::new("input").unwrap()).unwrap();
}

fn value(page: &Page) -> String {
    page.element::<HtmlTextAreaElement>(INPUT).value()
}

#[wasm_bindgen_test]
async fn everything_by_name_takes_words_arrows_and_enter() {
    let page = Page::with_overlays();
    on_page("k", true);
    settled().await;
    let input: HtmlInputElement = page.element("[data-testid=palette-input]");
    input.set_value("inb");
    input.dispatch_event(&Event::new("input").unwrap()).unwrap();
    settled().await;
    assert_eq!(page.text("[data-testid=palette-entry]"), "Inbox");
    press(&input, "Enter", false);
    let went = page.sent(|command| if let Command::Go(route) = command { Some(route.clone()) } else { None });
    assert_eq!(went, [Route::Inbox]);
    assert_eq!(page.count("dialog[open]"), 0);
    page.end();
}

#[wasm_bindgen_test]
async fn g_and_a_letter_go_places_unless_letters_are_switched_off() {
    let page = Page::with_overlays();
    let storage = web_sys::window().unwrap().local_storage().unwrap().unwrap();
    storage.set_item("portcullis.keys", "off").unwrap();
    on_page("g", false);
    on_page("i", false);
    let went =
        || page.sent(|command| if let Command::Go(route) = command { Some(route.clone()) } else { None });
    assert_eq!(went(), []);
    storage.remove_item("portcullis.keys").unwrap();
    on_page("g", false);
    on_page("i", false);
    assert_eq!(went(), [Route::Inbox]);
    page.end();
}

#[wasm_bindgen_test]
async fn a_command_is_completed_by_key_and_named_to_who_does_not_see_it() {
    let page = Page::with_overlays();
    let told = r#"{"response":{"response":{"commands":[{"name":"clear","description":"Start anew"},{"name":"context"}]}}}"#;
    page.app.offers.update(|offers| assert!(offers.initialized(&RawJson::parse(told).unwrap())));
    write(&page, "/c");
    settled().await;
    assert_eq!(page.count("[data-testid=fit]"), 2);
    assert_eq!(page.attributes(INPUT, "aria-activedescendant"), ["fit-0"]);
    let input: HtmlTextAreaElement = page.element(INPUT);
    press(&input, "ArrowDown", false);
    settled().await;
    assert_eq!(page.attributes("[data-testid=fit]", "aria-selected"), ["false", "true"]);
    press(&input, "Enter", false);
    settled().await;
    assert_eq!(value(&page), "/context ");
    assert_eq!(
        (page.count("[data-testid=fit]"), page.prompts().len()),
        (0, 0),
        "Enter chose, and sent nothing"
    );
    press(&input, "Enter", false);
    assert_eq!(page.prompts(), ["/context "]);
    page.end();
}

#[wasm_bindgen_test]
async fn a_file_is_asked_for_behind_an_at_sign() {
    let page = Page::with_overlays();
    write(&page, "see @mai");
    settled().await;
    let asked = || {
        page.sent(|command| if let Command::FindFiles(query) = command { Some(query.clone()) } else { None })
    };
    until("the agent is asked", || !asked().is_empty()).await;
    assert_eq!(asked(), ["mai"]);
    let told = r#"{"response":{"response":{"suggestions":["src/main.rs"]}}}"#;
    page.app.offers.update(|offers| offers.found("mai".into(), &RawJson::parse(told).unwrap()));
    settled().await;
    press(&page.element::<HtmlTextAreaElement>(INPUT), "Tab", false);
    settled().await;
    assert_eq!(value(&page), "see @src/main.rs ");
    page.end();
}

/// A picture of so many px, as a file.
async fn picture(width: u32, height: u32, media_type: &str) -> JsValue {
    let script = format!(
        "new Promise(done => {{ const canvas = document.createElement('canvas'); canvas.width = {width}; canvas.height = {height};
            canvas.toBlob(blob => done(new File([blob], 'a.png', {{type: '{media_type}'}})), 'image/png'); }})"
    );
    let promise: js_sys::Promise = js_sys::Function::new_no_args(&format!("return {script}"))
        .call0(&JsValue::NULL)
        .unwrap()
        .unchecked_into();
    wasm_bindgen_futures::JsFuture::from(promise).await.unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a page of the test has no content security policy")]
fn paste(page: &Page, file: &JsValue) {
    let dispatch = js_sys::Function::new_with_args(
        "field, file",
        "const data = new DataTransfer(); data.items.add(file);
         field.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true}));",
    );
    let field: HtmlTextAreaElement = page.element(INPUT);
    dispatch.call2(&JsValue::NULL, &field, file).unwrap();
}

#[wasm_bindgen_test]
async fn a_large_picture_is_made_smaller_goes_with_the_message_and_can_be_taken_away() {
    let page = Page::with_overlays();
    paste(&page, &picture(3_136, 20, "image/png").await);
    paste(&page, &picture(4, 4, "image/png").await);
    until("two thumbnails", || page.count("[data-testid=thumb]") == 2).await;
    until("both drawn", || {
        page.root_all("[data-testid=thumb] img").iter().all(|image| natural(image) != "0 x 0")
    })
    .await;
    assert_eq!(natural(&page.root_all("[data-testid=thumb] img")[0]), "1568 x 10");
    page.click("[data-testid=thumb] button");
    settled().await;
    assert_eq!(page.count("[data-testid=thumb]"), 1);
    assert!(!page.is_disabled(SEND), "a picture says enough");
    page.click(SEND);
    let files = page
        .sent(|command| if let Command::Prompt(said) = command { Some(said.files.clone()) } else { None });
    assert_eq!((files[0].len(), files[0][0].media_type.as_str()), (1, "image/png"));
    settled().await;
    assert_eq!(page.count("[data-testid=thumb]"), 0);
    page.end();
}

#[wasm_bindgen_test]
async fn what_is_no_picture_is_not_attached_and_that_is_said() {
    let page = Page::with_overlays();
    paste(&page, &picture(4, 4, "image/svg+xml").await);
    let note = || leptos::prelude::GetUntracked::get_untracked(&page.app.note);
    until("it is said", || note().is_some_and(|note| note.contains("a.png was not attached"))).await;
    assert_eq!(page.count("[data-testid=thumb]"), 0);
    page.end();
}

/// Width and height of an image as it came, once it is drawn.
fn natural(image: &web_sys::Element) -> String {
    let side = |name: &str| js_sys::Reflect::get(image, &name.into()).unwrap().as_f64().unwrap();
    format!("{} x {}", side("naturalWidth"), side("naturalHeight"))
}
