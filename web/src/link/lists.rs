//! Sessions, environments and waiting devices: read by REST every few seconds while somebody looks, and at once when
//! something stirs.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gloo_net::http::Method;
use leptos::prelude::*;
use portcullis_protocol::role::Role;
use portcullis_protocol::wire::rest::{Device, Environment, Page, SessionInfo};
use serde::de::DeserializeOwned;
use wasm_bindgen_futures::spawn_local;

use super::api::{self, Failure};
use super::browser::{self, Timer};
use super::tokens::Tokens;
use crate::state::app::App;

/// Between two readings, in ms.
const PERIOD_MS: u64 = 4_000;
/// After something stirred, in ms: several changes in a row are one reading.
const STIR_MS: u64 = 250;
/// Sessions in one reading.
const SESSIONS_MAX: usize = 100;

/// Reads the lists for as long as it lives.
pub struct Lister {
    app: App,
    tokens: Rc<Tokens>,
    timer: RefCell<Option<Timer>>,
    busy: Cell<bool>,
    /// Something stirred while the lists were read.
    again: Cell<bool>,
    /// A reading is due because something stirred; what stirs next does not put it off.
    stirred: Cell<bool>,
    /// Told when the server does not know this device any more.
    disowned: Box<dyn Fn()>,
}

impl Lister {
    pub fn start(app: App, tokens: Rc<Tokens>, disowned: impl Fn() + 'static) -> Rc<Self> {
        let lister = Rc::new(Self {
            app,
            tokens,
            timer: RefCell::new(None),
            busy: Cell::new(false),
            again: Cell::new(false),
            stirred: Cell::new(false),
            disowned: Box::new(disowned),
        });
        lister.after(0);
        lister
    }

    /// Something may have changed.
    pub fn stir(self: &Rc<Self>) {
        self.again.set(true);
        if !self.busy.get() && !self.stirred.replace(true) {
            self.after(STIR_MS);
        }
    }

    /// Reads now.
    pub fn hurry(self: &Rc<Self>) {
        if !self.busy.get() {
            self.after(0);
        }
    }

    fn after(self: &Rc<Self>, ms: u64) {
        let lister = Rc::downgrade(self);
        let timer = Timer::after(ms, move || {
            let Some(lister) = lister.upgrade() else { return };
            if browser::is_hidden() {
                lister.stirred.set(false);
                return lister.after(PERIOD_MS);
            }
            lister.busy.set(true);
            lister.again.set(false);
            lister.stirred.set(false);
            spawn_local(async move {
                lister.read().await;
                lister.busy.set(false);
                lister.after(if lister.again.get() { STIR_MS } else { PERIOD_MS });
            });
        });
        self.timer.replace(Some(timer));
    }

    async fn read(&self) {
        let lists = self.app.lists;
        let sessions = self.page::<SessionInfo>(&format!("/v1/sessions?limit={SESSIONS_MAX}")).await;
        let environments = self.page::<Environment>("/v1/environments").await;
        match (sessions, environments) {
            (Ok(sessions), Ok(environments)) => {
                set_if_changed(lists.sessions, sessions);
                set_if_changed(lists.environments, environments);
                set_if_changed(lists.error, None);
                set_if_changed(lists.loaded, true);
            }
            (Err(failure), _) | (_, Err(failure)) if failure.is_unauthorized() => return (self.disowned)(),
            (Err(failure), _) | (_, Err(failure)) => {
                set_if_changed(lists.error, Some(format!("These lists are not up to date: {failure}.")));
            }
        }
        if self.app.role.get_untracked().is_some_and(|role| role.covers(Role::Owner)) {
            let devices = self.page::<Device>("/v1/auth/devices").await.unwrap_or_default();
            set_if_changed(
                lists.devices,
                devices.into_iter().filter(|device| device.confirm_code.is_some()).collect(),
            );
        }
    }

    async fn page<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, Failure> {
        let token = self.tokens.get().await?;
        let page = match api::get::<Page<T>>(path, &token.text).await {
            Err(failure) if failure.is_unauthorized() => {
                let token = self.tokens.fresh().await?;
                api::get::<Page<T>>(path, &token.text).await
            }
            other => other,
        };
        page.map(|page| page.data)
    }

    /// Admits a device that waits, or turns it away.
    pub(super) async fn admit(self: &Rc<Self>, device_id: &str, admit: bool) {
        let path = format!("/v1/auth/devices/{device_id}");
        let Ok(token) = self.tokens.get().await else { return };
        let done = if admit {
            api::send(Method::PATCH, &path, &token.text, Some(r#"{"confirm":true}"#.into())).await
        } else {
            api::send(Method::DELETE, &path, &token.text, None).await
        };
        if let Err(failure) = done {
            self.app.note.set(Some(format!("That did not work: {failure}.")));
        }
        self.hurry();
    }
}

impl std::fmt::Debug for Lister {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Lister").field("busy", &self.busy).finish_non_exhaustive()
    }
}

/// Sets a signal only when it is different, so that a quiet server repaints nothing.
fn set_if_changed<T: PartialEq + Send + Sync + 'static>(signal: RwSignal<T>, value: T) {
    if signal.with_untracked(|old| *old != value) {
        signal.set(value);
    }
}
