//! The newest events of sessions that were read here, so that they can be read and searched without the server: the
//! last of each session, of the last few sessions, and never much of either. They go when a person logs out.

use portcullis_protocol::wire::rest::{EventsPage, SessionInfo};
use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::IdbTransactionMode;

use super::database::{BY_TIME, COPIES, done};
use super::{Place, Vault, row};

/// Events of one session.
pub const COPY_EVENTS_MAX: usize = 2_000;
/// Bytes of the same, of JSON.
pub const COPY_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Sessions that are kept.
const SESSIONS_MAX: u32 = 20;

/// What is kept of a session.
#[derive(Clone, Debug)]
pub struct Copy {
    pub page: EventsPage,
    pub at_ms: u64,
}

#[derive(Serialize, Deserialize)]
struct Row {
    at: f64,
    /// The page and the session as the server wrote them: JSON that is not read before it is needed.
    page: String,
    info: Option<String>,
}

impl Vault {
    /// Keeps a session's newest events in the place of what was kept of it.
    pub async fn keep_copy(&self, place: &Place, page: String, info: Option<&SessionInfo>, at_ms: u64) {
        let key = JsValue::from_str(&place.key());
        let info = info.and_then(|info| serde_json::to_string(info).ok());
        let new = Row { at: at_ms as f64, page, info };
        let kept = self.database.run(COPIES, IdbTransactionMode::Readwrite, async |store| {
            done(&store.put_with_key(&row(&new)?, &key)?).await?;
            // The oldest come first.
            let keys = done(&store.index(BY_TIME)?.get_all_keys()?).await?;
            let keys: js_sys::Array = keys.unchecked_into();
            for old in 0..keys.length().saturating_sub(SESSIONS_MAX) {
                done(&store.delete(&keys.get(old))?).await?;
            }
            Ok(())
        });
        // What is not kept is read from the server.
        let _ = kept.await;
    }

    /// What is kept of a session.
    pub async fn copy(&self, place: &Place) -> Option<Copy> {
        let key = JsValue::from_str(&place.key());
        let found = self
            .database
            .run(COPIES, IdbTransactionMode::Readonly, async |store| done(&store.get(&key)?).await);
        let row: Row = serde_wasm_bindgen::from_value(found.await.ok()?).ok()?;
        Some(Copy { page: serde_json::from_str(&row.page).ok()?, at_ms: row.at as u64 })
    }

    /// The sessions of which something is kept, newest first.
    pub async fn copied(&self) -> Vec<SessionInfo> {
        let rows = self.database.run(COPIES, IdbTransactionMode::Readonly, async |store| {
            done(&store.index(BY_TIME)?.get_all()?).await
        });
        let Ok(rows) = rows.await else { return Vec::new() };
        let rows: js_sys::Array = rows.unchecked_into();
        let info = |row: JsValue| {
            let row: Row = serde_wasm_bindgen::from_value(row).ok()?;
            serde_json::from_str(&row.info?).ok()
        };
        rows.iter().rev().filter_map(info).collect()
    }
}
