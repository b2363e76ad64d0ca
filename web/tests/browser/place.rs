//! The list of sessions, a new session and the settings: what they show, and what they ask for when they are used.

use crate::page::{Page, settled};
use leptos::prelude::*;
use portcullis_protocol::Tick;
use portcullis_protocol::role::Role;
use portcullis_protocol::wire::decisions::DecisionEntry;
use portcullis_protocol::wire::rest::{Device, Environment, SessionInfo};
use portcullis_web::state::app::Paged;
use portcullis_web::state::command::Command;
use portcullis_web::state::deed::Deed;
use portcullis_web::state::prefs::Pref;
use portcullis_web::state::route::Route;
use portcullis_web::view;
use serde_json::{Value, json};
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::{Event, HtmlInputElement};

fn session(id: &str, more: Value) -> SessionInfo {
    let mut info = json!({"id":id,"title":id,"status":"idle","environment_id":"env_1","directory":"/home/me/api",
        "agent":null,"model":null,"permission_mode":null,"created_at":1,"updated_at":1,"head_seq":1,"epoch":"e",
        "pending_count":0,"total_cost_usd":null});
    let fields = more.as_object().unwrap().clone();
    info.as_object_mut().unwrap().extend(fields);
    serde_json::from_value(info).unwrap()
}

fn machine(id: &str, name: &str) -> Environment {
    serde_json::from_value(json!({"id":id,"machine_name":name,"directory":"/srv","branch":null,"online":true,
        "last_seen_at_ms":1,"max_sessions":1,"agents":["claude","builtin"],
        "permission_modes":["default","plan","acceptEdits"]}))
    .unwrap()
}

fn device(id: &str, role: &str, confirm_code: Option<&str>) -> Device {
    let confirm_code = confirm_code.map(str::to_owned);
    serde_json::from_value(
        json!({"id":id,"name":id,"role":role,"plain_approve":false,"confirm_code":confirm_code,
        "created_at_ms":1,"last_seen_at_ms":1}),
    )
    .unwrap()
}

fn decision(id: u64, more: Value) -> DecisionEntry {
    let mut entry = json!({"id":id,"session_id":"s_1","session_title":"hinge","directory":"/srv","request_id":"R",
        "digest":"d1ge57","request":{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"ls -l"}},
        "asked_at_ms":1,"decided_at_ms":2,"device_id":"d_1","decided_by":"phone","behavior":"allow",
        "state":"settled","lives":true});
    entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(entry).unwrap()
}

fn type_into(page: &Page, selector: &str, text: &str) {
    let field: HtmlInputElement = page.element(selector);
    field.set_value(text);
    field.dispatch_event(&Event::new("input").unwrap()).unwrap();
}

fn deeds(page: &Page) -> Vec<Deed> {
    page.sent(|command| if let Command::Do(deed) = command { Some(deed.clone()) } else { None })
}

async fn side(sessions: Vec<SessionInfo>) -> Page {
    let page = Page::with(|| view! { <view::Side/> }.into_any());
    page.app.role.set(Some(Role::Owner));
    page.app.lists.environments.set(vec![machine("env_1", "atlas")]);
    page.app.lists.sessions.set(sessions);
    page.app.lists.loaded.set(true);
    settled().await;
    page
}

#[wasm_bindgen_test]
async fn a_row_tells_place_age_cost_and_what_waits() {
    let busy = json!({"pending_count":2,"status":"requires_action","total_cost_usd":1.5});
    let page = side(vec![session("busy", busy), session("calm", json!({}))]).await;
    let waiting = page.text("[data-group=waiting] .row");
    for part in ["busy", "atlas · …/me/api", "$1.50 · now", "2 waiting for you"] {
        assert!(waiting.contains(part), "{part:?} in {waiting:?}");
    }
    assert_eq!(page.count("[data-group=idle] .row"), 1);
    page.end();
}

