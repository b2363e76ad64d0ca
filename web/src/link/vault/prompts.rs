//! Prompts under way, in the order in which this browser wrote them: one number for all tabs, given by the database in
//! the transaction that writes the prompt. Each carries what became of it, so that a tab that gets the turn knows what
//! another one did before it.

use portcullis_protocol::id::{DeviceId, SessionId};
use portcullis_protocol::wire::prompt::{Attachment, Priority, Said};
use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{IdbObjectStore, IdbTransactionMode};

use super::database::{BY_PLACE, BY_UUID, PROMPTS, done};
use super::{Vault, row};
use crate::state::storage::StorageTrouble;

/// Whose prompts: those of one device in one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub device: DeviceId,
    pub session: SessionId,
}

impl Place {
    pub(super) fn key(&self) -> String {
        format!("{} {}", self.device, self.session)
    }

    fn read(key: &str) -> Option<Self> {
        let (device, session) = key.split_once(' ')?;
        Some(Self { device: DeviceId::parse(device).ok()?, session: SessionId::parse(session).ok()? })
    }
}

/// What became of a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// Nobody knows that the server has it.
    Waiting,
    /// The server took it into the log of this epoch, there.
    Stored { epoch: Option<String>, seq: Option<u64> },
    /// The server refused it, with these words.
    Refused { message: String },
}

/// A prompt that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub uuid: String,
    pub said: Said,
    pub fate: Fate,
}

#[derive(Serialize, Deserialize)]
struct Row {
    place: String,
    uuid: String,
    text: String,
    #[serde(default)]
    files: Vec<Attachment>,
    #[serde(default)]
    priority: Option<Priority>,
    fate: Fate,
}

impl Row {
    fn kept(self) -> Kept {
        let Self { uuid, text, files, priority, fate, .. } = self;
        Kept { uuid, said: Said { text, files, priority }, fate }
    }
}

impl Vault {
    /// Keeps a prompt behind all that were kept before. When this returns without trouble it is written.
    ///
    /// # Errors
    /// What is wrong with the storage: the prompt is not kept.
    pub async fn keep(&self, place: &Place, uuid: &str, said: impl Into<Said>) -> Result<(), StorageTrouble> {
        let Said { text, files, priority } = said.into();
        let new = Row { place: place.key(), uuid: uuid.into(), text, files, priority, fate: Fate::Waiting };
        let put = self.database.run(PROMPTS, IdbTransactionMode::Readwrite, async |store| {
            if number(&store, &new.uuid).await?.is_undefined() {
                done(&store.put(&row(&new)?)?).await?;
            }
            Ok(())
        });
        put.await
    }

    /// Releases a prompt.
    pub async fn release(&self, uuid: &str) {
        let deleted = self.database.run(PROMPTS, IdbTransactionMode::Readwrite, async |store| {
            let number = number(&store, uuid).await?;
            if !number.is_undefined() {
                done(&store.delete(&number)?).await?;
            }
            Ok(())
        });
        // What is left over is offered again after a reload, where the log shows that it arrived.
        let _ = deleted.await;
    }

    /// Notes what became of a prompt, if it is still kept.
    pub async fn settle(&self, uuid: &str, fate: Fate) {
        let settled = self.database.run(PROMPTS, IdbTransactionMode::Readwrite, async |store| {
            let number = number(&store, uuid).await?;
            if number.is_undefined() {
                return Ok(());
            }
            let known = done(&store.get(&number)?).await?;
            let mut known: Row = serde_wasm_bindgen::from_value(known)?;
            known.fate = fate.clone();
            done(&store.put_with_key(&row(&known)?, &number)?).await.map(drop)
        });
        // What stays waiting is sent again, which its uuid makes harmless.
        let _ = settled.await;
    }

    /// The prompts kept for `place`, oldest first.
    ///
    /// # Errors
    /// What is wrong with the storage.
    pub async fn kept(&self, place: &Place) -> Result<Vec<Kept>, StorageTrouble> {
        let key = place.key();
        let rows = self.database.run(PROMPTS, IdbTransactionMode::Readonly, async |store| {
            done(&store.index(BY_PLACE)?.get_all_with_key(&key.as_str().into())?).await
        });
        Ok(read(rows.await?).into_iter().map(Row::kept).collect())
    }

    /// Everything the server has not taken, of all sessions of `device`, oldest first.
    pub async fn unsent(&self, device: &DeviceId) -> Vec<(Place, Kept)> {
        let rows = self
            .database
            .run(PROMPTS, IdbTransactionMode::Readonly, async |store| done(&store.get_all()?).await);
        let Ok(rows) = rows.await else { return Vec::new() };
        let of_device = read(rows).into_iter().filter_map(|row| {
            let place = Place::read(&row.place).filter(|place| place.device == *device)?;
            let unsent = !matches!(row.fate, Fate::Stored { .. });
            unsent.then(|| (place, row.kept()))
        });
        of_device.collect()
    }
}

async fn number(store: &IdbObjectStore, uuid: &str) -> Result<JsValue, JsValue> {
    done(&store.index(BY_UUID)?.get_key(&uuid.into())?).await
}

/// A row that cannot be read is of no version of this page, and is left where it is.
fn read(rows: JsValue) -> Vec<Row> {
    let rows: js_sys::Array = rows.unchecked_into();
    rows.iter().filter_map(|row| serde_wasm_bindgen::from_value(row).ok()).collect()
}
