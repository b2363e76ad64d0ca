//! What comes from outside: text that hides something is named wherever it stands, lists are read again when something
//! stirs, and a key the server knows already signs in.

use std::cell::Cell;
use std::rc::Rc;

use crate::page::{Page, settled, until};
use crate::server::Server;
use crate::tabs::tokens;
use leptos::prelude::*;
use portcullis_protocol::Tick;
use portcullis_protocol::id::DeviceId;
use portcullis_protocol::wire::rest::{Environment, SessionInfo};
use portcullis_web::link::keys;
use portcullis_web::link::lists::Lister;
use portcullis_web::link::pairing::{self, PairError, Paired};
use portcullis_web::link::vault::{Identity, Vault};
use portcullis_web::state::app::{App, Phase};
use portcullis_web::state::route::Route;
use serde_json::json;
use wasm_bindgen_test::wasm_bindgen_test;

const HIDES: &str = "a\u{202e}b\u{200b}";
const NAMED: &str = "a⟨U+202E⟩b⟨U+200B⟩";

fn session() -> SessionInfo {
    serde_json::from_value(json!({"id":"s_1","title":HIDES,"status":"idle","environment_id":"env_1",
        "directory":format!("/home/{HIDES}"),"agent":HIDES,"model":HIDES,"permission_mode":HIDES,
        "created_at":1,"updated_at":1,"head_seq":0,"epoch":"e","pending_count":0,"total_cost_usd":null}))
    .unwrap()
}

fn environment() -> Environment {
    serde_json::from_value(json!({"id":"env_1","machine_name":HIDES,"directory":format!("/home/{HIDES}"),
        "branch":HIDES,"online":true,"last_seen_at_ms":1,"created_at_ms":1,"max_sessions":1,"active_sessions":0,"capacity":1,"agents":[]}))
    .unwrap()
}

#[wasm_bindgen_test]
async fn what_hides_in_a_name_is_named_in_head_rows_cards_and_facts() {
    let page = Page::whole();
    page.app.lists.sessions.set(vec![session()]);
    page.app.lists.environments.set(vec![environment()]);
    page.app.lists.loaded.set(true);
    page.app.route.set(Route::parse("/s/s_1"));
    page.app.phase.set(Phase::Ready);
    page.frame(
        Tick(1),
        &json!({"type":"worker","state":"online","worker_state":{"status":"idle","model":HIDES,"permission_mode":HIDES,"agent":HIDES,"directory":HIDES}})
            .to_string(),
    );
    settled().await;
    for place in [
        ".head-title",
        ".head-place",
        ".row-title",
        ".row-place",
        ".machine-name",
        ".machine-place",
        ".facts",
        "[data-testid=pulse]",
    ] {
        let text = page.text(place);
        assert!(text.contains(NAMED), "{place}: {text:?}");
        assert!(!text.contains('\u{202e}') && !text.contains('\u{200b}'), "{place} hides something");
    }
    let title = document().title();
    assert!(title.contains(NAMED), "{title:?}");
    page.end();
}

fn page_of(data: &serde_json::Value) -> String {
    json!({"data":data,"has_more":false,"first_id":null,"last_id":null}).to_string()
}

#[wasm_bindgen_test]
async fn lists_are_read_again_soon_after_something_stirred_however_often_it_stirs() {
    let server = Server::answering(|(_, path, _)| match path.starts_with("/v1/sessions") {
        true => (200, page_of(&json!([session()]))),
        false => (200, page_of(&json!([]))),
    });
    let app = App::new(Route::Home);
    let lister = Lister::start(app, tokens().await, || ());
    until("read once", || server.count("/v1/sessions") == 1).await;
    assert_eq!(app.lists.sessions.with_untracked(Vec::len), 1);
    until("the reading is over", || app.lists.loaded.get_untracked()).await;
    // The period is four seconds; what stirs all the time must not put the reading off.
    let begun = server.count("/v1/sessions");
    until("read again", || {
        lister.stir();
        server.count("/v1/sessions") > begun
    })
    .await;
    // What stirs while a reading is under way is not forgotten by it.
    server.hold(true);
    lister.hurry();
    until("under way", || server.count("/v1/sessions") > begun + 1).await;
    lister.stir();
    let before = server.count("/v1/sessions");
    server.hold(false);
    until("read once more", || server.count("/v1/sessions") > before).await;
    drop(lister);
}

