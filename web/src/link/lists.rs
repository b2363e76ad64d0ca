//! Sessions, environments and waiting devices: read by REST every few seconds while somebody looks, and at once when
//! something stirs.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gloo_net::http::Method;
use leptos::prelude::*;
use portcullis_protocol::Tick;
use portcullis_protocol::role::Role;
use portcullis_protocol::wire::decisions::DecisionEntry;
use portcullis_protocol::wire::rest::{Device, Environment, Page, SessionInfo};
use serde::de::DeserializeOwned;
use wasm_bindgen_futures::spawn_local;

use super::api::{self, Answer, Failure};
use super::browser::{self, Timer};
use super::caller::Caller;
use super::errand;
use super::tokens::Tokens;
use crate::state::app::{App, Paged};
use crate::state::deed::{Call, Deed};
use crate::words::page as words;

/// Between two readings, in ms.
const PERIOD_MS: u64 = 2_500;
/// The same while nobody sees the page: only to call somebody when something waits.
const HIDDEN_PERIOD_MS: u64 = 10_000;
/// After something stirred, in ms: several changes in a row are one reading.
const STIR_MS: u64 = 250;
/// Sessions in one reading.
const SESSIONS_MAX: usize = 200;
/// Rows of a page that a person asks for.
const PAGE_ROWS: usize = 50;
/// Between two looks whether the server has another version of this page, in ms.
const VERSION_PERIOD_MS: u64 = 300_000;

/// Between two looks whether an agent that was told to stop has ended, in ms, and how often: one that hangs is killed by
/// its bridge later.
const STOP_LOOK_MS: u64 = 700;
const STOP_LOOKS_MAX: u32 = 8;

