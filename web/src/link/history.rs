//! The address bar: places as paths, "back" as everywhere, and a pairing code that is gone before anything else runs.

use portcullis_protocol::id::SessionId;
use portcullis_protocol::limits::RELOAD_PAUSE_MS;
use wasm_bindgen::JsValue;

use super::browser::{self, window};
use crate::state::route::{Route, pairing_code};
use crate::state::tab_store;

/// The place the address names.
pub(super) fn current() -> Route {
    Route::parse(&window().location().pathname().unwrap_or_default())
}

/// Reads the pairing code and removes it from the address, so that it is in no history, share or screenshot.
pub(super) fn take_pairing_code() -> Option<String> {
    let fragment = window().location().hash().unwrap_or_default();
    let code = pairing_code(&fragment);
    if !fragment.is_empty() && event().is_none() {
        replace(&current());
    }
    code
}

/// The event of the session that the address names: `#512`.
pub(super) fn event() -> Option<u64> {
    let fragment = window().location().hash().unwrap_or_default();
    fragment.strip_prefix('#')?.parse().ok().filter(|seq| *seq > 0)
}

/// Goes to `route`, as a new entry unless it is where we are. The list is the way out of everything: who came from it
/// goes back to it, so that "back" on a phone does not lead in again.
pub(super) fn go(route: &Route) {
    let here = current();
    if here == *route {
        return replace(route);
    }
    let Ok(history) = window().history() else { return };
    let came_from = history.state().ok().and_then(|state| state.as_string());
    if *route == Route::Home && came_from.as_deref() == Some("/") {
        let _ = history.back();
    } else {
        let _ = history.push_state_with_url(&here.path().into(), "", Some(&route.path()));
    }
}

/// The address of a session's socket.
pub(super) fn socket_url(session: &SessionId) -> String {
    let location = window().location();
    let secure = location.protocol().is_ok_and(|protocol| protocol == "https:");
    let scheme = if secure { "wss" } else { "ws" };
    let host = location.host().unwrap_or_default();
    let dialect = portcullis_protocol::wire::client::DIALECT;
    format!("{scheme}://{host}/v1/sessions/ws/{session}/subscribe?dialect={dialect}")
}

/// Loads the page anew, because a person wants it.
pub(super) fn reload_now() {
    let _ = window().location().reload();
}

/// Loads the page anew, unless that was done a moment ago and did not help.
pub(super) fn reload() {
    const RELOADED: &str = "reloaded-at";
    let before = tab_store::read(RELOADED).and_then(|at| at.parse::<u64>().ok());
    let now = browser::wall_ms();
    if before.is_none_or(|at| now.abs_diff(at) >= RELOAD_PAUSE_MS)
        && tab_store::write(RELOADED, &now.to_string())
    {
        let _ = window().location().reload();
    }
}

fn replace(route: &Route) {
    if let Ok(history) = window().history() {
        let came_from = history.state().unwrap_or(JsValue::NULL);
        let _ = history.replace_state_with_url(&came_from, "", Some(&route.path()));
    }
}
