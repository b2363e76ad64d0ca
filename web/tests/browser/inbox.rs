//! The inbox: what waits over several sessions, oldest first, answered one after another with the card of the gate.

use crate::page::{Page, WELCOME, asks, settled, until};
use leptos::prelude::{Set as _, WithValue as _};
use portcullis_protocol::Tick;
use portcullis_protocol::id::SessionId;
use portcullis_protocol::session::{Input, Output, Session, SessionConfig, StartAt};
use portcullis_protocol::wire::rest::SessionInfo;
use portcullis_web::state::command::Command;
use portcullis_web::state::dirty::Dirty;
use serde_json::{Value, json};
use wasm_bindgen_test::wasm_bindgen_test;

const EXACT: &str = "[data-testid=gate-exact]";
const ALLOW: &str = "[data-testid=gate-allow]";

fn bash(command: &str) -> Value {
    json!({"subtype":"can_use_tool","tool_name":"Bash","input":{"command":command},"blocked_path":"/etc"})
}

fn session(id: &str) -> SessionInfo {
    let info = json!({"id":id,"title":format!("Title of {id}"),"status":"requires_action","environment_id":"e","directory":"/home/me/api",
        "agent":null,"model":null,"permission_mode":null,"created_at":0,"updated_at":1,"head_seq":0,"epoch":"x","pending_count":1,"total_cost_usd":null});
    serde_json::from_value(info).unwrap()
}

/// Listens to a session in a place of the inbox, as the link does.
struct Watched {
    machine: Session,
    place: usize,
}

impl Watched {
    fn start(page: &Page, place: usize, id: &str) -> Self {
        let places = page.app.watched.with_value(Clone::clone);
        places[place].turn_to(Some(SessionId::parse(id).unwrap()));
        let config = SessionConfig { seed: 1, start: StartAt::Head };
        let mut watched = Self { machine: Session::new(config), place };
        watched.feed(page, Input::Start);
        watched.feed(page, Input::Opened { token: "t".into() });
        watched.feed(page, Input::Frame(WELCOME.into()));
        watched
    }

    fn feed(&mut self, page: &Page, input: Input) {
        self.machine.handle(Tick(0), input);
        let mut dirty = Dirty::default();
        while let Some(output) = self.machine.poll_output() {
            if let Output::Change(change) = output {
                dirty.note(&change);
            }
        }
        page.app.watched.with_value(|places| places[self.place].desk.paint(&self.machine, &dirty));
    }

    fn asked(&mut self, page: &Page, id: &str, command: &str, asked_at_ms: u64) {
        self.feed(page, Input::Frame(asks(id, &bash(command), asked_at_ms)));
    }

    /// Somebody else decided.
    fn decided(&mut self, page: &Page, id: &str, command: &str) {
        let pending: Value = serde_json::from_str(&asks(id, &bash(command), 1)).unwrap();
        let digest = &pending["digest"];
        let frame = json!({"type":"permission","request_id":id,"state":"decided","digest":digest,"behavior":"allow","decided_by":"phone"});
        self.feed(page, Input::Frame(frame.to_string()));
    }
}

#[wasm_bindgen_test]
async fn the_oldest_of_all_sessions_is_offered_first_and_answered_where_it_stands() {
    let page = Page::with_inbox();
    page.app.lists.sessions.set(vec![session("s_1"), session("s_2")]);
    page.app.lists.loaded.set(true);
    settled().await;
    let watched = page.sent(|command| if let Command::Watch(ids) = command { Some(ids.len()) } else { None });
    assert_eq!(watched.last(), Some(&2));
    let mut one = Watched::start(&page, 0, "s_1");
    let mut two = Watched::start(&page, 1, "s_2");
    one.asked(&page, "R", "younger", 20);
    two.asked(&page, "R", "older", 10);
    settled().await;
    assert!(page.text(EXACT).contains("older"), "{}", page.text(EXACT));
    assert_eq!(page.text(".inbox-session"), "Title of s_2");
    assert_eq!(page.text(".strip-title"), "Waits for you: 1 of 2");
    let row = page.text("[data-testid=inbox-row]");
    assert!(row.contains("Title of s_1") && row.contains("Touches a path outside"), "{row}");
    let focused = web_sys::window().unwrap().document().unwrap().active_element();
    assert!(focused.is_none_or(|element| element.tag_name() == "BODY"), "the focus went somewhere by itself");
    until("armed", || !page.is_disabled(ALLOW)).await;
    page.click(ALLOW);
    assert_eq!(page.decided_in(), [("s_2".to_owned(), "R".to_owned())]);
    two.decided(&page, "R", "older");
    settled().await;
    assert!(page.text(EXACT).contains("younger"), "the next is not shown");
    assert!(page.text("[data-testid=inbox-answered]").contains("Allowed by phone"));
    until("armed again", || !page.is_disabled(ALLOW)).await;
    page.end();
}

#[wasm_bindgen_test]
async fn not_now_moves_a_request_to_the_end_and_answers_nothing() {
    let page = Page::with_inbox();
    let mut one = Watched::start(&page, 0, "s_1");
    for (at, id) in ["A", "B", "C"].iter().enumerate() {
        one.asked(&page, id, id, at as u64 + 1);
    }
    settled().await;
    for expected in ["B", "C", "A"] {
        page.click("[data-testid=inbox-later]");
        settled().await;
        assert_eq!(page.text(".exact-text"), expected);
    }
    page.click("[data-testid=gate-next]");
    settled().await;
    assert_eq!(page.text(".exact-text"), "B");
    assert!(page.decided_in().is_empty());
    page.end();
}

#[wasm_bindgen_test]
async fn nothing_is_listened_to_any_more_once_the_inbox_is_left() {
    let page = Page::with_inbox();
    page.app.lists.sessions.set(vec![session("s_1")]);
    settled().await;
    let heard = page.commands();
    page.end();
    let last = heard
        .borrow()
        .iter()
        .rev()
        .find_map(|command| if let Command::Watch(ids) = command { Some(ids.len()) } else { None });
    assert_eq!(last, Some(0));
}
