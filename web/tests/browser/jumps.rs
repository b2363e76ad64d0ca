//! Ways through a session by one key or button, and the marks of a search: both go by what the session holds, not by what
//! happens to be drawn.

use crate::page::{Page, settled, until};
use js_sys::Reflect;
use leptos::prelude::*;
use portcullis_protocol::Tick;
use portcullis_web::state::command::Command;
use portcullis_web::state::find::Find;
use portcullis_web::state::route::Route;
use portcullis_web::view;
use serde_json::json;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::{KeyboardEvent, KeyboardEventInit};

/// Longer than what counts as typing, in ms.
const APART_MS: i32 = 1_050;

/// A letter that is meant as a key: nothing was pressed right before.
async fn press(key: &str) {
    let apart = js_sys::Promise::new(&mut |resolve, _| {
        window().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, APART_MS).unwrap();
    });
    wasm_bindgen_futures::JsFuture::from(apart).await.unwrap();
    let init = KeyboardEventInit::new();
    init.set_key(key);
    init.set_bubbles(true);
    init.set_cancelable(true);
    let event = KeyboardEvent::new_with_keyboard_event_init_dict("keydown", &init).unwrap();
    let target = document().active_element().unwrap_or_else(|| document().body().unwrap().into());
    target.dispatch_event(&event).unwrap();
    settled().await;
    settled().await;
}

fn focused() -> Option<String> {
    document().active_element()?.get_attribute("data-seq")
}

fn visited(page: &Page) -> Vec<u64> {
    page.sent(|command| if let Command::Visit(seq) = command { Some(*seq) } else { None })
}

/// Three turns: prompts at 1, 3 and 5, answers at 2, 4 and 6.
fn turns(page: &Page) {
    for turn in ["a", "b", "c"] {
        let message = json!({"role":"user","content":turn});
        page.event(
            Tick(0),
            &json!({"type":"user","uuid":turn,"isReplay":true,"session_id":"","message":message}),
        );
        page.said(Tick(0), &format!("answer to {turn}"));
    }
}

fn with_keys() -> Page {
    Page::with(|| {
        view::install_keys(portcullis_web::state::app::App::here());
        view! { <view::Transcript/> }.into_any()
    })
}

#[wasm_bindgen_test]
async fn turns_and_the_last_answer_are_reached_by_a_letter_and_the_focus_goes_along() {
    let page = with_keys();
    page.app.route.set(Route::parse("/s/s_1"));
    turns(&page);
    settled().await;
    for (key, seq) in [("k", 5), ("k", 3), ("k", 1), ("j", 3), (".", 6), ("k", 5)] {
        press(key).await;
        assert_eq!((visited(&page).last(), focused()), (Some(&seq), Some(seq.to_string())), "{key}");
    }
    press("j").await;
    assert_eq!(visited(&page).len(), 6, "there is no turn behind the last");
    // What was in focus left the page: one goes on from where one reads.
    let _ = document().active_element().unwrap().unchecked_into::<web_sys::HtmlElement>().blur();
    page.app.session.following.set(false);
    page.app.session.view.set((4, 6));
    press("k").await;
    assert_eq!(visited(&page).last(), Some(&3));
    page.end();
}

#[wasm_bindgen_test]
async fn the_next_request_is_here_or_in_the_inbox() {
    let page = with_keys();
    page.app.route.set(Route::parse("/s/s_1"));
    press("n").await;
    let went = |page: &Page| {
        page.sent(|command| if let Command::Go(route) = command { Some(route.clone()) } else { None })
    };
    assert!(went(&page).is_empty(), "nothing waits");
    let other = json!({"id":"s_2","title":"t","status":"requires_action","environment_id":"e","directory":"/","created_at":1,
        "updated_at":1,"head_seq":1,"epoch":"e","pending_count":1});
    page.app.lists.sessions.set(vec![serde_json::from_value(other).unwrap()]);
    press("n").await;
    assert_eq!(went(&page), [Route::Inbox]);
    page.end();
}

/// How many marks lie over the transcript.
fn marks() -> u32 {
    let css = Reflect::get(&window(), &"CSS".into()).unwrap();
    let all = Reflect::get(&css, &"highlights".into()).unwrap();
    let get: js_sys::Function = Reflect::get(&all, &"get".into()).unwrap().unchecked_into();
    let found = get.call1(&all, &"found".into()).unwrap();
    if found.is_undefined() {
        return 0;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few")]
    let size = Reflect::get(&found, &"size".into()).unwrap().as_f64().unwrap() as u32;
    size
}

#[wasm_bindgen_test]
async fn what_a_search_found_is_marked_wherever_it_is_drawn_later_too() {
    let page = Page::with_transcript();
    page.said(Tick(0), "the hinge squeaks");
    settled().await;
    page.app.session.find.set(Find::new("hinge", 0));
    until("a mark", || marks() == 1).await;
    page.said(Tick(1), "oil the hinge");
    until("a mark in what came later", || marks() == 2).await;
    page.app.session.find.set(None);
    until("no mark", || marks() == 0).await;
    page.said(Tick(2), "the hinge again");
    settled().await;
    assert_eq!(marks(), 0);
    page.end();
}
