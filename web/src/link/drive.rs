//! What the rest of the page knows of a session's driver, whose code may arrive after the page stands.

use std::cell::Cell;
use std::rc::Rc;

use futures_util::FutureExt as _;
use portcullis_protocol::id::SessionId;
use portcullis_protocol::session::Input;
use portcullis_protocol::wire::prompt::Said;

use super::driver::{Driver, Shared, Surface};
use super::errand;
use crate::state::part::Missing;
use crate::text::export::Format;

/// A driver, as the page sees it. See [`Driver`] for what each does.
pub(super) trait Drive {
    fn id(&self) -> &SessionId;
    /// How far the log is on the screen.
    fn applied_seq(&self) -> u64;
    fn feed(&self, input: Input);
    fn reread(&self);
    fn say(&self, said: Said);
    fn say_again(&self, uuid: &str);
    fn find_files(&self, query: String);
    fn keep_again(&self);
    fn discard(&self, uuid: String, here: bool);
    fn hide(&self);
    fn rest(&self);
    fn rise(&self);
    fn unsent(&self) -> usize;
    fn visit(&self, seq: u64);
    fn find(&self, words: String);
    fn find_step(&self, forwards: bool);
    fn export(&self, format: Option<Format>);
    fn keep_copy(&self);
    fn end(&self);
}

type Stirred = Box<dyn Fn()>;

thread_local! {
    static HERE: Cell<bool> = const { Cell::new(!cfg!(feature = "split")) };
}

/// Whether drivers can be started.
pub(super) fn is_here() -> bool {
    HERE.get()
}

/// Returns when drivers can be started, however long their code is not to be had.
pub(super) async fn arrival() {
    errand::patiently(async || load().await).await;
    HERE.set(true);
}

/// Starts the driver of a session. `None` before [`arrival`].
pub(super) fn start(
    id: SessionId,
    surface: Surface,
    shared: Shared,
    stirred: impl Fn() + 'static,
) -> Option<Rc<dyn Drive>> {
    if !is_here() {
        return None;
    }
    started(id, surface, shared, Box::new(stirred)).now_or_never()?.ok()
}

#[cfg(feature = "split")]
#[wasm_split_helpers::wasm_split(session, fallible, preload(load))]
fn started(
    id: SessionId,
    surface: Surface,
    shared: Shared,
    stirred: Stirred,
) -> Result<Rc<dyn Drive>, Missing> {
    let driver: Rc<dyn Drive> = Driver::start(id, surface, shared, stirred);
    Ok(driver)
}

#[cfg(not(feature = "split"))]
async fn started(
    id: SessionId,
    surface: Surface,
    shared: Shared,
    stirred: Stirred,
) -> Result<Rc<dyn Drive>, Missing> {
    Ok(Driver::start(id, surface, shared, stirred))
}

#[cfg(not(feature = "split"))]
async fn load() -> Result<(), Missing> {
    Ok(())
}
