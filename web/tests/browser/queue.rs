//! Messages on their way: each says where it is, what is not sent is counted, and what is refused can be said again.

use crate::page::{Page, settled};
use leptos::prelude::*;
use portcullis_protocol::Tick;
use portcullis_protocol::session::{Input, LinkView, PostOutcome};
use portcullis_protocol::wire::prompt::Priority;
use portcullis_protocol::wire::rest::ErrorDetail;
use portcullis_web::state::app::{Key, Leaving, Phase};
use portcullis_web::state::command::Command;
use portcullis_web::state::route::Route;
use serde_json::json;
use wasm_bindgen::JsCast as _;
use wasm_bindgen_test::wasm_bindgen_test;

const STATE: &str = "[data-testid=prompt-state]";
const PRIORITY: &str = "[data-testid=queued-priority]";
const UNSENT: &str = "[data-testid=unsent]";

fn states(page: &Page) -> Vec<String> {
    page.attributes(STATE, "data-state")
}

#[wasm_bindgen_test]
async fn a_message_is_shown_once_it_is_kept_and_then_at_every_step() {
    let page = Page::with_queue();
    page.app.route.set(Route::parse("/s/s_1"));
    page.feed(Tick(0), Input::Prompt { uuid: "u1".into(), said: "hello".into() });
    settled().await;
    assert!(states(&page).is_empty(), "shown before it was kept");
    page.feed(Tick(0), Input::Kept { uuid: "u1".into(), lasting: true });
    settled().await;
    assert_eq!(
        (states(&page), page.attributes(UNSENT, "data-count")),
        (vec!["sent".into()], vec!["1".into()])
    );
    page.feed(Tick(1), Input::Posted { post: page.post(), outcome: PostOutcome::Accepted { seq: Some(1) } });
    settled().await;
    assert_eq!(
        (states(&page), page.attributes(UNSENT, "data-count")),
        (vec!["stored".into()], vec!["0".into()])
    );
    page.event(
        Tick(2),
        &json!({"type":"user","uuid":"u1","session_id":"","parent_tool_use_id":null,
        "message":{"role":"user","content":"hello"}}),
    );
    settled().await;
    assert_eq!(states(&page), ["stored"], "in the log, not with the agent yet");
    page.end();
}

#[wasm_bindgen_test]
async fn without_a_connection_it_waits_can_be_thrown_away_and_tried_now() {
    let page = Page::with_queue();
    page.app.route.set(Route::parse("/s/s_1"));
    page.cut(Tick(0));
    page.prompted(Tick(1), "u1", "hello", true);
    settled().await;
    assert_eq!(page.text(STATE), "Waiting for the connection.");
    assert!(page.text(UNSENT).starts_with("1 message is not sent yet."), "{}", page.text(UNSENT));
    page.click("[data-testid=unsent] button");
    page.click("[data-testid=queued] button");
    let now = page.sent(|command| matches!(command, Command::Reconnect).then_some(()));
    let discarded = page.sent(|command| {
        let Command::Discard(uuid) = command else { return None };
        Some(uuid.clone())
    });
    assert_eq!((now.len(), discarded), (1, vec!["u1".to_owned()]));
    page.end();
}

#[wasm_bindgen_test]
async fn a_refusal_gives_its_reason_and_another_try() {
    let page = Page::with_queue();
    page.app.route.set(Route::parse("/s/s_1"));
    page.prompted(Tick(0), "u1", "hello", true);
    let message = "this session is archived".to_owned();
    let outcome = PostOutcome::Refused(ErrorDetail { message, ..ErrorDetail::default() });
    page.feed(Tick(1), Input::Posted { post: page.post(), outcome });
    settled().await;
    assert_eq!(page.text(STATE), "The server refused it: this session is archived.");
    page.click("[data-testid=queued] button");
    let again =
        page.sent(|command| if let Command::Again(uuid) = command { Some(uuid.clone()) } else { None });
    assert_eq!(again, ["u1"]);
    page.end();
}

