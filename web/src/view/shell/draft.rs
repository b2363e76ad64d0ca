//! What was typed and not sent, kept per session for as long as the tab lives, across reloads and crashes.

use web_sys::Storage;

/// Keeps `text` under `place`.
pub(crate) fn keep_draft(place: &str, text: &str) {
    let Some(storage) = storage() else { return };
    let _ =
        if text.is_empty() { storage.remove_item(&key(place)) } else { storage.set_item(&key(place), text) };
}

/// What was kept under `place`.
pub(crate) fn kept_draft(place: &str) -> String {
    storage().and_then(|storage| storage.get_item(&key(place)).ok().flatten()).unwrap_or_default()
}

fn key(place: &str) -> String {
    format!("draft:{place}")
}

fn storage() -> Option<Storage> {
    web_sys::window()?.session_storage().ok().flatten()
}
