//! What outlives the page, in IndexedDB: the device's key as an object the browser keeps and no script can read, and
//! prompts that were not delivered yet. Never a token. Where storage is denied the vault keeps things until reload.

use std::cell::RefCell;

use portcullis_protocol::id::{DeviceId, SessionId};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{CryptoKey, IdbDatabase, IdbObjectStore, IdbOpenDbRequest, IdbRequest, IdbTransactionMode};

use super::browser;

const DATABASE: &str = "portcullis";
const VERSION: u32 = 1;
const DEVICE: &str = "device";
const OUTBOX: &str = "outbox";
/// The one row of [`DEVICE`].
const THIS_DEVICE: &str = "this";

/// This browser as the server knows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Identity {
    pub device_id: DeviceId,
    /// Set while an owner has not confirmed it yet: the code both sides show.
    #[serde(default)]
    pub confirm_code: Option<String>,
    #[serde(with = "serde_wasm_bindgen::preserve")]
    pub key: CryptoKey,
}

/// A prompt that is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kept {
    pub session: String,
    pub uuid: String,
    pub text: String,
    /// When it was written, ms since the Unix epoch.
    pub at_ms: f64,
}

/// Storage, or memory where storage is denied.
#[derive(Debug)]
pub struct Vault {
    database: Option<IdbDatabase>,
    memory: RefCell<Option<Identity>>,
}

impl Vault {
    /// Opens the storage; without it, things live until reload.
    pub async fn open() -> Self {
        Self { database: open().await.ok(), memory: RefCell::new(None) }
    }

    /// Whether things outlive the page.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        self.database.is_some()
    }

    /// This device, if it was paired.
    pub async fn identity(&self) -> Option<Identity> {
        let Ok(store) = self.store(DEVICE, IdbTransactionMode::Readonly) else {
            return self.memory.borrow().clone();
        };
        let row = done(&store.get(&THIS_DEVICE.into()).ok()?).await.ok()?;
        serde_wasm_bindgen::from_value(row).ok()
    }

    /// Remembers this device.
    ///
    /// # Errors
    /// Whatever the browser says; the device is then remembered until reload.
    pub async fn remember(&self, identity: &Identity) -> Result<(), JsValue> {
        *self.memory.borrow_mut() = Some(identity.clone());
        let store = self.store(DEVICE, IdbTransactionMode::Readwrite)?;
        let row = serde_wasm_bindgen::to_value(identity)?;
        done(&store.put_with_key(&row, &THIS_DEVICE.into())?).await.map(drop)
    }

    /// Forgets this device.
    pub async fn forget(&self) {
        *self.memory.borrow_mut() = None;
        if let Ok(store) = self.store(DEVICE, IdbTransactionMode::Readwrite)
            && let Ok(request) = store.delete(&THIS_DEVICE.into())
        {
            let _ = done(&request).await;
        }
    }

    /// Keeps a prompt until it is released.
    pub async fn keep(&self, kept: &Kept) {
        if let Ok(store) = self.store(OUTBOX, IdbTransactionMode::Readwrite)
            && let Ok(row) = serde_wasm_bindgen::to_value(kept)
            && let Ok(request) = store.put_with_key(&row, &kept.uuid.as_str().into())
        {
            let _ = done(&request).await;
        }
    }

    /// Releases a prompt.
    pub async fn release(&self, uuid: &str) {
        if let Ok(store) = self.store(OUTBOX, IdbTransactionMode::Readwrite)
            && let Ok(request) = store.delete(&uuid.into())
        {
            let _ = done(&request).await;
        }
    }

    /// The prompts kept for `session`, oldest first.
    pub async fn kept(&self, session: &SessionId) -> Vec<(String, String)> {
        let Ok(store) = self.store(OUTBOX, IdbTransactionMode::Readonly) else { return Vec::new() };
        let Ok(request) = store.get_all() else { return Vec::new() };
        let rows = done(&request).await.ok();
        let rows: Vec<Kept> =
            rows.and_then(|rows| serde_wasm_bindgen::from_value(rows).ok()).unwrap_or_default();
        let mut rows: Vec<Kept> = rows.into_iter().filter(|row| row.session == session.as_str()).collect();
        rows.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
        rows.into_iter().map(|row| (row.uuid, row.text)).collect()
    }

    fn store(&self, name: &str, mode: IdbTransactionMode) -> Result<IdbObjectStore, JsValue> {
        let database = self.database.as_ref().ok_or(JsValue::NULL)?;
        database.transaction_with_str_and_mode(name, mode)?.object_store(name)
    }
}

async fn open() -> Result<IdbDatabase, JsValue> {
    let factory = browser::window().indexed_db()?.ok_or(JsValue::NULL)?;
    let request: IdbOpenDbRequest = factory.open_with_u32(DATABASE, VERSION)?;
    let upgrading = request.clone();
    let upgrade = Closure::once(move || {
        let Ok(database) = upgrading.result().map(|result| result.unchecked_into::<IdbDatabase>()) else {
            return;
        };
        for store in [DEVICE, OUTBOX] {
            let _ = database.create_object_store(store);
        }
    });
    request.set_onupgradeneeded(Some(upgrade.as_ref().unchecked_ref()));
    done(&request).await.map(JsCast::unchecked_into)
}

/// The result of `request` once it is there.
async fn done(request: &IdbRequest) -> Result<JsValue, JsValue> {
    let promise = js_sys::Promise::new(&mut |resolve, reject| {
        let (finished, failed) = (request.clone(), request.clone());
        let on_success = Closure::once_into_js(move || {
            let _ = resolve.call1(&JsValue::NULL, &finished.result().unwrap_or(JsValue::UNDEFINED));
        });
        let on_error = Closure::once_into_js(move || {
            let error = failed.error().ok().flatten().map_or(JsValue::NULL, JsValue::from);
            let _ = reject.call1(&JsValue::NULL, &error);
        });
        request.set_onsuccess(Some(on_success.unchecked_ref()));
        request.set_onerror(Some(on_error.unchecked_ref()));
    });
    JsFuture::from(promise).await
}
