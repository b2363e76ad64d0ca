//! The vault against everything a browser does to it: other tabs, a full disk, no storage, a database that goes away.

use std::cell::RefCell;
use std::rc::Rc;

use crate::page::until;
use js_sys::{Function, Object, Reflect};
use portcullis_protocol::id::{DeviceId, SessionId};
use portcullis_web::link::drafts::Drafts;
use portcullis_web::link::vault::{Fate, Place, Vault};
use portcullis_web::state::attach::Attached;
use portcullis_web::state::storage::StorageTrouble;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use wasm_bindgen_test::wasm_bindgen_test;

pub(crate) fn place(session: &str) -> Place {
    Place { device: DeviceId::parse("dev_1").unwrap(), session: SessionId::parse(session).unwrap() }
}

async fn quiet() -> Vault {
    Vault::open(|_| ()).await
}

type Troubles = Rc<RefCell<Vec<StorageTrouble>>>;

fn listening() -> (Troubles, impl Fn(StorageTrouble) + 'static) {
    let heard = Troubles::default();
    let hears = Rc::clone(&heard);
    (heard, move |trouble| hears.borrow_mut().push(trouble))
}

async fn uuids(vault: &Vault, session: &str) -> Vec<String> {
    vault.kept(&place(session)).await.unwrap().into_iter().map(|kept| kept.uuid).collect()
}

/// Runs JavaScript that gives a promise.
async fn script(text: &str) -> JsValue {
    let run = Function::new_no_args(&format!("return (async () => {{ {text} }})();"));
    JsFuture::from(run.call0(&JsValue::NULL).unwrap().unchecked_into::<js_sys::Promise>()).await.unwrap()
}

const DELETE: &str = "await new Promise((done, fail) => { const r = indexedDB.deleteDatabase('portcullis'); r.onsuccess = done; r.onerror = fail; });";

#[wasm_bindgen_test]
async fn prompts_of_two_tabs_are_kept_in_the_order_they_were_written() {
    let (one, other) = (quiet().await, quiet().await);
    one.purge().await;
    for (vault, uuid) in [(&one, "c"), (&other, "a"), (&one, "b")] {
        vault.keep(&place("s_1"), uuid, "text").await.unwrap();
    }
    one.keep(&place("s_2"), "x", "elsewhere").await.unwrap();
    one.keep(&place("s_1"), "c", "the same again").await.unwrap();
    assert_eq!(uuids(&other, "s_1").await, ["c", "a", "b"]);
    other.settle("a", Fate::Refused { message: "no".into() }).await;
    one.release("c").await;
    assert_eq!(uuids(&one, "s_1").await, ["a", "b"]);
    assert_eq!(one.kept(&place("s_1")).await.unwrap()[0].fate, Fate::Refused { message: "no".into() });
    let unsent = one.unsent(&DeviceId::parse("dev_1").unwrap()).await;
    assert_eq!(unsent.len(), 3);
    assert!(one.unsent(&DeviceId::parse("dev_2").unwrap()).await.is_empty(), "of another device");
    one.purge().await;
    assert!(uuids(&other, "s_1").await.is_empty());
}

#[wasm_bindgen_test]
async fn a_database_that_is_deleted_under_us_is_made_again() {
    let (heard, told) = listening();
    let vault = Vault::open(told).await;
    vault.keep(&place("s_1"), "u1", "text").await.unwrap();
    script(DELETE).await;
    vault.keep(&place("s_1"), "u2", "text").await.unwrap();
    assert_eq!(*heard.borrow(), [StorageTrouble::Lost]);
    assert_eq!(uuids(&vault, "s_1").await, ["u2"]);
    vault.purge().await;
}

