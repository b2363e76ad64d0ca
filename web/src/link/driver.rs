//! Drives the machine of one session, the open one or one the inbox listens to: performs its outputs, feeds it what the browser hears, wakes it when its
//! time comes, and paints its changes once per animation frame.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use leptos::prelude::*;
use portcullis_protocol::id::SessionId;
use portcullis_protocol::session::transcript;
use portcullis_protocol::session::{
    Change, Input, LinkView, Moved, Output, PageQuery, ResetReason, Session, SessionConfig, StartAt, Whoami,
};
use portcullis_protocol::wire::client::Presence;
use portcullis_protocol::wire::prompt::Said;
use portcullis_protocol::wire::rest::{Device, PostEvents};
use portcullis_protocol::wire::{close, control};
use portcullis_protocol::{RawJson, Tick};
use serde::Deserialize;
use wasm_bindgen_futures::spawn_local;

use super::api;
use super::browser::{self, Timer};
use super::channel::{Channel, Word};
use super::courier::{self, Courier};
use super::drafts::Drafts;
use super::drive::Drive;
use super::history;
use super::reader::{self, Reader};
use super::socket::{self, Heard, Socket};
use super::tokens::Tokens;
use super::vault::{COPY_BYTES_MAX, COPY_EVENTS_MAX, Place, Vault};
use crate::state::app::App;
use crate::state::attach;
use crate::state::desk::Desk;
use crate::state::dirty::Dirty;
use crate::state::exact::literal;
use crate::state::find;
use crate::state::offers::{Inquiry, Offers};
use crate::text::export::Format;
use crate::words::composer as words;
use crate::words::notices::notice;
use crate::words::session as said;

/// Between two paints of a hidden tab, in ms.
const HIDDEN_PAINT_MS: u64 = 500;
/// Between two copies of a session that changes, in ms.
const COPY_PERIOD_MS: u64 = 30_000;

/// The driver of one session.
pub(super) struct Driver {
    id: SessionId,
    app: App,
    /// What shows it.
    surface: Surface,
    tokens: Rc<Tokens>,
    vault: Rc<Vault>,
    reader: Rc<Reader>,
    /// When a copy was kept last, and of which event.
    copied: Cell<(Tick, u64)>,
    courier: Rc<Courier>,
    channel: Rc<Channel>,
    drafts: Rc<Drafts>,
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
    /// What a person just said.
    said: RefCell<Option<Said>>,
    /// What the agent was asked, by the id of the question.
    asked: RefCell<HashMap<String, Asked>>,
    /// What can be said to the agent: whether it was asked.
    inquiry: Cell<Inquiry>,
    ended: Cell<bool>,
}

/// What shows a session.
#[derive(Clone, Copy)]
pub(super) enum Surface {
    /// All of it: it is the open one.
    Open,
    /// What it asks, in the inbox.
    Desk(Desk),
}

/// A question to the agent that a person did not ask.
enum Asked {
    /// What can be said to it.
    Offers,
    /// Which files fit that.
    Files(String),
}

/// What a driver shares with the rest of the page.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) app: App,
    pub(super) tokens: Rc<Tokens>,
    pub(super) vault: Rc<Vault>,
    pub(super) channel: Rc<Channel>,
    pub(super) drafts: Rc<Drafts>,
}

impl Drive for Driver {
    fn id(&self) -> &SessionId {
        &self.id
    }

    fn applied_seq(&self) -> u64 {
        self.machine.borrow().applied_seq()
    }

    fn feed(&self, input: Input) {
        self.feed(input);
    }

    fn reread(&self) {
        self.reread();
    }

    fn say(&self, said: Said) {
        self.say(said);
    }

    fn say_again(&self, uuid: &str) {
        self.say_again(uuid);
    }

    fn find_files(&self, query: String) {
        self.find_files(query);
    }

    fn keep_again(&self) {
        self.keep_again();
    }

    fn discard(&self, uuid: String, here: bool) {
        self.discard(uuid, here);
    }

    fn hide(&self) {
        self.hide();
    }

    fn rest(&self) {
        self.rest();
    }

    fn rise(&self) {
        self.rise();
    }

