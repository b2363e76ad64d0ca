//! What outlives the page, in IndexedDB: the device's key as an object the browser keeps and no script can read,
//! prompts that were not delivered yet, drafts with their pictures, and copies of sessions to read offline. Never a token. Where storage is denied or full, things live until
//! reload, and whoever asked is told so.

mod copies;
mod database;
mod drafts;
mod pictures;
mod prompts;

use std::cell::RefCell;
use std::rc::Rc;

use portcullis_protocol::id::DeviceId;
use serde::Serialize;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{CryptoKey, IdbTransactionMode};

use crate::state::storage::StorageTrouble;
pub use copies::{COPY_BYTES_MAX, COPY_EVENTS_MAX, Copy};
use database::{COPIES, DEVICE, DRAFTS, Database, PICTURES, PROMPTS, done};
pub use prompts::{Fate, Kept, Place};

/// The one row of [`DEVICE`].
const THIS_DEVICE: &str = "this";

/// This browser as the server knows it.
#[derive(Clone, Debug)]
pub struct Identity {
    pub device_id: DeviceId,
    /// Set while an owner has not confirmed it yet: the code both sides show.
    pub confirm_code: Option<String>,
    /// A person logged out: the key is there, and is not used before a person says so.
    pub logged_out: bool,
    pub key: CryptoKey,
}

impl Identity {
    /// From its row, by hand: the page starts with this, and with nothing else that reads rows.
    fn read(row: &JsValue) -> Option<Self> {
        let member = |name: &str| js_sys::Reflect::get(row, &name.into()).ok();
        Some(Self {
            device_id: DeviceId::parse(member("device_id")?.as_string()?).ok()?,
            confirm_code: member("confirm_code")?.as_string(),
            logged_out: member("logged_out")?.as_bool().unwrap_or_default(),
            key: member("key")?.dyn_into().ok()?,
        })
    }

    fn to_row(&self) -> Result<JsValue, JsValue> {
        let row = js_sys::Object::new();
        let code = self.confirm_code.as_deref().map_or(JsValue::UNDEFINED, JsValue::from_str);
        for (name, value) in [
            ("device_id", &self.device_id.as_str().into()),
            ("confirm_code", &code),
            ("logged_out", &self.logged_out.into()),
            ("key", self.key.as_ref()),
        ] {
            js_sys::Reflect::set(&row, &name.into(), value)?;
        }
        Ok(row.into())
    }
}

/// Storage, or memory where storage is denied.
#[derive(Debug)]
pub struct Vault {
    database: Database,
    /// What this page knows, for when the storage does not.
    memory: RefCell<Option<Identity>>,
}

impl Vault {
    /// Opens the storage and tells `told` whatever is wrong with it, now and later. Waits while another tab holds an
    /// older form of it.
    pub async fn open(told: impl Fn(StorageTrouble) + 'static) -> Self {
        Self { database: Database::open(Rc::new(told)).await, memory: RefCell::new(None) }
    }

    /// Whether things outlive the page.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        self.database.trouble().is_none()
    }

    /// This device, if it was paired.
    pub async fn identity(&self) -> Option<Identity> {
        let row = self.database.run(DEVICE, IdbTransactionMode::Readonly, async |store| {
            done(&store.get(&THIS_DEVICE.into())?).await
        });
        let Ok(row) = row.await else { return self.memory.borrow().clone() };
        let identity: Option<Identity> = Identity::read(&row);
        self.memory.borrow_mut().clone_from(&identity);
        identity
    }

    /// Remembers this device.
    ///
    /// # Errors
    /// What is wrong with the storage; the device is then remembered until reload.
    pub async fn remember(&self, identity: &Identity) -> Result<(), StorageTrouble> {
        *self.memory.borrow_mut() = Some(identity.clone());
        let row = identity.to_row().map_err(|_| StorageTrouble::Denied)?;
        let put = self.database.run(DEVICE, IdbTransactionMode::Readwrite, async |store| {
            done(&store.put_with_key(&row, &THIS_DEVICE.into())?).await
        });
        put.await.map(drop)
    }

    /// Writes again what this page still knows, after the storage was lost.
    pub async fn remember_again(&self) {
        let known = self.memory.borrow().clone();
        if let Some(identity) = known {
            // Where that fails as well, the page still knows it.
            let _ = self.remember(&identity).await;
        }
    }

    /// Forgets this device and everything it kept.
    pub async fn forget(&self) {
        *self.memory.borrow_mut() = None;
        self.purge().await;
        self.clear(DEVICE).await;
    }

    /// Throws away what a person wrote or read here: prompts under way, drafts with their pictures, copies of
    /// sessions.
    pub async fn purge(&self) {
        self.clear(PROMPTS).await;
        self.clear(DRAFTS).await;
        self.clear(PICTURES).await;
        self.clear(COPIES).await;
    }

    async fn clear(&self, store: &str) {
        let cleared = self
            .database
            .run(store, IdbTransactionMode::Readwrite, async |store| done(&store.clear()?).await);
        // Without storage there is nothing to clear.
        let _ = cleared.await;
    }
}

/// A row as the database holds it.
fn row<T: Serialize>(value: &T) -> Result<JsValue, JsValue> {
    serde_wasm_bindgen::to_value(value).map_err(JsValue::from)
}
