//! Drives the machine of one open session: performs its outputs, feeds it what the browser hears, wakes it when its
//! time comes, and paints its changes once per animation frame.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use gloo_net::http::Method;
use leptos::prelude::*;
use portcullis_protocol::Tick;
use portcullis_protocol::id::SessionId;
use portcullis_protocol::session::{
    Change, Input, Output, PageQuery, PostOutcome, Session, SessionConfig, StartAt, Whoami,
};
use portcullis_protocol::wire::close;
use portcullis_protocol::wire::rest::{EventsPage, PostedEvents};
use wasm_bindgen_futures::spawn_local;

use super::api::{self, Failure};
use super::browser::{self, Timer};
use super::history;
use super::socket::{self, Heard, Socket};
use super::tokens::Tokens;
use super::vault::{Kept, Vault};
use crate::state::app::App;
use crate::state::dirty::Dirty;

/// Between two paints of a hidden tab, in ms.
const HIDDEN_PAINT_MS: u64 = 500;

/// The driver of one session.
pub(super) struct Driver {
    pub(super) id: SessionId,
    app: App,
    tokens: Rc<Tokens>,
    vault: Rc<Vault>,
    /// Told when lists may have changed.
    stirred: Box<dyn Fn()>,
    me: Weak<Self>,
    machine: RefCell<Session>,
    socket: RefCell<Option<Socket>>,
    /// Number of the socket, so that what an older one still says is not heard.
    socket_number: Cell<u64>,
    timer: RefCell<Option<(Tick, Timer)>>,
    renewal: RefCell<Option<Timer>>,
    dirty: RefCell<Dirty>,
    frame_asked: Cell<bool>,
    ended: Cell<bool>,
}

impl Driver {
    /// Opens `id`: paints what is there, restores what was not delivered, connects.
    pub(super) fn start(
        id: SessionId,
        app: App,
        tokens: Rc<Tokens>,
        vault: Rc<Vault>,
        stirred: impl Fn() + 'static,
    ) -> Rc<Self> {
        let driver = Rc::new_cyclic(|me| Self {
            id,
            app,
            tokens,
            vault,
            stirred: Box::new(stirred),
            me: me.clone(),
            machine: RefCell::new(Session::new(SessionConfig {
                seed: browser::seed(),
                start: StartAt::Beginning,
            })),
            socket: RefCell::new(None),
            socket_number: Cell::new(0),
            timer: RefCell::new(None),
            renewal: RefCell::new(None),
            dirty: RefCell::new(Dirty::default()),
            frame_asked: Cell::new(false),
            ended: Cell::new(false),
        });
        app.session.paint(&driver.machine.borrow(), &Dirty::all());
        driver.feed(Input::Start);
        let restoring = Rc::clone(&driver);
        spawn_local(async move {
            let kept = restoring.vault.kept(&restoring.id).await;
            if !kept.is_empty() {
                restoring.feed(Input::Restored(kept));
            }
        });
        driver
    }

    /// Ends it: another session is opened, or none.
    pub(super) fn end(&self) {
        self.feed(Input::Stop);
        self.ended.set(true);
        self.timer.replace(None);
        self.renewal.replace(None);
        self.socket.replace(None);
    }

    /// Tells the machine something and performs what comes of it.
    pub(super) fn feed(&self, input: Input) {
        if self.ended.get() {
            return;
        }
        self.machine.borrow_mut().handle(browser::now(), input);
        loop {
            let output = self.machine.borrow_mut().poll_output();
            let Some(output) = output else { break };
            self.perform(output);
        }
        self.wake_at();
    }

    fn perform(&self, output: Output) {
        match output {
            Output::Open => self.open(),
            Output::Send(text) => {
                if let Some(socket) = &*self.socket.borrow() {
                    socket.send(&text);
                }
            }
            Output::Close { .. } => {
                self.socket_number.set(self.socket_number.get() + 1);
                self.socket.replace(None);
            }
            Output::Post { post, body } => self.post(post, body),
            Output::Fetch { fetch, query } => self.fetch(fetch, query),
            Output::AskWhoami => self.ask_whoami(),
            // The bar says that the page is too old.
            Output::Reload => {}
            Output::Keep { uuid, text } => self.keep(uuid, text),
            Output::Forget { uuid } => {
                let vault = Rc::clone(&self.vault);
                spawn_local(async move { vault.release(&uuid).await });
            }
            Output::Change(change) => self.changed(&change),
        }
    }

    fn open(&self) {
        let number = self.socket_number.get() + 1;
        self.socket_number.set(number);
        self.socket.replace(None);
        let Some(driver) = self.me.upgrade() else { return };
        spawn_local(async move {
            let token = driver.tokens.fresh().await;
            if driver.socket_number.get() != number {
                return;
            }
            match token {
                Ok(token) => driver.connect(number, token.text, token.renew_at),
                Err(failure) if failure.is_passing() => driver.feed(Input::Closed { code: socket::ABNORMAL }),
                Err(_) => driver.feed(Input::Closed { code: close::REFUSED }),
            }
        });
    }

    fn connect(&self, number: u64, token: String, renew_at: Tick) {
        let me = self.me.clone();
        let opened = Socket::open(&history::socket_url(&self.id), move |heard| {
            let Some(driver) = me.upgrade().filter(|driver| driver.socket_number.get() == number) else {
                return;
            };
            match heard {
                Heard::Opened => {
                    driver.feed(Input::Opened { token: token.clone() });
                    driver.renew_at(number, renew_at);
                }
                Heard::Frame(text) => driver.feed(Input::Frame(text)),
                Heard::Closed(code) => {
                    driver.socket.replace(None);
                    driver.feed(Input::Closed { code });
                }
            }
        });
        match opened {
            Some(socket) => drop(self.socket.replace(Some(socket))),
            None => self.feed(Input::Closed { code: socket::ABNORMAL }),
        }
    }

