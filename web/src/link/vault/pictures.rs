//! Files that were attached to a message which was not sent: a row per place and tab, as with what was typed, in a store
//! of their own, so that a letter more is not a picture written again.

use serde::{Deserialize, Serialize};
use wasm_bindgen::JsCast as _;
use web_sys::{IdbObjectStore, IdbTransactionMode};

use super::database::{PICTURES, done};
use super::{Vault, row};
use crate::state::attach::{self, Attached};
use crate::state::storage::StorageTrouble;

/// Places whose files are kept at once; the oldest go first. Each holds one message's files at most.
const PLACES_MAX: usize = 8;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pictures {
    place: String,
    tab: String,
    files: Vec<Attached>,
    /// When they were attached, ms since the Unix epoch.
    at_ms: f64,
}

impl Pictures {
    fn key(&self) -> String {
        format!("{} {}", self.place, self.tab)
    }
}

impl Vault {
    /// Keeps what is attached at `place` in `tab`, and forgets it when that is nothing.
    ///
    /// # Errors
    /// What is wrong with the storage.
    pub async fn keep_pictures(
        &self,
        place: &str,
        tab: &str,
        files: Vec<Attached>,
        at_ms: f64,
    ) -> Result<(), StorageTrouble> {
        let pictures = Pictures { place: place.into(), tab: tab.into(), files, at_ms };
        let kept = self.database.run(PICTURES, IdbTransactionMode::Readwrite, async |store| {
            if pictures.files.is_empty() {
                return done(&store.delete(&pictures.key().into())?).await.map(drop);
            }
            done(&store.put_with_key(&row(&pictures)?, &pictures.key().into())?).await?;
            make_room(&store).await
        });
        kept.await
    }

    /// The files of `place` in `tab`: its own, or else the newest of a tab that `is_alive` does not know, taken over in the
    /// same transaction.
    pub async fn adopt_pictures(
        &self,
        place: &str,
        tab: &str,
        is_alive: impl Fn(&str) -> bool,
    ) -> Vec<Attached> {
        let adopted = self.database.run(PICTURES, IdbTransactionMode::Readwrite, async |store| {
            let mut here: Vec<Pictures> =
                all(&store).await?.into_iter().filter(|pictures| pictures.place == place).collect();
            if let Some(own) = here.iter().find(|pictures| pictures.tab == tab) {
                return Ok(own.files.clone());
            }
            here.retain(|pictures| !is_alive(&pictures.tab));
            let Some(newest) = here.into_iter().max_by(|a, b| a.at_ms.total_cmp(&b.at_ms)) else {
                return Ok(Vec::new());
            };
            done(&store.delete(&newest.key().into())?).await?;
            let own = Pictures { tab: tab.into(), ..newest };
            done(&store.put_with_key(&row(&own)?, &own.key().into())?).await?;
            Ok(own.files)
        });
        attach::fitting(adopted.await.unwrap_or_default())
    }
}

async fn all(store: &IdbObjectStore) -> Result<Vec<Pictures>, wasm_bindgen::JsValue> {
    let rows: js_sys::Array = done(&store.get_all()?).await?.unchecked_into();
    Ok(rows.iter().filter_map(|row| serde_wasm_bindgen::from_value(row).ok()).collect())
}

async fn make_room(store: &IdbObjectStore) -> Result<(), wasm_bindgen::JsValue> {
    let count = done(&store.count()?).await?.as_f64().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a few")]
    if count <= PLACES_MAX as f64 {
        return Ok(());
    }
    let kept = all(store).await?;
    if let Some(oldest) = kept.into_iter().min_by(|a, b| a.at_ms.total_cmp(&b.at_ms)) {
        done(&store.delete(&oldest.key().into())?).await?;
    }
    Ok(())
}
