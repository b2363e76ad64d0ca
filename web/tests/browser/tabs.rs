//! What tabs share: turns, words to one another, the life of a tab, and prompts that several of them would send.

use std::cell::RefCell;
use std::rc::Rc;

use crate::page::{settled, until};
use crate::server::Server;
use crate::vault::place;
use portcullis_protocol::id::{DeviceId, SessionId};
use portcullis_protocol::role::Role;
use portcullis_protocol::session::PostOutcome;
use portcullis_protocol::wire::prompt::text_prompt;
use portcullis_protocol::wire::rest::Granted;
use portcullis_web::link::channel::{Channel, Word};
use portcullis_web::link::courier::Courier;
use portcullis_web::link::tokens::Tokens;
use portcullis_web::link::vault::{Identity, Vault};
use portcullis_web::link::{keys, locks, tab};
use portcullis_web::state::app::App;
use portcullis_web::state::lifecycle::Act;
use portcullis_web::state::route::Route;
use wasm_bindgen_futures::spawn_local;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::{Element, Event};

#[wasm_bindgen_test]
async fn a_turn_is_had_by_one_and_comes_in_the_order_it_was_wanted() {
    let first = locks::turn("t-order").await.expect("this browser has locks");
    let order: Rc<RefCell<Vec<u8>>> = Rc::default();
    for number in [1, 2, 3] {
        let order = Rc::clone(&order);
        spawn_local(async move {
            let _turn = locks::turn("t-order").await;
            order.borrow_mut().push(number);
        });
    }
    settled().await;
    assert!(order.borrow().is_empty() && locks::take_free("t-order").await.is_none());
    drop(first);
    until("all had their turn", || order.borrow().len() == 3).await;
    assert_eq!(*order.borrow(), [1, 2, 3]);
}

#[wasm_bindgen_test]
async fn a_turn_ends_with_the_page_that_has_it() {
    let document = web_sys::window().unwrap().document().unwrap();
    let frame: Element = document.create_element("iframe").unwrap();
    document.body().unwrap().append_child(&frame).unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test's own script, out of no input")]
    let hold = js_sys::Function::new_with_args(
        "frame",
        "frame.contentWindow.navigator.locks.request('t-dies', () => new Promise(() => {})).catch(() => {});",
    );
    hold.call1(&wasm_bindgen::JsValue::NULL, &frame).unwrap();
    for _ in 0..300 {
        if locks::held().await.unwrap().contains(&"t-dies".to_owned()) {
            break;
        }
    }
    assert!(locks::take_free("t-dies").await.is_none());
    frame.remove();
    let had = Rc::new(RefCell::new(false));
    let has = Rc::clone(&had);
    spawn_local(async move { *has.borrow_mut() = locks::turn("t-dies").await.is_some() });
    until("the turn came", || *had.borrow()).await;
}

#[wasm_bindgen_test]
async fn a_word_reaches_the_other_tabs_while_they_listen() {
    let heard: Rc<RefCell<Vec<Word>>> = Rc::default();
    let hears = Rc::clone(&heard);
    let (one, other) = (Channel::open(|_| ()), Channel::open(move |word| hears.borrow_mut().push(word)));
    let session = SessionId::parse("s_1").unwrap();
    let words =
        [Word::Identity, Word::Outbox(session.clone()), Word::Discarded(session.clone(), "u1".to_owned())];
    words.iter().for_each(|word| one.say(word));
    until("all were heard", || heard.borrow().len() == 3).await;
    assert_eq!(*heard.borrow(), words);
    other.close();
    one.say(&Word::Identity);
    settled().await;
    other.reopen();
    one.say(&Word::Outbox(session));
    until("it listens again", || heard.borrow().len() == 4).await;
    assert_eq!(heard.borrow()[3], words[1], "heard while it was closed");
}

#[wasm_bindgen_test]
async fn what_the_browser_says_about_a_tab_becomes_what_to_do() {
    let acts: Rc<RefCell<Vec<Act>>> = Rc::default();
    let done = Rc::clone(&acts);
    let app = App::new(Route::Home);
    tab::listen(app, move |act| done.borrow_mut().push(act));
    let window = web_sys::window().unwrap();
    let document = window.document().unwrap();
    let to_window = |name: &str| assert!(window.dispatch_event(&Event::new(name).unwrap()).unwrap());
    let to_document = |name: &str| assert!(document.dispatch_event(&Event::new(name).unwrap()).unwrap());
    to_window("offline");
    assert!(!leptos::prelude::GetUntracked::get_untracked(&app.network));
    to_window("online");
    assert!(leptos::prelude::GetUntracked::get_untracked(&app.network));
    to_document("freeze");
    to_window("pagehide");
    to_document("resume");
    to_window("pagehide");
    to_window("pageshow");
    assert_eq!(*acts.borrow(), [Act::Wake, Act::Rest, Act::Rise, Act::Rest, Act::Rise]);
}

