//! The tab's own storage: it lives as long as the tab, survives a reload and a crash, and any script of the page reads
//! it. Drafts, a name and a time go there, never anything that lets somebody in.

use web_sys::Storage;

/// What stands under `name`.
#[must_use]
pub fn read(name: &str) -> Option<String> {
    storage()?.get_item(name).ok().flatten()
}

/// Writes `text` under `name`; an empty one is removed. Says whether it stands there now.
pub fn write(name: &str, text: &str) -> bool {
    let Some(storage) = storage() else { return false };
    if text.is_empty() { storage.remove_item(name).is_ok() } else { storage.set_item(name, text).is_ok() }
}

/// Removes everything.
pub fn clear() {
    if let Some(storage) = storage() {
        let _ = storage.clear();
    }
}

fn storage() -> Option<Storage> {
    web_sys::window()?.session_storage().ok().flatten()
}