#[wasm_bindgen_test]
async fn when_the_agent_hears_of_a_waiting_message_is_shown_and_changed() {
    let page = Page::with_queue();
    page.app.route.set(Route::parse("/s/s_1"));
    let message = json!({"role":"user","content":"hello"});
    page.event(
        Tick(0),
        &json!({"type":"user","uuid":"u1","session_id":"","priority":"later","message":message}),
    );
    settled().await;
    assert_eq!(page.count(PRIORITY), 0, "the agent does not have it");
    page.event(Tick(1), &json!({"type":"command_lifecycle","command_uuid":"u1","state":"queued"}));
    settled().await;
    let field = || page.find(PRIORITY).unwrap().unchecked_into::<web_sys::HtmlSelectElement>();
    assert_eq!(field().value(), "later");
    let choose = |value: &str| {
        field().set_value(value);
        field().dispatch_event(&web_sys::Event::new("change").unwrap()).unwrap();
    };
    choose("later");
    choose("now");
    let wished = page.sent(|command| {
        let Command::SetPriority { prompt, priority } = command else { return None };
        Some((prompt.clone(), *priority))
    });
    assert_eq!(wished, [("u1".to_owned(), Priority::Now)]);
    let (uuid, fresh) = ("c1".into(), "u2".into());
    page.feed(Tick(2), Input::SetPriority { prompt: "u1".into(), priority: Priority::Now, uuid, fresh });
    settled().await;
    assert!(field().disabled() && page.text(STATE).contains("taken back"), "{}", page.text(STATE));
    page.frame(Tick(3), r#"{"type":"reply","request_id":"c1","event":{"type":"control_response","response":{"subtype":"success","request_id":"c1","response":{"cancelled":true}}}}"#);
    page.event(Tick(3), &json!({"type":"command_lifecycle","command_uuid":"u1","state":"cancelled"}));
    page.feed(Tick(3), Input::Kept { uuid: "u2".into(), lasting: true });
    settled().await;
    assert_eq!(states(&page), ["sent"], "once, and on its way again");
    page.end();
}

#[wasm_bindgen_test]
async fn what_storage_did_not_keep_and_what_takes_long_say_so() {
    let page = Page::with_queue();
    page.app.route.set(Route::parse("/s/s_1"));
    page.prompted(Tick(0), "u1", "hello", false);
    settled().await;
    assert!(page.text(STATE).contains("only as long as this tab is open"), "{}", page.text(STATE));
    page.feed(Tick(5_001), Input::Timeout);
    settled().await;
    assert!(page.text(STATE).contains("takes long"), "{}", page.text(STATE));
    page.end();
}

#[wasm_bindgen_test]
async fn logging_out_warns_when_something_is_not_sent_and_only_then() {
    let page = Page::with_log_out();
    let left = |page: &Page| page.sent(|command| matches!(command, Command::LogOut).then_some(())).len();
    page.app.leaving.set(Leaving::Asked { unsent: 2 });
    settled().await;
    assert!(page.text("[data-testid=logout-warning]").contains("2 messages were not sent"));
    page.click("[data-testid=logout-stay]");
    settled().await;
    assert_eq!((page.count("[data-testid=logout-warning]"), left(&page)), (0, 0));
    page.app.leaving.set(Leaving::Asked { unsent: 1 });
    settled().await;
    page.click("[data-testid=logout-anyway]");
    assert_eq!(left(&page), 1);
    page.app.leaving.set(Leaving::No);
    page.app.leaving.set(Leaving::Asked { unsent: 0 });
    settled().await;
    assert_eq!((page.count("[data-testid=logout-warning]"), left(&page)), (0, 2));
    page.end();
}

#[wasm_bindgen_test]
async fn the_bar_counts_down_to_the_next_try_and_lets_nobody_wait_for_it() {
    let page = Page::with_bar();
    page.app.route.set(Route::parse("/s/s_1"));
    settled().await;
    assert!(page.find(".bar").is_some_and(|bar| bar.has_attribute("hidden")));
    page.cut(Tick(0));
    let LinkView::Waiting { until, .. } = page.app.session.link.get_untracked() else {
        panic!("it does not wait for the next try");
    };
    let counted = |page: &Page| page.text("[data-testid=link-countdown]");
    page.app.tick.set(Tick(until.0.saturating_sub(3_000)));
    settled().await;
    let first = counted(&page);
    page.app.tick.set(Tick(until.0 - 1));
    settled().await;
    assert_eq!(counted(&page), "Next try in 1 s.");
    assert!(first != counted(&page) || until.0 < 1_000, "it does not count");
    assert!(page.text(".bar").contains("Not connected."), "{}", page.text(".bar"));
    page.click("[data-testid=link-now]");
    assert_eq!(page.sent(|command| matches!(command, Command::Reconnect).then_some(())).len(), 1);
    page.app.network.set(false);
    settled().await;
    assert!(page.text(".bar").contains("This device is offline."), "{}", page.text(".bar"));
    page.end();
}

#[wasm_bindgen_test]
async fn the_last_owner_may_have_the_key_removed_and_is_told_the_way_back() {
    const RESET: &str = "portcullis pair --local-reset";
    let page = Page::whole();
    page.app.phase.set(Phase::LoggedOut(Key::Kept));
    settled().await;
    assert!(page.text(".alone").contains(RESET), "{}", page.text(".alone"));
    page.click("[data-testid=remove-key]");
    assert_eq!(page.sent(|command| matches!(command, Command::RemoveKey).then_some(())).len(), 1);
    page.app.phase.set(Phase::LoggedOut(Key::Removed));
    settled().await;
    assert!(page.text(".alone").contains(RESET) && page.count("[data-testid=sign-in]") == 0);
    page.end();
}