/// Reads the lists for as long as it lives.
pub struct Lister {
    app: App,
    tokens: Rc<Tokens>,
    caller: Caller,
    version_at: Cell<Tick>,
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
            caller: Caller::new(app),
            version_at: Cell::new(browser::now()),
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
            lister.busy.set(true);
            lister.again.set(false);
            lister.stirred.set(false);
            spawn_local(async move {
                lister.read().await;
                lister.busy.set(false);
                let period_ms = if browser::is_hidden() { HIDDEN_PERIOD_MS } else { PERIOD_MS };
                lister.after(if lister.again.get() { STIR_MS } else { period_ms });
            });
        });
        self.timer.replace(Some(timer));
    }

    async fn read(self: &Rc<Self>) {
        let lists = self.app.lists;
        let path = format!("/v1/sessions?state=active&limit={SESSIONS_MAX}");
        let sessions = self.page::<SessionInfo>(&path).await;
        let environments = self.page::<Environment>("/v1/environments").await;
        match (sessions, environments) {
            (Ok(sessions), Ok(environments)) => {
                if self.app.seen.try_update(|seen| seen.begin(&sessions.data)) == Some(true) {
                    self.app.keep_seen();
                }
                set_if_changed(lists.sessions, sessions.data);
                set_if_changed(lists.more, sessions.has_more);
                set_if_changed(lists.environments, environments.data);
                set_if_changed(lists.error, None);
                set_if_changed(lists.loaded, true);
                self.learn_role().await;
                self.caller.hear();
            }
            (Err(failure), _) | (_, Err(failure)) if failure.is_unauthorized() => return (self.disowned)(),
            (Err(failure), _) | (_, Err(failure)) => {
                set_if_changed(lists.error, Some(words::lists_stale(failure)));
            }
        }
        errand::read_rest(self).await;
    }

    /// What the page stands without.
    pub(super) async fn read_rest(&self) {
        if self.app.role.get_untracked().is_some_and(|role| role.covers(Role::Owner))
            && let Ok(devices) = self.page::<Device>("/v1/auth/devices").await
        {
            set_if_changed(self.app.lists.devices, devices.data);
        }
        self.read_opened().await;
        self.compare_versions().await;
    }

    /// A page that began without the server does not know yet what its device may do.
    async fn learn_role(&self) {
        if self.app.role.get_untracked().is_none()
            && let Ok(token) = self.tokens.get().await
        {
            self.app.role.set(Some(token.role));
        }
    }

    /// The open session may be archived, or older than the list reaches.
    async fn read_opened(&self) {
        let route = self.app.route.get_untracked();
        let Some(id) = route.session().filter(|id| untrack(|| self.app.info(id)).is_none()) else { return };
        if let Ok(info) = self.get::<SessionInfo>(&format!("/v1/sessions/{id}")).await {
            self.app.lists.opened.set(Some(info));
        }
    }

    /// Files of the page have names with a hash: another name is another version.
    async fn compare_versions(&self) {
        if browser::now().since(self.version_at.get()) < VERSION_PERIOD_MS {
            return;
        }
        self.version_at.set(browser::now());
        let boot = leptos::prelude::document().get_element_by_id("boot");
        let name = boot.and_then(|boot| boot.get_attribute("data-module"));
        if let (Some(name), Ok(page)) = (name, api::page().await) {
            set_if_changed(self.app.outdated, !page.contains(&name));
        }
    }

    /// Reads a page of archived sessions: the first, or the one behind what is known.
    pub(super) async fn archived(&self, more: bool) {
        let after = move |known: &[SessionInfo]| known.last().map(|last| format!("&after_id={}", last.id));
        self.read_page(self.app.lists.archived, more, "/v1/sessions?state=archived", after).await;
    }

    /// Reads a page of decisions likewise; `granted` only those that granted something.
    pub(super) async fn decisions(&self, granted: bool, more: bool) {
        let lists = self.app.lists;
        let (list, path) = match granted {
            true => (lists.grants, "/v1/decisions?granted=true"),
            false => (lists.decisions, "/v1/decisions?granted=false"),
        };
        let after = |known: &[DecisionEntry]| known.last().map(|last| format!("&before={}", last.id));
        self.read_page(list, more, path, after).await;
    }

    async fn read_page<T>(
        &self,
        list: RwSignal<Paged<T>>,
        more: bool,
        path: &str,
        after: impl Fn(&[T]) -> Option<String>,
    ) where
        T: DeserializeOwned + Clone + Send + Sync + 'static,
    {
        let known = if more { list.get_untracked().rows } else { Vec::new() };
        let path = format!("{path}&limit={PAGE_ROWS}{}", after(&known).unwrap_or_default());
        match self.page::<T>(&path).await {
            Ok(page) => {
                let rows = known.into_iter().chain(page.data).collect();
                list.set(Paged { rows, more: page.has_more, loaded: true });
            }
            Err(failure) => self.app.note.set(Some(words::did_not_work(failure))),
        }
    }

    /// Does what a person asked for, and reads what it changed.
    pub(super) async fn do_it(self: &Rc<Self>, deed: &Deed) {
        let Call { method, path, body } = deed.call();
        let method = match method {
            "PATCH" => Method::PATCH,
            "DELETE" => Method::DELETE,
            _ => Method::POST,
        };
        let done = match self.tokens.get().await {
            Ok(token) => api::send(method, &path, &token.text, body).await.map(drop),
            Err(failure) => Err(failure),
        };
        if let Err(failure) = done {
            self.app.note.set(Some(words::did_not_work(failure)));
        }
        self.stir();
        if matches!(deed, Deed::Archive(_) | Deed::Unarchive(_))
            && self.app.lists.archived.with_untracked(|list| list.loaded)
        {
            self.archived(false).await;
        }
        if matches!(deed, Deed::Stop(_)) {
            self.see_stopped().await;
        }
    }

    /// A process ends a moment after it was told to, and what was granted to it then.
    async fn see_stopped(&self) {
        let living =
            || self.app.lists.grants.with_untracked(|list| list.rows.iter().filter(|row| row.lives).count());
        let before = living();
        for _ in 0..STOP_LOOKS_MAX {
            browser::pause(STOP_LOOK_MS).await;
            self.decisions(true, false).await;
            if living() < before {
                return;
            }
        }
    }

    async fn page<T: DeserializeOwned>(&self, path: &str) -> Result<Page<T>, Failure> {
        self.get(path).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.answer(path).await?.read()
    }

    async fn answer(&self, path: &str) -> Result<Answer, Failure> {
        let token = self.tokens.get().await?;
        match api::ask(path, &token.text).await {
            Err(failure) if failure.is_unauthorized() => {
                let token = self.tokens.fresh().await?;
                api::ask(path, &token.text).await
            }
            other => other,
        }
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