    fn unsent(&self) -> usize {
        self.unsent()
    }

    fn visit(&self, seq: u64) {
        self.visit(seq);
    }

    fn find(&self, words: String) {
        self.find(words);
    }

    fn find_step(&self, forwards: bool) {
        self.find_step(forwards);
    }

    fn export(&self, format: Option<Format>) {
        self.export(format);
    }

    fn keep_copy(&self) {
        self.keep_copy(0);
    }

    fn end(&self) {
        self.end();
    }
}

impl Driver {
    /// Opens `id`: paints what is there, restores what was not delivered, connects.
    pub(super) fn start(id: SessionId, surface: Surface, shared: Shared, stirred: Box<dyn Fn()>) -> Rc<Self> {
        let Shared { app, tokens, vault, channel, drafts } = shared;
        let place = Place { device: tokens.device().clone(), session: id.clone() };
        let courier = Courier::new(place, Rc::clone(&tokens), Rc::clone(&vault), Rc::clone(&channel));
        let reader = Rc::new(Reader::new(id.clone(), app, Rc::clone(&tokens)));
        let start = match surface {
            Surface::Open => StartAt::Tail,
            Surface::Desk(_) => StartAt::Head,
        };
        let config = SessionConfig { seed: browser::seed(), start };
        let driver = Rc::new_cyclic(|me| Self {
            id,
            app,
            surface,
            tokens,
            vault,
            reader,
            copied: Cell::new((Tick(0), 0)),
            courier: Rc::new(courier),
            channel,
            drafts,
            stirred,
            me: me.clone(),
            machine: RefCell::new(Session::new(config)),
            socket: RefCell::new(None),
            socket_number: Cell::new(0),
            timer: RefCell::new(None),
            renewal: RefCell::new(None),
            dirty: RefCell::new(Dirty::default()),
            frame_asked: Cell::new(false),
            said: RefCell::new(None),
            asked: RefCell::default(),
            inquiry: Cell::new(Inquiry::default()),
            ended: Cell::new(false),
        });
        if driver.is_open() {
            app.offers.set(Offers::default());
        }
        driver.dirty.replace(Dirty::all());
        driver.paint();
        driver.feed(Input::Start);
        driver.reread();
        driver
    }

    fn is_open(&self) -> bool {
        matches!(self.surface, Surface::Open)
    }

    /// Reads what is kept: from before, or by another tab.
    fn reread(&self) {
        // What is on its way to a session that is not open is swept.
        let Some(driver) = self.me.upgrade().filter(|driver| driver.is_open()) else { return };
        spawn_local(async move {
            let kept = driver.courier.kept().await;
            if !kept.is_empty() {
                driver.feed(Input::Restored(kept.into_iter().map(|kept| (kept.uuid, kept.said)).collect()));
            }
        });
    }

    /// A person said something. What the machine does not take goes back to where it was typed.
    fn say(&self, said: Said) {
        self.said.replace(Some(said.clone()));
        self.feed(Input::Prompt { uuid: browser::uuid(), said });
        self.said.replace(None);
    }

    /// A person says again what was refused.
    fn say_again(&self, uuid: &str) {
        let said = {
            let machine = self.machine.borrow();
            let entry = machine.outbox().entries().iter().find(|entry| entry.prompt.uuid == uuid);
            entry.map(|entry| entry.said.clone())
        };
        self.discard(uuid.to_owned(), true);
        said.into_iter().for_each(|said| self.say(said));
    }

    /// Asks the agent for files whose names fit what is typed.
    fn find_files(&self, query: String) {
        let request = control::file_suggestions(&query);
        self.ask(Asked::Files(query), request);
    }

    fn ask(&self, what: Asked, request: RawJson) {
        let uuid = browser::uuid();
        self.asked.borrow_mut().insert(uuid.clone(), what);
        self.feed(Input::Control { uuid, request });
    }

    /// Writes down again what is under way, after the storage was lost.
    fn keep_again(&self) {
        let machine = self.machine.borrow();
        for entry in machine.outbox().entries() {
            let (courier, uuid, said) =
                (Rc::clone(&self.courier), entry.prompt.uuid.clone(), entry.said.clone());
            spawn_local(async move {
                let _ = courier.keep(&uuid, said).await;
            });
        }
    }

