//! One key for what is done often. Single letters count only while no field has the focus.

use std::cell::Cell;

use leptos::prelude::*;
use portcullis_protocol::session::Choice;
use wasm_bindgen::JsCast as _;
use web_sys::{Element, KeyboardEvent};

use super::focus;
use crate::state::app::App;
use crate::state::command::Command;
use crate::state::route::Route;

/// Two presses of Escape within this interrupt, in ms.
const DOUBLE_MS: f64 = 600.0;

/// Listens as long as the component that calls it is there.
pub(crate) fn install_keys(app: App) {
    let escaped_at = Cell::new(f64::MIN);
    let handle = window_event_listener(leptos::ev::keydown, move |event| {
        if event.default_prevented() || event.ctrl_key() || event.meta_key() || event.alt_key() {
            return;
        }
        if event.key() == "Escape" {
            let twice = event.time_stamp() - escaped_at.replace(event.time_stamp()) < DOUBLE_MS;
            return escape(app, twice);
        }
        if !is_typing(&event) && !event.repeat() && letter(app, &event.key()) {
            event.prevent_default();
        }
    });
    on_cleanup(move || handle.remove());
}

fn escape(app: App, twice: bool) {
    if let Some(element) =
        document().active_element().and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok())
    {
        let _ = element.blur();
    }
    if twice {
        app.send(Command::Interrupt);
    }
}

/// Whether the key meant something.
fn letter(app: App, key: &str) -> bool {
    match key {
        "a" => focus("[data-testid=gate-allow]"),
        "d" => deny(app),
        "D" => click("[data-testid=gate-deny]"),
        "e" => click("[data-testid=gate-edit]"),
        "n" => next(app),
        "i" => focus("[data-testid=composer-input]"),
        "/" => focus("[data-testid=session-filter]"),
        "c" => app.send(Command::Go(Route::New)),
        "." => click("[data-testid=to-end]"),
        "?" => app.note.set(Some(
            "a then Enter: allow once · d: deny · D: deny with a reason · e: edit · n: next request · i: composer · /: filter sessions · c: new session · .: latest answer · Esc: out · Esc Esc: stop the agent".into(),
        )),
        _ => return false,
    }
    true
}

fn deny(app: App) {
    let selected = app.session.selected.get_untracked();
    let waits = app.session.asks.with_untracked(|asks| {
        asks.iter().any(|entry| entry.waits() && selected.as_ref() == Some(&entry.ask.request_id))
    });
    if let (Some(request_id), true) = (selected, waits) {
        app.send(Command::Decide {
            request_id,
            choice: Choice::Deny { message: String::new(), interrupt: false },
        });
    }
}

fn next(app: App) {
    let selected = app.session.selected.get_untracked();
    let ids: Vec<String> = app
        .session
        .asks
        .with_untracked(|asks| asks.iter().map(|entry| entry.ask.request_id.clone()).collect());
    let at = ids.iter().position(|id| Some(id) == selected.as_ref());
    if let Some(id) = at.and_then(|at| ids.get((at + 1) % ids.len())) {
        app.session.selected.set(Some(id.clone()));
    }
}

fn click(selector: &str) {
    if let Ok(Some(element)) = document().query_selector(selector)
        && let Some(element) = element.dyn_ref::<web_sys::HtmlElement>()
    {
        element.click();
    }
}

fn is_typing(event: &KeyboardEvent) -> bool {
    let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
    target.is_some_and(|element| {
        element.closest("input, textarea, select, [contenteditable]").ok().flatten().is_some()
    })
}