#[wasm_bindgen_test]
async fn an_older_tab_in_the_way_is_said_and_waited_for() {
    script(DELETE).await;
    script("window.older = await new Promise((done) => { const r = indexedDB.open('portcullis', 1); r.onupgradeneeded = () => r.result.createObjectStore('outbox'); r.onsuccess = () => done(r.result); });").await;
    let (heard, told) = listening();
    let opened: Rc<RefCell<Option<Vault>>> = Rc::default();
    let opening = Rc::clone(&opened);
    spawn_local(async move { drop(opening.replace(Some(Vault::open(told).await))) });
    until("blocked", || *heard.borrow() == [StorageTrouble::Blocked]).await;
    assert!(opened.borrow().is_none());
    script("window.older.close();").await;
    until("opened", || opened.borrow().is_some()).await;
    let vault = opened.take().unwrap();
    assert!(vault.is_lasting());
    vault.keep(&place("s_1"), "u1", "text").await.unwrap();
    vault.purge().await;
}

#[wasm_bindgen_test]
async fn a_newer_tab_is_let_pass_and_nothing_is_written_any_more() {
    let (heard, told) = listening();
    let vault = Vault::open(told).await;
    script("(await new Promise((done) => { const r = indexedDB.open('portcullis', 99); r.onsuccess = () => done(r.result); })).close();").await;
    assert_eq!(*heard.borrow(), [StorageTrouble::Outdated]);
    assert_eq!(vault.keep(&place("s_1"), "u1", "text").await, Err(StorageTrouble::Outdated));
    script(DELETE).await;
}

#[wasm_bindgen_test]
async fn a_full_disk_is_told_to_whoever_wanted_to_keep_something() {
    let vault = quiet().await;
    vault.purge().await;
    script("const put = IDBObjectStore.prototype.put; window.putBefore = put; IDBObjectStore.prototype.put = () => { throw new DOMException('', 'QuotaExceededError'); };").await;
    let kept = vault.keep(&place("s_1"), "u1", "text").await;
    script("IDBObjectStore.prototype.put = window.putBefore;").await;
    assert_eq!(kept, Err(StorageTrouble::Full));
    assert!(uuids(&vault, "s_1").await.is_empty());
    vault.keep(&place("s_1"), "u1", "there is room again").await.unwrap();
    vault.purge().await;
}

#[wasm_bindgen_test]
async fn without_storage_the_page_works_until_reload_and_says_so() {
    let window = web_sys::window().unwrap();
    let before = Object::get_own_property_descriptor(&window, &"indexedDB".into());
    let nothing = Object::new();
    Reflect::set(&nothing, &"configurable".into(), &true.into()).unwrap();
    Reflect::set(&nothing, &"value".into(), &JsValue::UNDEFINED).unwrap();
    Object::define_property(&window, &"indexedDB".into(), &nothing);
    let (heard, told) = listening();
    let vault = Vault::open(told).await;
    let kept = vault.keep(&place("s_1"), "u1", "text").await;
    Object::define_property(&window, &"indexedDB".into(), before.unchecked_ref());
    assert_eq!(
        (heard.borrow().as_slice(), kept),
        ([StorageTrouble::Denied].as_slice(), Err(StorageTrouble::Denied))
    );
    assert!(!vault.is_lasting() && vault.identity().await.is_none());
}

#[wasm_bindgen_test]
async fn a_draft_belongs_to_its_tab_until_that_tab_is_gone_and_then_to_one_other() {
    let vault = quiet().await;
    vault.purge().await;
    for (tab, text, at_ms) in [("living", "mine", 3.0), ("gone", "older", 1.0), ("gone too", "newer", 2.0)] {
        vault.keep_draft("s_1", tab, text, at_ms).await.unwrap();
    }
    let lives = |tab: &str| tab != "gone" && tab != "gone too";
    assert_eq!(vault.adopt_draft("s_1", "living", lives).await.as_deref(), Some("mine"));
    assert_eq!(vault.adopt_draft("s_1", "fresh", lives).await.as_deref(), Some("newer"));
    assert_eq!(vault.adopt_draft("s_1", "second", lives).await.as_deref(), Some("older"));
    assert_eq!(vault.adopt_draft("s_1", "third", lives).await, None);
    assert_eq!(vault.adopt_draft("s_2", "third", lives).await, None);
    vault.keep_draft("s_1", "fresh", "", 4.0).await.unwrap();
    assert_eq!(vault.adopt_draft("s_1", "fresh", |_| true).await, None);
    vault.purge().await;
}