    /// A person threw a prompt away, here or in another tab.
    fn discard(&self, uuid: String, here: bool) {
        if here {
            self.channel.say(&Word::Discarded(self.id.clone(), uuid.clone()));
        } else {
            self.courier.discarded(&uuid);
        }
        self.feed(Input::Discard { uuid });
    }

    /// The tab rests: the page may be frozen or cached, which no socket and no lock survives.
    fn rest(&self) {
        self.feed(Input::Stop);
        self.courier.let_go();
        self.paint();
    }

    /// The tab is back.
    fn rise(&self) {
        self.feed(Input::Start);
        self.reread();
    }

    /// Prompts that did not reach the server.
    fn unsent(&self) -> usize {
        use portcullis_protocol::session::transcript::PromptState;
        let machine = self.machine.borrow();
        machine.outbox().entries().iter().filter(|entry| entry.prompt.state != PromptState::Stored).count()
    }

    /// Ends it: another session is opened, or none.
    fn end(&self) {
        self.feed(Input::Stop);
        self.reader.end();
        self.ended.set(true);
        self.timer.replace(None);
        self.renewal.replace(None);
        self.socket.replace(None);
    }

    /// Tells the machine something and performs what comes of it.
    fn feed(&self, input: Input) {
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
            Output::Reload => {
                self.drafts.flush();
                history::reload();
            }
            Output::Keep { uuid, said } => self.keep(uuid, said),
            Output::Forget { uuid } => {
                let courier = Rc::clone(&self.courier);
                spawn_local(async move { courier.release(&uuid).await });
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
            let outcome = match prompt_in(&body) {
                Some((uuid, event)) => driver.courier.deliver(&uuid, event).await,
                None => courier::post(&driver.tokens, &driver.id, body).await,
            };
            driver.feed(Input::Posted { post, outcome });
        });
    }

    fn keep(&self, uuid: String, said: Said) {
        let Some(driver) = self.me.upgrade() else { return };
        self.drafts.sending();
        spawn_local(async move {
            let lasting = driver.courier.keep(&uuid, said).await;
            driver.feed(Input::Kept { uuid, lasting });
            driver.drafts.sent();
        });
    }

    fn fetch(&self, fetch: u64, query: PageQuery) {
        let Some(driver) = self.me.upgrade() else { return };
        spawn_local(async move {
            match reader::page(&driver.tokens, &driver.id, query).await {
                Ok(page) => driver.feed(Input::Fetched { fetch, page: Some(page) }),
                Err(failure) => match failure.status() {
                    // A link that waits for its first page is told; one that is online hears of it by its socket.
                    Some(401 | 403) if query.before_seq.is_none() => {
                        driver.feed(Input::Closed { code: close::REFUSED });
                    }
                    Some(404) if query.before_seq.is_none() => {
                        driver.feed(Input::Closed { code: close::SESSION_MISSING });
                    }
                    Some(_) | None => driver.feed(Input::Fetched { fetch, page: None }),
                },
            }
        });
    }

    fn ask_whoami(&self) {
        let Some(driver) = self.me.upgrade() else { return };
        spawn_local(async move {
            let answer = async {
                let token = driver.tokens.fresh().await?;
                api::get::<Device>("/v1/auth/whoami", &token.text).await
            };
            let whoami = match answer.await {
                Ok(_) => Whoami::Known,
                Err(failure) if failure.is_unauthorized() => Whoami::Refused,
                Err(_) => Whoami::NoAnswer,
            };
            driver.feed(Input::Whoami(whoami));
        });
    }

    fn changed(&self, change: &Change) {
        match change {
            Change::Reply { request_id, event, error } => {
                self.replied(request_id, event.as_ref(), error.as_deref());
            }
            Change::PromptRejected(error) => {
                self.app.note.set(Some(words::not_sent(error)));
                if let Some(said) = self.said.take() {
                    let files: Vec<_> = said.files.iter().map(attach::attached).collect();
                    self.app.draft.set(Some((self.id.to_string(), said.text)));
                    self.app
                        .files
                        .set(Some((self.id.to_string(), files)).filter(|(_, files)| !files.is_empty()));
                }
            }
            Change::Moved(moved) => {
                let said = match moved {
                    Moved::Again => None,
                    Moved::Begun => Some(words::move_begun().to_owned()),
                    Moved::Refused(why) => Some(words::move_refused(literal(why.trim_end_matches('.')))),
                    Moved::Offline => Some(words::move_offline().to_owned()),
                    Moved::Unrepeatable => Some(words::move_unrepeatable().to_owned()),
                    Moved::Unanswered => Some(words::move_unanswered().to_owned()),
                };
                if said.is_some() {
                    self.app.note.set(said);
                }
            }
            Change::LogReset(_) if !self.is_open() => {}
            Change::LogReset(reason) => {
                let said = match reason {
                    ResetReason::Epoch => Some(said::other_log()),
                    ResetReason::BeyondHead => Some(said::shorter_log()),
                    ResetReason::Contradiction => Some(said::changed_log()),
                    ResetReason::Gap => None,
                };
                if let Some(said) = said {
                    self.app.note.set(Some(said.to_owned()));
                }
            }
            Change::Ledger => (self.stirred)(),
            Change::Worker => {
                (self.stirred)();
                self.ask_for_offers();
            }
            Change::Link => {
                self.courier.in_epoch(self.machine.borrow().epoch());
                if self.is_open() {
                    self.app.tick.set(browser::now());
                    self.recall();
                }
            }
            Change::Transcript(transcript::Change::Facts) => self.ask_for_offers(),
            Change::Transcript(_) | Change::Outbox | Change::History => {}
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

    /// The bridge answers for the agent from what it was told once. One that ended has nothing to offer before the next.
    fn ask_for_offers(&self) {
        let there = {
            let machine = self.machine.borrow();
            machine.worker().state == Presence::Online && !machine.transcript().facts().ended
        };
        let inquiry = self.inquiry.get().seen(there);
        let asks = self.is_open() && inquiry == Inquiry::Due;
        self.inquiry.set(if asks { Inquiry::Asked } else { inquiry });
        if asks {
            // Not now: the machine is being drained.
            let me = self.me.clone();
            spawn_local(async move {
                if let Some(driver) = me.upgrade() {
                    driver.ask(Asked::Offers, control::initialize());
                }
            });
        }
    }

    /// The agent answered, or whoever stood in its way.
    fn replied(&self, request_id: &str, event: Option<&RawJson>, error: Option<&str>) {
        let asked = self.asked.borrow_mut().remove(request_id);
        let offers = self.app.offers;
        match (asked, event) {
            (Some(Asked::Offers), Some(event)) => {
                let mut told = offers.get_untracked();
                if told.initialized(event) {
                    self.inquiry.set(Inquiry::Told);
                }
                offers.set(told);
            }
            (Some(Asked::Files(query)), Some(event)) => offers.update(|offers| offers.found(query, event)),
            // Nobody waits for it.
            (Some(Asked::Offers | Asked::Files(_)), None) => {}
            (None, event) => {
                let refused = event.and_then(refusal);
                if let Some(error) = error.map(str::to_owned).or(refused) {
                    self.app.note.set(Some(notice(&error)));
                }
            }
        }
    }

    /// The tab was hidden: the frame that was asked for will not come.
    fn hide(&self) {
        self.feed(Input::Hidden);
        self.paint();
        Self::keep_copy(self, 0);
    }

    fn paint(&self) {
        self.frame_asked.set(false);
        let dirty = self.dirty.take();
        if self.ended.get() {
            return;
        }
        match self.surface {
            Surface::Open => {
                self.app.session.paint(&self.machine.borrow(), &dirty);
                Self::keep_copy(self, COPY_PERIOD_MS);
            }
            Surface::Desk(desk) => desk.paint(&self.machine.borrow(), &dirty),
        }
    }

    /// Keeps the newest events for a time without the server, unless that was done within `period_ms`.
    fn keep_copy(&self, period_ms: u64) {
        let machine = self.machine.borrow();
        let (now, (at, seq)) = (browser::now(), self.copied.get());
        let new = self.is_open() && machine.applied_seq() != seq && machine.rows().next().is_some();
        let Some(epoch) = machine.epoch().filter(|_| new) else { return };
        if seq > 0 && now.since(at) < period_ms {
            return;
        }
        self.copied.set((now, machine.applied_seq()));
        let mut bytes = 0;
        let rows = machine.rows().rev().take(COPY_EVENTS_MAX).take_while(|row| {
            bytes += row.event.byte_len();
            bytes <= COPY_BYTES_MAX
        });
        let mut rows: Vec<String> =
            rows.map(|row| format!(r#"{{"seq":{},"event":{}}}"#, row.seq, row.event.as_str())).collect();
        rows.reverse();
        let page = format!(
            r#"{{"data":[{}],"epoch":"{epoch}","head_seq":{},"has_more":true}}"#,
            rows.join(","),
            machine.applied_seq()
        );
        let info =
            self.app.lists.sessions.with_untracked(|all| all.iter().find(|one| one.id == self.id).cloned());
        let (vault, place) = (Rc::clone(&self.vault), self.place());
        spawn_local(async move { vault.keep_copy(&place, page, info.as_ref(), browser::wall_ms()).await });
    }

    fn place(&self) -> Place {
        Place { device: self.tokens.device().clone(), session: self.id.clone() }
    }

    /// The server is not reached: what was kept is shown for as long.
    fn recall(&self) {
        let machine = self.machine.borrow();
        let waits = matches!(machine.link(), LinkView::Waiting { .. });
        if !waits || machine.epoch().is_some() || machine.part().kept {
            return;
        }
        let Some(driver) = self.me.upgrade() else { return };
        spawn_local(async move {
            if let Some(copy) = driver.vault.copy(&driver.place()).await {
                driver.app.session.kept_at_ms.set(Some(copy.at_ms));
                driver.feed(Input::Recall(copy.page));
            }
        });
    }

    /// Looks for words in all of the session.
    fn find(&self, words: String) {
        let Some(driver) = self.me.upgrade() else { return };
        let head = self.machine.borrow().part().head_seq;
        let query = words.trim().to_lowercase();
        let here: Vec<u64> = {
            let machine = self.machine.borrow();
            let items = machine.shown().items().filter(|item| item.seq > 0 && !query.is_empty());
            items.filter(|item| find::holds(item, &query)).map(|item| item.seq).collect()
        };
        spawn_local(async move {
            let show = |seq| driver.visit(seq);
            driver.reader.find(&words, head, &here, show).await;
        });
    }

    /// Shows the next match, or the one before.
    fn find_step(&self, forwards: bool) {
        let mut show = None;
        self.app.session.find.update(|find| show = find.as_mut().and_then(|find| find.step(forwards)));
        if let Some(seq) = show {
            self.visit(seq);
        }
    }

    /// Shows that event, wherever it is.
    fn visit(&self, seq: u64) {
        self.feed(Input::Visit { seq });
        self.app.session.want(seq);
    }

    /// Saves all of the session to a file, or stops that.
    fn export(&self, format: Option<Format>) {
        let reader = Rc::clone(&self.reader);
        let named = self.app.current().map(|info| info.title).filter(|title| !title.is_empty());
        let title = named.or_else(|| self.app.session.facts.with_untracked(|facts| facts.title.clone()));
        let title = title.unwrap_or_else(|| self.id.to_string());
        spawn_local(async move { reader.export(format, title).await });
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

/// Why the agent, or its bridge, did not do what it was asked.
fn refusal(event: &RawJson) -> Option<String> {
    #[derive(Deserialize)]
    struct Event {
        response: Response,
    }
    #[derive(Deserialize)]
    struct Response {
        error: Option<String>,
    }
    event.read::<Event>().ok()?.response.error.map(|error| literal(&error))
}

/// The prompt a body holds, and its uuid; anything else goes its own way.
fn prompt_in(body: &str) -> Option<(String, RawJson)> {
    let body: PostEvents = serde_json::from_str(body).ok()?;
    let event = body.events.into_iter().next()?;
    let header = event.header().ok()?;
    let uuid = header.uuid.filter(|_| header.kind == "user")?;
    Some((uuid, event))
}
