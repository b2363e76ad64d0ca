//! What was typed and not sent: a row per place and tab, so that no tab overwrites what is typed in another. A tab that
//! opens a place takes over what a tab that is gone left there.

use serde::{Deserialize, Serialize};
use wasm_bindgen::JsCast as _;
use web_sys::{IdbObjectStore, IdbTransactionMode};

use super::database::{DRAFTS, done};
use super::{Vault, row};
use crate::state::storage::StorageTrouble;

/// Drafts that are kept at once; the oldest go first.
const DRAFTS_MAX: usize = 200;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Draft {
    place: String,
    tab: String,
    text: String,
    /// When it was written, ms since the Unix epoch.
    at_ms: f64,
}

impl Draft {
    fn key(&self) -> String {
        key(&self.place, &self.tab)
    }
}

impl Vault {
    /// Keeps what is typed at `place` in `tab`, and forgets it when it is empty.
    ///
    /// # Errors
    /// What is wrong with the storage.
    pub async fn keep_draft(
        &self,
        place: &str,
        tab: &str,
        text: &str,
        at_ms: f64,
    ) -> Result<(), StorageTrouble> {
        let draft = Draft { place: place.into(), tab: tab.into(), text: text.into(), at_ms };
        let kept = self.database.run(DRAFTS, IdbTransactionMode::Readwrite, async |store| {
            if draft.text.is_empty() {
                return done(&store.delete(&draft.key().into())?).await.map(drop);
            }
            done(&store.put_with_key(&row(&draft)?, &draft.key().into())?).await?;
            make_room(&store).await
        });
        kept.await
    }

    /// The draft of `place` in `tab`: its own, or else the newest of a tab that `is_alive` does not know. What is taken
    /// over is gone from the other tab in the same transaction, so that two tabs never take the same.
    pub async fn adopt_draft(
        &self,
        place: &str,
        tab: &str,
        is_alive: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let adopted = self.database.run(DRAFTS, IdbTransactionMode::Readwrite, async |store| {
            let mut here: Vec<Draft> =
                all(&store).await?.into_iter().filter(|draft| draft.place == place).collect();
            if let Some(own) = here.iter().find(|draft| draft.tab == tab) {
                return Ok(Some(own.text.clone()));
            }
            here.retain(|draft| !is_alive(&draft.tab));
            let Some(newest) = here.into_iter().max_by(|a, b| a.at_ms.total_cmp(&b.at_ms)) else {
                return Ok(None);
            };
            done(&store.delete(&newest.key().into())?).await?;
            let own = Draft { tab: tab.into(), ..newest };
            done(&store.put_with_key(&row(&own)?, &own.key().into())?).await?;
            Ok(Some(own.text))
        });
        adopted.await.ok().flatten()
    }
}

async fn all(store: &IdbObjectStore) -> Result<Vec<Draft>, wasm_bindgen::JsValue> {
    let rows: js_sys::Array = done(&store.get_all()?).await?.unchecked_into();
    Ok(rows.iter().filter_map(|row| serde_wasm_bindgen::from_value(row).ok()).collect())
}

async fn make_room(store: &IdbObjectStore) -> Result<(), wasm_bindgen::JsValue> {
    let count = done(&store.count()?).await?.as_f64().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    if count <= DRAFTS_MAX as f64 {
        return Ok(());
    }
    let drafts = all(store).await?;
    if let Some(oldest) = drafts.into_iter().min_by(|a, b| a.at_ms.total_cmp(&b.at_ms)) {
        done(&store.delete(&oldest.key().into())?).await?;
    }
    Ok(())
}

fn key(place: &str, tab: &str) -> String {
    format!("{place} {tab}")
}