/// Two tabs of one browser with the same session open.
struct TwoTabs {
    vault: Rc<Vault>,
    one: Rc<Courier>,
    other: Rc<Courier>,
}

impl TwoTabs {
    async fn open() -> Self {
        let vault = Rc::new(Vault::open(|_| ()).await);
        vault.purge().await;
        let tokens = tokens().await;
        let courier = |vault: Rc<Vault>| {
            let channel = Rc::new(Channel::open(|_| ()));
            let courier = Courier::new(place("s_1"), Rc::clone(&tokens), vault, channel);
            courier.in_epoch(Some("e"));
            Rc::new(courier)
        };
        let second = Rc::new(Vault::open(|_| ()).await);
        Self { one: courier(Rc::clone(&vault)), other: courier(second), vault }
    }
}

pub(crate) async fn tokens() -> Rc<Tokens> {
    let device_id = DeviceId::parse("dev_1").unwrap();
    let key = keys::generate().await.unwrap().private;
    let identity = Identity { device_id: device_id.clone(), confirm_code: None, logged_out: false, key };
    let granted: Granted = serde_json::from_value(serde_json::json!({
        "device_id": device_id, "access_token": "t", "expires_in": 600, "role": Role::Owner
    }))
    .unwrap();
    Tokens::with_granted(identity, &granted)
}

