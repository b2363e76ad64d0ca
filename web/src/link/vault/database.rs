//! The browser's database and everything it may do to us: refuse, be full, be held by an older tab, be asked for by a
//! newer one, be deleted while we use it.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;

use futures_util::future::{Either, select};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    DomException, IdbDatabase, IdbIndexParameters, IdbObjectStore, IdbObjectStoreParameters,
    IdbOpenDbRequest, IdbRequest, IdbTransaction, IdbTransactionMode, IdbVersionChangeEvent,
};

use super::super::browser;
use crate::state::storage::StorageTrouble;

const NAME: &str = "portcullis";
/// The form of the stores below. A newer one closes the database of tabs that run older code.
const VERSION: u32 = 4;

/// Keys and settings, one row each.
pub(super) const DEVICE: &str = "device";
/// Prompts under way, in the order in which they were written.
pub(super) const PROMPTS: &str = "prompts";
/// Of [`PROMPTS`]: the device and session of a prompt.
pub(super) const BY_PLACE: &str = "place";
/// Of [`PROMPTS`]: its uuid.
pub(super) const BY_UUID: &str = "uuid";
/// What was typed and not sent.
pub(super) const DRAFTS: &str = "drafts";
/// What was attached to what was not sent.
pub(super) const PICTURES: &str = "pictures";
/// The newest events of sessions that were read, by device and session.
pub(super) const COPIES: &str = "copies";
/// Of [`COPIES`]: when a copy was kept.
pub(super) const BY_TIME: &str = "at";
/// The store of the first version, which knew no order and no device.
const OUTBOX_OF_VERSION_1: &str = "outbox";

/// A transaction that takes longer is given up, in ms: another tab froze in the middle of one of its own, which holds up
/// everybody's until it thaws.
const PATIENCE_MS: u64 = 1_500;
/// Name of the exception for that.
const TOO_LONG: &str = "TimeoutError";

type Listener = Rc<dyn Fn(StorageTrouble)>;

/// The database, opened again whenever it was lost.
pub(super) struct Database {
    handle: Rc<RefCell<Option<IdbDatabase>>>,
    /// Why there is none, when trying again makes no sense.
    denied: Rc<Cell<Option<StorageTrouble>>>,
    told: Listener,
}

impl Database {
    /// Opens it. While another tab holds an older form, this waits, and says so.
    pub(super) async fn open(told: Listener) -> Self {
        let database = Self { handle: Rc::default(), denied: Rc::default(), told };
        let _ = database.handle().await;
        database
    }

    /// Whether anything can be written.
    pub(super) fn trouble(&self) -> Option<StorageTrouble> {
        self.denied.get()
    }

    /// One transaction over `store`. What `act` gives counts only once all of it is complete.
    pub(super) async fn run<T>(
        &self,
        store: &str,
        mode: IdbTransactionMode,
        act: impl AsyncFn(IdbObjectStore) -> Result<T, JsValue>,
    ) -> Result<T, StorageTrouble> {
        let mut again = true;
        loop {
            let database = self.handle().await?;
            let error = match transact(&database, store, mode, &act).await {
                Ok(value) => return Ok(value),
                Err(error) => trouble_of(&error),
            };
            if error == StorageTrouble::Full {
                (self.told)(error);
            }
            if !error.is_passing() || !again {
                return Err(error);
            }
            again = false;
            self.lose(&database);
        }
    }

    async fn handle(&self) -> Result<IdbDatabase, StorageTrouble> {
        if let Some(trouble) = self.denied.get() {
            return Err(trouble);
        }
        if let Some(database) = self.handle.borrow().clone() {
            return Ok(database);
        }
        match open(&self.told).await {
            Ok(database) => {
                self.watch(&database);
                self.handle.replace(Some(database.clone()));
                Ok(database)
            }
            Err(error) => {
                let trouble = match trouble_of(&error) {
                    StorageTrouble::Outdated => StorageTrouble::Outdated,
                    StorageTrouble::Denied
                    | StorageTrouble::Full
                    | StorageTrouble::Blocked
                    | StorageTrouble::HeldUp
                    | StorageTrouble::Lost => StorageTrouble::Denied,
                };
                self.denied.set(Some(trouble));
                (self.told)(trouble);
                Err(trouble)
            }
        }
    }

    fn lose(&self, database: &IdbDatabase) {
        database.close();
        if self.handle.take().is_some() {
            (self.told)(StorageTrouble::Lost);
        }
    }

