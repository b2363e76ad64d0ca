//! One key for what is done often. Single letters count only while no field has the focus.

use std::cell::{Cell, RefCell};

use leptos::prelude::*;
use portcullis_protocol::Tick;
use wasm_bindgen::JsCast as _;
use web_sys::{Element, KeyboardEvent};

use super::focus;
use crate::state::app::App;
use crate::state::chord::Chord;
use crate::state::command::Command;
use crate::state::route::Route;

/// Two presses of Escape within this interrupt, in ms.
const DOUBLE_MS: f64 = 600.0;
const GATE: &str = "[data-testid=gate]";
const CARD: &str = "[data-testid=gate] .card";
const ALLOW: &str = "[data-testid=gate-allow], [data-testid=gate-accept]";
/// Buttons that allow more or other than was asked: the chord means them where they have the focus.
const ALLOW_OTHERWISE: &str = "[data-testid=gate-allow-edited]:focus, [data-testid=gate-offer]:focus";

/// Listens as long as the component that calls it is there.
pub fn install_keys(app: App) {
    let escaped_at = Cell::new(f64::MIN);
    let chord = RefCell::new(Chord::default());
    let handle = window_event_listener(leptos::ev::keydown, move |event| {
        let now = at(&event);
        if event.key() == "Enter"
            && (event.ctrl_key() || event.meta_key())
            && !event.repeat()
            && has_focus(GATE)
            && !is_typing(&event)
        {
            event.prevent_default();
            if chord.borrow().allows(now) && !click(ALLOW_OTHERWISE) {
                click(ALLOW);
            }
            return;
        }
        // Who holds Enter down meant something else, before the focus came here.
        if event.key() == "Enter" && event.repeat() && has_focus(GATE) && !is_typing(&event) {
            return event.prevent_default();
        }
        if event.default_prevented() || event.ctrl_key() || event.meta_key() || event.alt_key() {
            return;
        }
        if event.key() == "Escape" {
            let twice = event.time_stamp() - escaped_at.replace(event.time_stamp()) < DOUBLE_MS;
            return escape(app, twice);
        }
        if is_typing(&event) || event.key().chars().count() != 1 {
            return;
        }
        if has_focus(ALLOW) || has_focus(CARD) {
            blur();
        }
        let alone = chord.borrow_mut().letter(now) && !event.repeat();
        if alone && letter(app, &event.key()) {
            event.prevent_default();
            if event.key() == "a" {
                chord.borrow_mut().reached(now);
            }
        }
    });
    on_cleanup(move || handle.remove());
}

fn escape(app: App, twice: bool) {
    blur();
    if twice {
        app.send(Command::Interrupt);
    }
}

fn blur() {
    if let Some(element) =
        document().active_element().and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok())
    {
        let _ = element.blur();
    }
}

/// Whether the key meant something.
fn letter(app: App, key: &str) -> bool {
    match key {
        "a" => focus(CARD),
        "d" | "D" => drop(click("[data-testid=gate-deny]")),
        "e" => drop(click("[data-testid=gate-edit]")),
        "n" => next(app),
        "i" => focus("[data-testid=composer-input]"),
        "/" => focus("[data-testid=session-filter]"),
        "c" => app.send(Command::Go(Route::New)),
        "." => drop(click("[data-testid=to-end]")),
        "?" => app.note.set(Some(
            "a then Ctrl+Enter: allow once · d: deny, with a reason · e: edit · n: next request · i: composer · /: filter sessions · c: new session · .: latest answer · Esc: out · Esc Esc: stop the agent".into(),
        )),
        _ => return false,
    }
    true
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

/// Whether there was something to click.
fn click(selector: &str) -> bool {
    let element = document().query_selector(selector).ok().flatten();
    let element = element.and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok());
    element.inspect(web_sys::HtmlElement::click).is_some()
}

/// Whether the focus is on or inside of what `selector` names: the card itself, or anything in the gate.
fn has_focus(selector: &str) -> bool {
    let Some(element) = document().active_element() else { return false };
    if selector == GATE {
        element.closest(selector).ok().flatten().is_some()
    } else {
        element.matches(selector).unwrap_or(false)
    }
}

fn at(event: &KeyboardEvent) -> Tick {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a browser's clock is positive and far below 2^53"
    )]
    let whole = event.time_stamp().max(0.0) as u64;
    Tick(whole)
}

fn is_typing(event: &KeyboardEvent) -> bool {
    let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
    target.is_some_and(|element| {
        element.closest("input, textarea, select, [contenteditable]").ok().flatten().is_some()
    })
}