fn stored(seq: u64) -> (u16, String) {
    (200, format!(r#"{{"data":[{{"uuid":"u","status":"accepted","seq":{seq}}}]}}"#))
}

/// A prompt is on its way; what became of it stands in the list once it is known.
fn deliver(courier: &Rc<Courier>, uuid: &'static str, known: &Rc<RefCell<Vec<String>>>) {
    let (courier, known) = (Rc::clone(courier), Rc::clone(known));
    spawn_local(async move {
        let outcome = courier.deliver(uuid, text_prompt(uuid, "text")).await;
        let word = match outcome {
            PostOutcome::Accepted { .. } => "accepted",
            PostOutcome::Refused(_) => "refused",
            PostOutcome::Failed => "failed",
        };
        known.borrow_mut().push(format!("{uuid} {word}"));
    });
}

#[wasm_bindgen_test]
async fn two_tabs_send_each_prompt_once_and_in_the_order_they_were_written() {
    let server = Server::answering(|_| stored(1));
    let tabs = TwoTabs::open().await;
    for (tab, uuid) in [(&tabs.one, "a"), (&tabs.other, "b"), (&tabs.one, "c")] {
        assert!(tab.keep(uuid, "text").await);
    }
    let known = Rc::default();
    // The later one asks first, and each tab knows all of them.
    deliver(&tabs.other, "b", &known);
    for uuid in ["a", "b", "c"] {
        deliver(&tabs.one, uuid, &known);
    }
    deliver(&tabs.other, "c", &known);
    until("all are known", || known.borrow().len() == 5).await;
    assert_eq!(server.prompts(), ["a", "b", "c"]);
    assert!(known.borrow().iter().all(|known| known.ends_with("accepted")), "{:?}", known.borrow());
    tabs.vault.purge().await;
}

#[wasm_bindgen_test]
async fn what_a_dead_tab_had_under_way_is_sent_again_with_the_same_bytes_and_first() {
    let server = Server::answering(|_| stored(1));
    let tabs = TwoTabs::open().await;
    for (tab, uuid) in [(&tabs.one, "a"), (&tabs.other, "b")] {
        assert!(tab.keep(uuid, "text").await);
    }
    server.hold(true);
    let (dead, known) = (Rc::default(), Rc::default());
    deliver(&tabs.one, "a", &dead);
    until("a is on its way", || server.prompts() == ["a"]).await;
    deliver(&tabs.other, "b", &known);
    settled().await;
    assert_eq!(server.prompts(), ["a"], "two at once");
    // The browser takes the turn from a tab that dies; one that freezes gives it up by itself.
    tabs.one.let_go();
    until("the other took over", || server.prompts().len() == 2).await;
    server.hold(false);
    until("it is through", || *known.borrow() == ["b accepted"]).await;
    assert_eq!(server.prompts(), ["a", "a", "b"]);
    let bodies: Vec<String> = server.calls.borrow().iter().map(|(_, _, body)| body.clone()).collect();
    assert_eq!(bodies[0], bodies[1], "other bytes under the same uuid");
    tabs.vault.purge().await;
}

#[wasm_bindgen_test]
async fn no_answer_stops_the_line_and_a_refusal_does_not() {
    let away = Rc::new(std::cell::Cell::new(true));
    let is_away = Rc::clone(&away);
    let server = Server::answering(move |(_, _, body)| match (is_away.get(), body.contains("\"b\"")) {
        (true, _) => (0, String::new()),
        (false, true) => (
            400,
            r#"{"type":"error","error":{"type":"invalid_request","message":"too odd"},"request_id":"r"}"#
                .into(),
        ),
        (false, false) => stored(7),
    });
    let tabs = TwoTabs::open().await;
    for uuid in ["a", "b", "c"] {
        assert!(tabs.one.keep(uuid, "text").await);
    }
    let known = Rc::default();
    deliver(&tabs.one, "c", &known);
    until("it failed", || *known.borrow() == ["c failed"]).await;
    assert_eq!(server.prompts(), ["a"], "one that is later overtook one that got no answer");
    away.set(false);
    deliver(&tabs.one, "c", &known);
    deliver(&tabs.other, "b", &known);
    until("both are known", || known.borrow().len() == 3).await;
    assert_eq!(*known.borrow(), ["c failed", "c accepted", "b refused"]);
    assert_eq!(server.prompts(), ["a", "a", "b", "c"], "a refusal was said twice to the server");
    tabs.vault.purge().await;
}

#[wasm_bindgen_test]
async fn a_token_that_ended_twice_on_its_way_refuses_no_prompt() {
    let ended = Rc::new(std::cell::Cell::new(true));
    let is_ended = Rc::clone(&ended);
    let server = Server::answering(move |(_, path, _)| match path.as_str() {
        "/v1/auth/challenge" => (200, r#"{"nonce":"n"}"#.into()),
        "/v1/auth/token" => {
            (200, r#"{"device_id":"dev_1","access_token":"t2","expires_in":600,"role":"owner"}"#.into())
        }
        _ if is_ended.get() => (
            401,
            r#"{"type":"error","error":{"type":"unauthorized","message":"it ended"},"request_id":"r"}"#
                .into(),
        ),
        _ => stored(1),
    });
    let tabs = TwoTabs::open().await;
    assert!(tabs.one.keep("a", "text").await);
    let known = Rc::default();
    deliver(&tabs.one, "a", &known);
    until("it failed", || *known.borrow() == ["a failed"]).await;
    ended.set(false);
    deliver(&tabs.one, "a", &known);
    until("it is through", || *known.borrow() == ["a failed", "a accepted"]).await;
    assert_eq!(server.prompts(), ["a", "a", "a"]);
    tabs.vault.purge().await;
}

#[wasm_bindgen_test]
async fn a_log_that_lost_what_it_had_gets_it_again() {
    let server = Server::answering(|_| stored(1));
    let tabs = TwoTabs::open().await;
    assert!(tabs.one.keep("a", "text").await);
    let known = Rc::default();
    deliver(&tabs.one, "a", &known);
    until("stored", || known.borrow().len() == 1).await;
    deliver(&tabs.one, "a", &known);
    until("known already", || known.borrow().len() == 2).await;
    assert_eq!(server.prompts(), ["a"]);
    tabs.one.in_epoch(Some("another"));
    deliver(&tabs.one, "a", &known);
    until("stored again", || known.borrow().len() == 3).await;
    assert_eq!(server.prompts(), ["a", "a"]);
    tabs.vault.purge().await;
}

#[wasm_bindgen_test]
async fn what_was_thrown_away_in_another_tab_is_not_sent() {
    let server = Server::answering(|_| stored(1));
    let tabs = TwoTabs::open().await;
    assert!(tabs.one.keep("a", "text").await);
    assert_eq!(tabs.other.kept().await.len(), 1);
    tabs.one.release("a").await;
    tabs.other.discarded("a");
    let known = Rc::default();
    deliver(&tabs.other, "a", &known);
    until("known", || *known.borrow() == ["a refused"]).await;
    assert!(server.prompts().is_empty());
}

#[wasm_bindgen_test]
async fn a_session_nobody_looks_at_is_swept_until_the_first_that_gets_no_answer() {
    let server =
        Server::answering(|(_, _, body)| if body.contains("\"b\"") { (0, String::new()) } else { stored(1) });
    let tabs = TwoTabs::open().await;
    for uuid in ["a", "b", "c"] {
        assert!(tabs.one.keep(uuid, "text").await);
    }
    tabs.other.sweep().await;
    assert_eq!(server.prompts(), ["a", "b"]);
    let left: Vec<String> =
        tabs.vault.kept(&place("s_1")).await.unwrap().into_iter().map(|kept| kept.uuid).collect();
    assert_eq!(left, ["b", "c"]);
    tabs.vault.purge().await;
}