    fn watch(&self, database: &IdbDatabase) {
        let (handle, told) = (Rc::clone(&self.handle), Rc::clone(&self.told));
        let closed = Closure::once_into_js(move || {
            if handle.take().is_some() {
                told(StorageTrouble::Lost);
            }
        });
        database.set_onclose(Some(closed.unchecked_ref()));
        let (handle, denied, told) =
            (Rc::clone(&self.handle), Rc::clone(&self.denied), Rc::clone(&self.told));
        let open = database.clone();
        let changing = Closure::once_into_js(move |event: IdbVersionChangeEvent| {
            // Whoever asks waits until we let go: for a newer form of it, or for its end.
            open.close();
            handle.take();
            let trouble = match event.new_version() {
                Some(_) => StorageTrouble::Outdated,
                None => StorageTrouble::Lost,
            };
            if trouble == StorageTrouble::Outdated {
                denied.set(Some(trouble));
            }
            told(trouble);
        });
        database.set_onversionchange(Some(changing.unchecked_ref()));
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Database").field("denied", &self.denied.get()).finish_non_exhaustive()
    }
}

async fn transact<T>(
    database: &IdbDatabase,
    store: &str,
    mode: IdbTransactionMode,
    act: &impl AsyncFn(IdbObjectStore) -> Result<T, JsValue>,
) -> Result<T, JsValue> {
    let transaction = database.transaction_with_str_and_mode(store, mode)?;
    let complete = JsFuture::from(complete(&transaction));
    let objects = transaction.object_store(store)?;
    let acted = async {
        match act(objects).await {
            Ok(value) => complete.await.map(|_| value),
            Err(error) => {
                let _ = transaction.abort();
                let ended = complete.await.err();
                // A full disk is the transaction's error, not the request's.
                Err(ended.filter(|ended| trouble_of(ended) == StorageTrouble::Full).unwrap_or(error))
            }
        }
    };
    let patience = async {
        // Nothing can be done without the key, so it is waited for.
        if store == DEVICE {
            std::future::pending::<()>().await;
        }
        browser::pause(PATIENCE_MS).await;
    };
    match select(pin!(acted), pin!(patience)).await {
        Either::Left((acted, _)) => acted,
        Either::Right(_) => {
            let _ = transaction.abort();
            Err(DomException::new_with_message_and_name("", TOO_LONG)?.into())
        }
    }
}

async fn open(told: &Listener) -> Result<IdbDatabase, JsValue> {
    let factory = browser::window().indexed_db()?.ok_or(JsValue::NULL)?;
    let request: IdbOpenDbRequest = factory.open_with_u32(NAME, VERSION)?;
    let upgrading = request.clone();
    let upgrade = Closure::once_into_js(move || {
        // What fails here fails the request, which is heard below.
        let _ = upgrading.result().map(JsValue::unchecked_into).map(|database| shape(&database));
    });
    request.set_onupgradeneeded(Some(upgrade.unchecked_ref()));
    let told = Rc::clone(told);
    let blocked = Closure::once_into_js(move || told(StorageTrouble::Blocked));
    request.set_onblocked(Some(blocked.unchecked_ref()));
    done(&request).await.map(JsCast::unchecked_into)
}

/// Makes the stores that are missing.
fn shape(database: &IdbDatabase) -> Result<(), JsValue> {
    let names = database.object_store_names();
    if names.contains(OUTBOX_OF_VERSION_1) {
        database.delete_object_store(OUTBOX_OF_VERSION_1)?;
    }
    for name in [DEVICE, DRAFTS, PICTURES] {
        if !names.contains(name) {
            database.create_object_store(name)?;
        }
    }
    if !names.contains(COPIES) {
        let store = database.create_object_store(COPIES)?;
        store.create_index_with_str(BY_TIME, BY_TIME)?;
    }
    if !names.contains(PROMPTS) {
        let numbered = IdbObjectStoreParameters::new();
        numbered.set_auto_increment(true);
        let store = database.create_object_store_with_optional_parameters(PROMPTS, &numbered)?;
        store.create_index_with_str(BY_PLACE, "place")?;
        let unique = IdbIndexParameters::new();
        unique.set_unique(true);
        store.create_index_with_str_and_optional_parameters(BY_UUID, "uuid", &unique)?;
    }
    Ok(())
}

/// The result of `request` once it is there.
pub(super) async fn done(request: &IdbRequest) -> Result<JsValue, JsValue> {
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

/// Resolves once everything in `transaction` is written, and fails when none of it is.
fn complete(transaction: &IdbTransaction) -> js_sys::Promise {
    js_sys::Promise::new(&mut |resolve, reject| {
        let aborted = transaction.clone();
        let on_complete = Closure::once_into_js(move || drop(resolve.call0(&JsValue::NULL)));
        let on_abort = Closure::once_into_js(move || {
            let error = aborted.error().map_or(JsValue::NULL, JsValue::from);
            let _ = reject.call1(&JsValue::NULL, &error);
        });
        transaction.set_oncomplete(Some(on_complete.unchecked_ref()));
        transaction.set_onabort(Some(on_abort.unchecked_ref()));
    })
}

fn trouble_of(error: &JsValue) -> StorageTrouble {
    StorageTrouble::of(&error.dyn_ref::<DomException>().map(DomException::name).unwrap_or_default())
}