    /// A socket outlives its token: the next one is sent before the first ends.
    fn renew_at(&self, number: u64, at: Tick) {
        let me = self.me.clone();
        let timer = Timer::after(at.since(browser::now()), move || {
            let Some(driver) = me.upgrade().filter(|driver| driver.socket_number.get() == number) else {
                return;
            };
            spawn_local(async move {
                let token = driver.tokens.fresh().await;
                if let (Ok(token), true) = (token, driver.socket_number.get() == number) {
                    driver.feed(Input::Renewed { token: token.text });
                    driver.renew_at(number, token.renew_at);
                }
            });
        });
        self.renewal.replace(Some(timer));
    }

    fn post(&self, post: u64, body: String) {
        let Some(driver) = self.me.upgrade() else { return };
        spawn_local(async move {
            let path = format!("/v1/sessions/{}/events", driver.id);
            let outcome = match deliver(&driver.tokens, &path, body).await {
                Ok(seq) => PostOutcome::Accepted { seq },
                Err(Failure::Refused { detail, status }) if status < 500 && status != 429 => {
                    PostOutcome::Refused(detail)
                }
                Err(_) => PostOutcome::Failed,
            };
            driver.feed(Input::Posted { post, outcome });
        });
    }

    fn fetch(&self, fetch: u64, query: PageQuery) {
        let Some(driver) = self.me.upgrade() else { return };
        spawn_local(async move {
            let place = match (query.after_seq, query.before_seq) {
                (Some(seq), _) => format!("&after_seq={seq}"),
                (None, Some(seq)) => format!("&before_seq={seq}"),
                (None, None) => String::new(),
            };
            let path = format!("/v1/sessions/{}/events?limit={}{place}", driver.id, query.limit);
            let page = match driver.tokens.get().await {
                Ok(token) => api::get::<EventsPage>(&path, &token.text).await.ok(),
                Err(_) => None,
            };
            driver.feed(Input::Fetched { fetch, page });
        });
    }

    fn ask_whoami(&self) {
        let Some(driver) = self.me.upgrade() else { return };
        spawn_local(async move {
            let whoami = match driver.tokens.fresh().await {
                Ok(_) => Whoami::Known,
                Err(failure) if failure.is_passing() => Whoami::NoAnswer,
                Err(_) => Whoami::Refused,
            };
            driver.feed(Input::Whoami(whoami));
        });
    }

    fn keep(&self, uuid: String, text: String) {
        let Some(driver) = self.me.upgrade() else { return };
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
        let at_ms = browser::wall_ms() as f64;
        let kept = Kept { session: self.id.to_string(), uuid, text, at_ms };
        spawn_local(async move {
            driver.vault.keep(&kept).await;
            let lasting = driver.vault.is_lasting();
            driver.feed(Input::Kept { uuid: kept.uuid, lasting });
        });
    }

    fn changed(&self, change: &Change) {
        match change {
            Change::Reply { error: Some(error), .. } => self.app.note.set(Some(error.clone())),
            Change::PromptRejected(error) => self.app.note.set(Some(error.to_string())),
            Change::Ledger | Change::Worker => (self.stirred)(),
            Change::Reply { .. }
            | Change::Transcript(_)
            | Change::Link
            | Change::Outbox
            | Change::History => {}
            Change::LogReset(reason) => {
                if let Some(words) = reason.words() {
                    self.app.note.set(Some(words.into()));
                }
            }
        }
        self.dirty.borrow_mut().note(change);
        if self.dirty.borrow().is_empty() || self.frame_asked.replace(true) {
            return;
        }
        let me = self.me.clone();
        let paint = move || {
            if let Some(driver) = me.upgrade() {
                driver.paint();
            }
        };
        // A hidden tab gets no frames, but its title still says what waits.
        if browser::is_hidden() {
            set_timeout(paint, std::time::Duration::from_millis(HIDDEN_PAINT_MS));
        } else {
            request_animation_frame(paint);
        }
    }

    /// The tab was hidden: the frame that was asked for will not come.
    pub(super) fn hide(&self) {
        self.feed(Input::Hidden);
        self.paint();
    }

    fn paint(&self) {
        self.frame_asked.set(false);
        let dirty = self.dirty.take();
        if !self.ended.get() {
            self.app.session.paint(&self.machine.borrow(), &dirty);
        }
    }

    /// Sets the timer for what the machine waits for; one that comes too early is harmless and cheap.
    fn wake_at(&self) {
        let due = self.machine.borrow().poll_timeout();
        let Some(due) = due else { return };
        if self.timer.borrow().as_ref().is_some_and(|(at, _)| *at <= due) {
            return;
        }
        let me = self.me.clone();
        let timer = Timer::after(due.since(browser::now()), move || {
            if let Some(driver) = me.upgrade() {
                driver.timer.replace(None);
                driver.feed(Input::Timeout);
            }
        });
        self.timer.replace(Some((due, timer)));
    }
}

/// POSTs `body`, once more with a fresh token when the first was not taken.
async fn deliver(tokens: &Tokens, path: &str, body: String) -> Result<Option<u64>, Failure> {
    let token = tokens.get().await?;
    let answer = match api::send(Method::POST, path, &token.text, Some(body.clone())).await {
        Err(failure) if failure.is_unauthorized() => {
            let token = tokens.fresh().await?;
            api::send(Method::POST, path, &token.text, Some(body)).await
        }
        other => other,
    };
    let posted: Option<PostedEvents> = answer?.read().ok();
    Ok(posted.and_then(|posted| posted.data.first()?.seq))
}