#[wasm_bindgen_test]
async fn the_open_session_is_listed_as_its_own_connection_tells() {
    let page = side(vec![session("s_1", json!({}))]).await;
    page.app.route.set(Route::parse("/s/s_1"));
    page.asked(Tick(1), "R", &json!({"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"ls"}}));
    settled().await;
    assert_eq!(page.count("[data-group=waiting] .row"), 1, "before any list was read again");
    page.frame(Tick(2), r#"{"type":"permission","request_id":"R","state":"cancelled","digest":"x"}"#);
    page.frame(Tick(3), r#"{"type":"worker","state":"online","worker_state":{"status":"running"}}"#);
    settled().await;
    assert_eq!((page.count("[data-group=waiting] .row"), page.count("[data-group=running] .row")), (0, 1));
    page.end();
}

#[wasm_bindgen_test]
async fn what_came_since_is_marked_until_it_is_looked_at() {
    let page = side(vec![session("s_1", json!({}))]).await;
    let marked = || page.attributes(".row", "data-new");
    page.app.seen.update(|seen| {
        seen.saw("s_1", 1);
    });
    settled().await;
    assert_eq!(marked(), ["no"]);
    page.app.lists.sessions.set(vec![session("s_1", json!({"head_seq":4}))]);
    settled().await;
    assert_eq!(marked(), ["yes"]);
    page.app.saw(&session("s_1", json!({})).id, 4);
    settled().await;
    assert_eq!(marked(), ["no"]);
    page.end();
}

#[wasm_bindgen_test]
async fn a_session_is_renamed_in_place_and_archived_at_once_only_while_nothing_runs() {
    let page = side(vec![session("s_1", json!({}))]).await;
    page.click("[data-testid=row-more]");
    settled().await;
    page.click("[data-testid=row-rename]");
    settled().await;
    type_into(&page, "[data-testid=row-title]", "  The hinge ");
    page.click("[data-testid=row-save]");
    settled().await;
    let id = session("s_1", json!({})).id;
    assert_eq!(deeds(&page), [Deed::Rename { session: id.clone(), title: "The hinge".into() }]);
    assert!(page.text(".row-title").contains("The hinge"), "it is shown before the server answered");

    page.app.lists.sessions.set(vec![session("s_1", json!({"status":"running"}))]);
    page.click("[data-testid=row-more]");
    settled().await;
    page.click("[data-testid=row-archive]");
    settled().await;
    assert_eq!(deeds(&page).len(), 1, "a person is asked first");
    page.click("[data-testid=row-archive-anyway]");
    settled().await;
    assert_eq!(deeds(&page).last(), Some(&Deed::Archive(id)));
    assert_eq!(page.count(".row"), 0);
    page.end();
}

#[wasm_bindgen_test]
async fn a_viewer_is_offered_nothing_he_may_not_do() {
    let page = side(vec![session("s_1", json!({}))]).await;
    page.app.role.set(Some(Role::Viewer));
    settled().await;
    for control in ["[data-testid=new-session]", "[data-testid=row-more]"] {
        assert!(page.element::<web_sys::HtmlElement>(control).hidden(), "{control}");
    }
    page.end();
}

#[wasm_bindgen_test]
async fn a_waiting_device_is_let_in_as_what_it_asked_to_be() {
    let page = side(Vec::new()).await;
    page.app.lists.devices.set(vec![device("d_1", "operator", Some("AB-12")), device("d_2", "owner", None)]);
    settled().await;
    assert_eq!(page.text(".newcomer .confirm-code"), "AB-12");
    page.click("[data-testid=admit]");
    let id = device("d_1", "operator", None).id;
    assert_eq!(deeds(&page), [Deed::Admit { device: id, role: None }]);
    page.end();
}

#[wasm_bindgen_test]
async fn a_new_session_asks_for_what_was_chosen_and_leaves_the_rest_to_the_machine() {
    let page = Page::with(|| view! { <view::NewSession/> }.into_any());
    page.app.role.set(Some(Role::Approver));
    page.app.lists.environments.set(vec![machine("env_1", "atlas"), machine("env_2", "borea")]);
    page.app.lists.loaded.set(true);
    settled().await;
    type_into(&page, "[data-testid=new-session-directory]", "/srv/api");
    let prompt: web_sys::HtmlTextAreaElement = page.element("[data-testid=composer-input]");
    prompt.set_value("Mend it");
    prompt.dispatch_event(&Event::new("input").unwrap()).unwrap();
    settled().await;
    page.click("[data-testid=composer-send]");
    let asked = page.sent(|command| {
        let Command::Start(create) = command else { return None };
        Some(serde_json::to_value(create).unwrap())
    });
    assert_eq!(asked, [json!({"environment_id":"env_1","directory":"/srv/api","prompt":"Mend it"})]);
    // What asks less than the default is the owner's.
    let laxer = "[data-testid=new-session-mode] option[value=acceptEdits]";
    assert!(page.is_disabled(laxer) && !page.is_disabled(&laxer.replace("acceptEdits", "plan")));
    page.app.role.set(Some(Role::Owner));
    settled().await;
    assert!(!page.is_disabled(laxer));
    page.end();
}

async fn settings() -> Page {
    let page = Page::with(|| view! { <view::Settings/> }.into_any());
    page.app.role.set(Some(Role::Owner));
    settled().await;
    page
}

#[wasm_bindgen_test]
async fn a_choice_is_shown_and_kept() {
    let page = settings().await;
    let theme: web_sys::HtmlSelectElement = page.element("[data-testid='portcullis.theme']");
    let root = document().document_element().unwrap();
    for (chosen, shown) in [("contrast", Some("contrast".to_owned())), ("", None)] {
        theme.set_value(chosen);
        theme.dispatch_event(&Event::new("change").unwrap()).unwrap();
        assert_eq!((Pref::Theme.get(), root.get_attribute("data-theme")), (chosen, shown));
    }
    page.click("[data-testid='portcullis.keys']");
    assert_eq!(Pref::Keys.get(), "off");
    page.click("[data-testid='portcullis.keys']");
    assert_eq!(Pref::Keys.get(), "");
    page.end();
}

#[wasm_bindgen_test]
async fn devices_rules_and_decisions_say_what_is_known_and_what_can_be_done() {
    let page = settings().await;
    let wanted = page.sent(|command| {
        let Command::Decisions { granted, more } = command else { return None };
        Some((*granted, *more))
    });
    assert_eq!(wanted, [(true, false), (false, false)], "both are read when the page opens");
    page.app.device.set(Some(device("d_2", "owner", None).id));
    page.app.lists.devices.set(vec![
        device("d_1", "viewer", None),
        device("d_2", "owner", None),
        device("d_3", "viewer", Some("XY")),
    ]);
    let rule = |destination: &str| {
        json!([{"type":"addRules","behavior":"allow","destination":destination,
            "rules":[{"toolName":"Bash","ruleContent":"ls:*"}]}])
    };
    let rows = vec![
        decision(3, json!({"granted":rule("session")})),
        decision(2, json!({"granted":rule("localSettings"),"lives":false})),
    ];
    page.app.lists.grants.set(Paged { rows, more: false, loaded: true });
    let denied = decision(1, json!({"behavior":"deny","message":"not\u{202e}today"}));
    page.app.lists.decisions.set(Paged { rows: vec![denied], more: true, loaded: true });
    settled().await;

    assert_eq!(page.attributes("[data-testid=device]", "data-device-id"), ["d_2", "d_1"], "this one first");
    page.click("[data-device-id=d_1] [data-testid=device-revoke]");
    settled().await;
    assert_eq!(deeds(&page), []);
    page.click("[data-testid=device-revoke-yes]");
    assert_eq!(deeds(&page), [Deed::Revoke(device("d_1", "viewer", None).id)]);

    assert_eq!(page.attributes("[data-testid=rule]", "data-force"), ["living", "other"]);
    assert!(page.text("[data-testid=rules]").contains(".claude/settings.local.json"));
    page.click("[data-force=living] [data-testid=rule-take-back]");
    settled().await;
    page.click("[data-testid=rule-stop]");
    assert_eq!(deeds(&page).last(), Some(&Deed::Stop(session("s_1", json!({})).id)));

    assert_eq!(page.count("[data-testid=decision] .source"), 0, "the bytes are drawn when somebody looks");
    page.click("[data-testid=decision] summary");
    settled().await;
    settled().await;
    let told = page.text("[data-testid=decision]");
    for part in ["Denied", "Bash ls -l", "phone", "not⟨U+202E⟩today", "d1ge57", r#""command":"ls -l""#] {
        assert!(told.contains(part), "{part:?} in {told:?}");
    }
    page.end();
}

#[wasm_bindgen_test]
async fn a_newer_page_is_offered_and_never_forced() {
    let page = Page::with_bar();
    page.app.outdated.set(true);
    settled().await;
    page.click("[data-testid=reload]");
    assert_eq!(page.sent(|command| matches!(command, Command::Reload).then_some(())).len(), 1);
    page.end();
}
