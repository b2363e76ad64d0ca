//! The life of this tab as the browser tells it, turned into what to do about it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use leptos::prelude::{GetUntracked as _, Set as _, set_interval, window_event_listener_untyped};
use portcullis_protocol::session::LinkView;
use wasm_bindgen::prelude::*;

use super::browser;
use crate::state::app::App;
use crate::state::lifecycle::{Act, Lifecycle, Sign};

/// How often what counts down is moved, and both clocks are compared, in ms.
const BEAT_MS: u64 = 500;
/// Beats between two looks at the wall clock that ages are told by.
const BEATS_PER_AGE: u32 = 20;

/// Listens as long as the page lives.
pub fn listen(app: App, act: impl Fn(Act) + 'static) {
    let life = RefCell::new(Lifecycle::default());
    let hear = Rc::new(move |sign: Sign| {
        let due = life.borrow_mut().hear(sign);
        if let Some(due) = due {
            act(due);
        }
    });
    app.clock_ms.set(browser::wall_ms());
    app.network.set(browser::window().navigator().on_line());
    let told = |sign: Sign| {
        let hear = Rc::clone(&hear);
        move || hear(sign)
    };
    on("pageshow", told(Sign::Back));
    on("pagehide", told(Sign::Left));
    let shown = Rc::clone(&hear);
    on("visibilitychange", move || shown(if browser::is_hidden() { Sign::Hidden } else { Sign::Shown }));
    on_document("freeze", told(Sign::Frozen));
    on_document("resume", told(Sign::Back));
    let online = told(Sign::Network);
    on("online", move || {
        app.network.set(true);
        online();
    });
    on("offline", move || app.network.set(false));
    beat(app, move |sign| hear(sign));
}

/// Hears `event` of the window, as long as the page lives.
pub(super) fn on(event: &str, then: impl Fn() + 'static) {
    let _ = window_event_listener_untyped(event, move |_| then());
}

/// The two that are told to the document alone.
fn on_document(event: &str, then: impl Fn() + 'static) {
    let listener = Closure::<dyn Fn()>::new(then).into_js_value();
    if let Some(document) = browser::window().document() {
        let _ = document.add_event_listener_with_callback(event, listener.unchecked_ref());
    }
}

fn beat(app: App, hear: impl Fn(Sign) + 'static) {
    let beats = Cell::new(0_u32);
    set_interval(
        move || {
            hear(Sign::Beat { machine_ms: browser::now().0, wall_ms: browser::wall_ms() });
            if browser::is_hidden() {
                return;
            }
            beats.set(beats.get().wrapping_add(1));
            if matches!(app.session.link.get_untracked(), LinkView::Waiting { .. }) {
                app.tick.set(browser::now());
            }
            if beats.get().is_multiple_of(BEATS_PER_AGE) {
                app.clock_ms.set(browser::wall_ms());
            }
        },
        Duration::from_millis(BEAT_MS),
    );
}
