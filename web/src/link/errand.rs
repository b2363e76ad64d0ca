//! What the page does beside getting in and reading its lists: commands, the life of the tab, words of other tabs,
//! pairing. The code of it arrives after the page stands; what is asked for before then waits, in its order.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use futures_util::FutureExt as _;
use portcullis_protocol::id::DeviceId;

use super::browser;
use super::channel::Word;
use super::client::Client;
use super::lists::Lister;
use super::pairing::{self, PairError, Paired};
use super::vault::Vault;
use crate::state::command::Command;
use crate::state::lifecycle::Act;
use crate::state::part::Missing;

/// Between two tries to fetch code: at first, and at most, in ms.
const FETCH_MS: std::ops::RangeInclusive<u64> = 1_000..=15_000;
/// Errands that wait for their code: more than anybody asks for in the seconds it takes. Above it they are dropped.
const WAITING_MAX: usize = 256;

/// Something to do.
#[derive(Debug)]
pub(super) enum Errand {
    Command(Command),
    Act(Act),
    /// Another tab said it.
    Heard(Word),
    /// The storage was lost: what this page knows is written again.
    KeepAgain,
    /// The server does not know this device, or not any more.
    Disowned,
    /// Prompts that were left behind are sent.
    Sweep,
}

type Going<T> = Pin<Box<dyn Future<Output = T>>>;
type Pairing = Going<Result<Paired, PairError>>;

thread_local! {
    static HERE: Cell<bool> = const { Cell::new(!cfg!(feature = "split")) };
    static WAITING: RefCell<Vec<(Rc<Client>, Errand)>> = const { RefCell::new(Vec::new()) };
}

/// Does it, now or when its code is here.
pub(super) fn run(client: &Rc<Client>, errand: Errand) {
    let client = Rc::clone(client);
    if HERE.get() {
        return begin(client, errand);
    }
    WAITING.with_borrow_mut(|waiting| {
        if waiting.len() < WAITING_MAX {
            waiting.push((client, errand));
        }
    });
}

/// Returns when errands can be run, however long their code is not to be had, and what waited has begun.
pub(super) async fn arrival() {
    patiently(async || load().await).await;
    HERE.set(true);
    WAITING.take().into_iter().for_each(|(client, errand)| begin(client, errand));
}

/// Returns when `load` had success.
pub(super) async fn patiently<E>(load: impl AsyncFn() -> Result<(), E>) {
    let mut delay_ms = *FETCH_MS.start();
    while load().await.is_err() {
        browser::pause(delay_ms).await;
        delay_ms = (delay_ms * 2).min(*FETCH_MS.end());
    }
}

/// Reads the lists that the page stands without, if their code is here.
pub(super) async fn read_rest(lister: &Rc<Lister>) {
    // Its code has come with that of the others, but the way to it is found once more, and that takes a moment.
    if HERE.get()
        && let Ok(reading) = reading(Rc::clone(lister)).await
    {
        reading.await;
    }
}

/// Exchanges a code; see [`pairing::pair`].
pub(super) async fn pair(
    vault: &Rc<Vault>,
    code: &str,
    stale: Option<DeviceId>,
) -> Result<Paired, PairError> {
    match paired(Rc::clone(vault), code.to_owned(), stale).await {
        Ok(pairing) => pairing.await,
        Err(Missing) => Err(PairError::Passing),
    }
}

fn begin(client: Rc<Client>, errand: Errand) {
    // Its code is here, so it does not wait.
    let _begun = begun(client, errand).now_or_never();
}

#[cfg(feature = "split")]
#[wasm_split_helpers::wasm_split(work, fallible, preload(load))]
fn begun(client: Rc<Client>, errand: Errand) -> Result<(), Missing> {
    client.run(errand);
    Ok(())
}

#[cfg(feature = "split")]
#[wasm_split_helpers::wasm_split(work, fallible)]
fn reading(lister: Rc<Lister>) -> Result<Going<()>, Missing> {
    let going: Going<()> = Box::pin(async move { lister.read_rest().await });
    Ok(going)
}

#[cfg(feature = "split")]
#[wasm_split_helpers::wasm_split(work, fallible)]
fn paired(vault: Rc<Vault>, code: String, stale: Option<DeviceId>) -> Result<Pairing, Missing> {
    let going: Pairing = Box::pin(async move { pairing::pair(&vault, &code, stale.as_ref()).await });
    Ok(going)
}

#[cfg(not(feature = "split"))]
async fn begun(client: Rc<Client>, errand: Errand) -> Result<(), Missing> {
    client.run(errand);
    Ok(())
}

#[cfg(not(feature = "split"))]
async fn reading(lister: Rc<Lister>) -> Result<Going<()>, Missing> {
    Ok(Box::pin(async move { lister.read_rest().await }))
}

#[cfg(not(feature = "split"))]
async fn paired(vault: Rc<Vault>, code: String, stale: Option<DeviceId>) -> Result<Pairing, Missing> {
    Ok(Box::pin(async move { pairing::pair(&vault, &code, stale.as_ref()).await }))
}

#[cfg(not(feature = "split"))]
async fn load() -> Result<(), Missing> {
    Ok(())
}