#[wasm_bindgen_test]
async fn a_draft_that_is_being_sent_is_forgotten_only_once_the_prompt_is_kept() {
    let vault = Rc::new(quiet().await);
    vault.purge().await;
    let storage = web_sys::window().unwrap().session_storage().unwrap().unwrap();
    storage.clear().unwrap();
    let drafts = Drafts::open(Rc::clone(&vault)).await;
    drafts.typed("s_1", "half a thought".into());
    assert_eq!(drafts.restore("s_1").await.as_deref(), Some("half a thought"), "at once, for a crash");
    drafts.sending();
    drafts.typed("s_1", String::new());
    drafts.flush();
    assert_eq!(
        drafts.restore("s_1").await.as_deref(),
        Some("half a thought"),
        "forgotten before it was kept"
    );
    drafts.sent();
    assert_eq!(drafts.restore("s_1").await, None);
    storage.clear().unwrap();
}

#[wasm_bindgen_test]
async fn a_reloaded_tab_finds_its_draft_and_a_duplicated_one_gets_a_name_of_its_own() {
    let vault = Rc::new(quiet().await);
    vault.purge().await;
    let storage = web_sys::window().unwrap().session_storage().unwrap().unwrap();
    storage.clear().unwrap();
    let name = || storage.get_item("tab").unwrap().unwrap();
    let drafts = Drafts::open(Rc::clone(&vault)).await;
    let first = name();
    drafts.typed("s_1", "typed before the reload".into());
    drafts.rest();
    drop(drafts);
    let reloaded = Drafts::open(Rc::clone(&vault)).await;
    assert_eq!(name(), first);
    assert_eq!(reloaded.restore("s_1").await.as_deref(), Some("typed before the reload"));
    // A duplicate begins with a copy of the tab's own storage, while the first one lives.
    let duplicate = Drafts::open(Rc::clone(&vault)).await;
    assert_ne!(name(), first);
    drop((reloaded, duplicate));
    storage.clear().unwrap();
    vault.purge().await;
}

#[wasm_bindgen_test]
async fn what_was_attached_is_taken_over_from_a_tab_that_is_gone_and_bounded_and_forgotten() {
    let vault = quiet().await;
    vault.purge().await;
    let file = |name: &str| Attached { name: name.into(), data_url: "data:image/png;base64,AAAA".into() };
    let adopted = async |place: &str, tab: &str| -> Vec<String> {
        let files = vault.adopt_pictures(place, tab, |tab| tab != "gone").await;
        files.into_iter().map(|file| file.name).collect()
    };
    for (tab, name, at_ms) in [("gone", "a", 1.0), ("alive", "b", 2.0)] {
        vault.keep_pictures("s_1", tab, vec![file(name)], at_ms).await.unwrap();
    }
    assert_eq!(adopted("s_1", "me").await, ["a"]);
    assert_eq!(
        (adopted("s_1", "me").await, adopted("s_1", "other").await),
        (vec!["a".to_owned()], Vec::new())
    );
    vault.keep_pictures("s_1", "me", Vec::new(), 3.0).await.unwrap();
    assert!(adopted("s_1", "me").await.is_empty(), "it was sent, or taken away");
    for n in 2..22 {
        vault.keep_pictures(&format!("s_{n}"), "me", vec![file("c")], f64::from(n)).await.unwrap();
    }
    assert!(adopted("s_13", "me").await.is_empty(), "the oldest made room");
    assert_eq!(adopted("s_21", "me").await, ["c"]);
    vault.purge().await;
    assert!(adopted("s_21", "me").await.is_empty());
}
