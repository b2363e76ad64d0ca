//! One key for what is done often. Single letters count only while no field has the focus.

use std::cell::{Cell, RefCell};

use leptos::prelude::*;
use portcullis_protocol::Tick;
use wasm_bindgen::JsCast as _;
use web_sys::{Element, KeyboardEvent};

use super::focus;
use super::overlays::{OPEN_KEYS, OPEN_PALETTE};
use crate::state::app::App;
use crate::state::chord::Chord;
use crate::state::command::Command;
use crate::state::prefs::Pref;
use crate::state::route::Route;
use crate::view::session::jumps;

/// Two presses of Escape within this interrupt, in ms.
const DOUBLE_MS: f64 = 600.0;
/// After "g" the place is named within this, in ms.
const GO_MS: u64 = 1_500;
const GATE: &str = "[data-testid=gate]";
const CARD: &str = "[data-testid=gate] .card";
const ALLOW: &str = "[data-testid=gate-allow]:not([hidden]), [data-testid=gate-accept], [data-testid=gate-option][data-kind=allow_once]";
/// Buttons that allow more or other than was asked: the chord means them where they have the focus.
const ALLOW_OTHERWISE: &str =
    "[data-testid=gate-allow-edited]:focus, [data-testid=gate-offer]:focus, [data-testid=gate-option]:focus";

/// What opens and closes where the focus is, or else where a search or a link led to.
const FOLDS_FOCUSED: &str = ":focus summary, summary:focus, :focus [aria-expanded], [aria-expanded]:focus";
const FOLDS_FOUND: &str = "[data-target] summary, [data-target] [aria-expanded]";

/// Listens as long as the component that calls it is there.
pub fn install_keys(app: App) {
    let escaped_at = Cell::new(f64::MIN);
    let going_since = Cell::new(None::<Tick>);
    let chord = RefCell::new(Chord::default());
    let handle = window_event_listener(leptos::ev::keydown, move |event| {
        let now = at(&event);
        let command = event.ctrl_key() || event.meta_key();
        if event.key() == "Enter" && command && !event.repeat() && has_focus(GATE) && !is_typing(&event) {
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
        if command && !event.alt_key() && !event.repeat() && event.key().eq_ignore_ascii_case("k") {
            event.prevent_default();
            click(OPEN_PALETTE);
            return;
        }
        // A dialog has keys of its own.
        if event.default_prevented() || command || event.alt_key() || is_covered() {
            return;
        }
        if event.key() == "Escape" {
            let twice = event.time_stamp() - escaped_at.replace(event.time_stamp()) < DOUBLE_MS;
            return escape(app, twice);
        }
        if is_typing(&event) || event.key().chars().count() != 1 || !are_letters_on() {
            return;
        }
        if has_focus(ALLOW) || has_focus(CARD) {
            blur();
        }
        let went = going_since.take().is_some_and(|since| now.since(since) < GO_MS) && go(app, &event.key());
        let alone = chord.borrow_mut().letter(now) && !event.repeat();
        if went || alone && letter(app, &event.key()) {
            event.prevent_default();
            if event.key() == "a" {
                chord.borrow_mut().reached(now);
            }
        }
        if alone && !went && event.key() == "g" {
            going_since.set(Some(now));
        }
    });
    on_cleanup(move || handle.remove());
}

/// Whether this browser's owner left single letters on.
fn are_letters_on() -> bool {
    let storage = window().local_storage().ok().flatten();
    let kept = storage.and_then(|storage| storage.get_item(Pref::Keys.key()).ok().flatten());
    Pref::Keys.read(kept.as_deref()) != "off"
}

/// Whether a dialog covers the page.
fn is_covered() -> bool {
    document().query_selector("dialog[open]").ok().flatten().is_some()
}

/// The second letter of "go".
fn go(app: App, key: &str) -> bool {
    let route = match key {
        "s" => Route::Home,
        "i" => Route::Inbox,
        _ => return false,
    };
    app.send(Command::Go(route));
    true
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
        "d" => deny(),
        "D" => press("[data-testid=gate-deny]"),
        "e" => press("[data-testid=gate-edit]"),
        "n" => {
            if !click("[data-testid=gate-next]") {
                jumps::next_request(app);
            }
        }
        "i" => focus("[data-testid=composer-input]"),
        "j" => jumps::turn(app, true),
        "k" => jumps::turn(app, false),
        "o" => {
            if !click(FOLDS_FOCUSED) {
                press(FOLDS_FOUND);
            }
        }
        "/" => {
            if !click("[data-testid=search-open]") {
                focus("[data-testid=session-filter]");
            }
        }
        "c" => app.send(Command::Go(Route::New)),
        "." => jumps::last_answer(app),
        "?" => press(OPEN_KEYS),
        _ => return false,
    }
    true
}

/// One key from a plain no. A letter alone decides nothing: it may have been meant for a field.
fn deny() {
    if click("[data-testid=gate-deny]") {
        // The form puts the focus on the reason first.
        request_animation_frame(|| focus("[data-testid=gate-deny-send]"));
    } else {
        focus("[data-testid=gate-decline]");
    }
}

fn press(selector: &str) {
    click(selector);
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