#[wasm_bindgen_test]
async fn a_device_the_server_does_not_know_any_more_is_told_so_by_its_lists() {
    let refused = r#"{"type":"error","error":{"type":"unauthorized","message":"no"},"request_id":"r"}"#;
    let _server = Server::answering(move |_| (401, refused.into()));
    let told = Rc::new(Cell::new(false));
    let tells = Rc::clone(&told);
    let lister = Lister::start(App::new(Route::Home), tokens().await, move || tells.set(true));
    until("told", || told.get()).await;
    drop(lister);
}

/// A server that knows the first key it is shown already, and takes the next.
fn knows_the_first_key() -> Server {
    let first = Cell::new(true);
    Server::answering(move |_| match first.replace(false) {
        true => {
            (409, r#"{"type":"error","error":{"type":"conflict","message":"known"},"request_id":"r"}"#.into())
        }
        false => {
            (200, json!({"device_id":"dev_2","access_token":"t","expires_in":600,"role":"owner"}).to_string())
        }
    })
}

async fn remembered(vault: &Vault, device: &str) {
    let key = keys::generate().await.unwrap().private;
    let device_id = DeviceId::parse(device).unwrap();
    vault.remember(&Identity { device_id, confirm_code: None, logged_out: false, key }).await.unwrap();
}

#[wasm_bindgen_test]
async fn a_browser_the_server_knows_already_signs_in_with_the_key_it_has() {
    let vault = Vault::open(|_| ()).await;
    remembered(&vault, "dev_1").await;
    let server = knows_the_first_key();
    let stale = DeviceId::parse("dev_1").unwrap();
    match pairing::pair(&vault, "CODE", Some(&stale)).await {
        Ok(Paired::Known(identity)) => assert_eq!(identity.device_id.as_str(), "dev_1"),
        other => panic!("{other:?}"),
    }
    assert_eq!(server.count("/v1/auth/pair"), 1);
    drop(server);

    vault.forget().await;
    let server = knows_the_first_key();
    match pairing::pair(&vault, "CODE", None).await {
        Ok(Paired::Granted(identity, _)) => assert_eq!(identity.device_id.as_str(), "dev_2"),
        other => panic!("{other:?}"),
    }
    assert_eq!(server.count("/v1/auth/pair"), 2, "a key nobody kept the device of is replaced");
    vault.forget().await;
}

#[wasm_bindgen_test]
async fn of_two_tabs_with_one_link_one_pairs_and_the_other_uses_its_key() {
    let vault = Rc::new(Vault::open(|_| ()).await);
    vault.forget().await;
    let server = Server::answering(|_| {
        (200, json!({"device_id":"dev_3","access_token":"t","expires_in":600,"role":"owner"}).to_string())
    });
    server.hold(true);
    let first = Rc::new(Cell::new(None));
    let (paired, pairs) = (Rc::clone(&first), Rc::clone(&vault));
    wasm_bindgen_futures::spawn_local(
        async move { paired.set(Some(pairing::pair(&pairs, "CODE", None).await)) },
    );
    until("the first asks", || server.count("/v1/auth/pair") == 1).await;
    let second = Rc::new(Cell::new(None));
    let (paired, pairs) = (Rc::clone(&second), Rc::clone(&vault));
    wasm_bindgen_futures::spawn_local(
        async move { paired.set(Some(pairing::pair(&pairs, "CODE", None).await)) },
    );
    settled().await;
    assert_eq!(server.count("/v1/auth/pair"), 1, "the code was used twice");
    server.hold(false);
    let outcome = |cell: &Cell<Option<Result<Paired, PairError>>>| match cell.take() {
        Some(Ok(Paired::Granted(identity, _))) => format!("granted {}", identity.device_id),
        Some(Ok(Paired::Known(identity))) => format!("known {}", identity.device_id),
        other => panic!("{other:?}"),
    };
    until("the second is in", || {
        let known = second.take();
        let is_in = known.is_some();
        second.set(known);
        is_in
    })
    .await;
    assert_eq!((outcome(&first), outcome(&second)), ("granted dev_3".into(), "known dev_3".into()));
    assert_eq!(server.count("/v1/auth/pair"), 1);
    vault.forget().await;
}
