//! The life of the page: find the device key or pair, then follow the address to a session, and carry out commands.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use leptos::prelude::*;
use portcullis_protocol::id::DeviceId;
use portcullis_protocol::role::Role;
use portcullis_protocol::session::{Input, LinkView};
use portcullis_protocol::wire::control;
use portcullis_protocol::wire::prompt::Said;
use portcullis_protocol::wire::rest::{CreateSession, SessionInfo};
use wasm_bindgen_futures::spawn_local;

use super::api::{self, Failure};
use super::channel::{Channel, Word};
use super::drafts::Drafts;
use super::drive::{self, Drive};
use super::driver::{Shared, Surface};
use super::errand::{self, Errand};
use super::lists::Lister;
use super::pairing::{PairError, Paired};
use super::sweeper::Sweeper;
use super::tokens::Tokens;
use super::vault::{Identity, Vault};
use super::watches::Watches;
use super::{browser, caller, history, tab};
use crate::state::app::{App, Key, Leaving, Phase, Starting};
use crate::state::command::Command;
use crate::state::lifecycle::Act;
use crate::state::route::Route;
use crate::state::storage::StorageTrouble;
use crate::words::page as words;

/// Between two questions whether an owner has confirmed this device, in ms.
const CONFIRM_PERIOD_MS: u64 = 2_000;
/// Between two tries to reach a server that does not answer: at first, and at most, in ms.
const REACH_MS: std::ops::RangeInclusive<u64> = 1_000..=15_000;

/// Begins. Call once, after the page was mounted.
pub fn start(app: App) {
    let code = history::take_pairing_code();
    app.route.set(history::current());
    spawn_local(async move {
        let me: Rc<RefCell<Weak<Client>>> = Rc::default();
        let vault = Rc::new(Vault::open(storage_listener(app, Rc::clone(&me))).await);
        let heard = Rc::clone(&me);
        let channel = Channel::open(move |word| {
            let client = heard.borrow().upgrade();
            if let Some(client) = client {
                errand::run(&client, Errand::Heard(word));
            }
        });
        let drafts = Drafts::open(Rc::clone(&vault)).await;
        let client = Rc::new(Client {
            app,
            vault,
            channel: Rc::new(channel),
            drafts,
            code: RefCell::new(code),
            attempt: Cell::new(0),
            online: RefCell::new(None),
            driver: RefCell::new(None),
            wanted: RefCell::default(),
            watches: Watches::default(),
        });
        me.replace(Rc::downgrade(&client));
        let (acting, moving) = (Rc::clone(&client), Rc::clone(&client));
        tab::listen(app, move |act| errand::run(&acting, Errand::Act(act)));
        tab::on("popstate", move || {
            moving.app.route.set(history::current());
            moving.follow();
        });
        let carrier = Rc::clone(&client);
        app.on_command(move |command| {
            if let Command::Go(route) = command {
                carrier.go(route);
            } else {
                errand::run(&carrier, Errand::Command(command));
            }
        });
        if !drive::is_here() {
            let client = Rc::clone(&client);
            spawn_local(async move { client.when_drivers_can_be_started().await });
        }
        // The client lives as long as the page; what hears of it holds it weakly.
        client.begin().await;
    });
}

/// Says what is wrong with the storage, and writes again what this page knows where that helps.
fn storage_listener(app: App, me: Rc<RefCell<Weak<Client>>>) -> impl Fn(StorageTrouble) {
    move |trouble| {
        if trouble == StorageTrouble::Blocked {
            return app.phase.set(Phase::Blocked);
        }
        app.note.set(Some(trouble.words().to_owned()));
        if let (StorageTrouble::Lost, Some(client)) = (trouble, me.borrow().upgrade()) {
            errand::run(&client, Errand::KeepAgain);
        }
    }
}

/// What exists once the server knows this device.
struct Online {
    tokens: Rc<Tokens>,
    lister: Rc<Lister>,
    sweeper: Rc<Sweeper>,
}

pub(super) struct Client {
    app: App,
    vault: Rc<Vault>,
    channel: Rc<Channel>,
    drafts: Rc<Drafts>,
    /// A pairing code that was not used yet.
    code: RefCell<Option<String>>,
    /// Number of the try to get in, so that an older one gives up.
    attempt: Cell<u32>,
    online: RefCell<Option<Online>>,
    driver: RefCell<Option<Rc<dyn Drive>>>,
    /// What the inbox asked to watch before drivers could be started.
    wanted: RefCell<Vec<portcullis_protocol::id::SessionId>>,
    watches: Watches,
}

impl Client {
    /// Gets in, however long the server is away.
    async fn begin(self: &Rc<Self>) {
        let attempt = self.attempt.get() + 1;
        self.attempt.set(attempt);
        let mut delay_ms = *REACH_MS.start();
        while self.attempt.get() == attempt {
            let code = self.code.borrow().clone();
            let identity = self.vault.identity().await;
            let reached = match (identity, code) {
                (Some(identity), None) if identity.logged_out => {
                    self.app.phase.set(Phase::LoggedOut(Key::Kept));
                    true
                }
                (Some(identity), code) => self.enter(identity, code).await,
                (None, Some(code)) => self.pair(&code, None).await,
                (None, None) => {
                    self.app.phase.set(Phase::Unpaired(None));
                    true
                }
            };
            if reached {
                return;
            }
            self.app.phase.set(Phase::Unreachable);
            browser::pause(delay_ms).await;
            delay_ms = (delay_ms * 2).min(*REACH_MS.end());
        }
    }

    /// Enters with a key this browser has. `false` when the server did not answer.
    async fn enter(self: &Rc<Self>, identity: Identity, code: Option<String>) -> bool {
        let (waits, known) = (identity.confirm_code.clone(), identity.device_id.clone());
        if identity.logged_out {
            self.remember(&Identity { logged_out: false, ..identity.clone() }).await;
        }
        let tokens = Tokens::new(identity);
        match (tokens.fresh().await, code, waits) {
            (Ok(_), _, _) => self.ready(tokens).await,
            (Err(failure), None, None) if failure.is_passing() => return self.read_offline(tokens).await,
            (Err(failure), _, _) if failure.is_passing() => return false,
            (Err(_), Some(code), _) => return self.pair(&code, Some(known)).await,
            (Err(_), None, Some(confirm_code)) => self.wait_for_owner(tokens, confirm_code).await,
            (Err(_), None, None) => errand::run(self, Errand::Disowned),
        }
        true
    }

    /// The server does not answer: what was kept can be read meanwhile. `false` when nothing was.
    async fn read_offline(self: &Rc<Self>, tokens: Rc<Tokens>) -> bool {
        let kept = self.vault.copied().await;
        if kept.is_empty() {
            return false;
        }
        self.app.lists.sessions.set(kept);
        self.app.lists.loaded.set(true);
        self.ready(tokens).await;
        true
    }

    /// Exchanges `code`, unless another tab was faster; `stale` is what the server does not take.
    async fn pair(self: &Rc<Self>, code: &str, stale: Option<DeviceId>) -> bool {
        self.app.phase.set(Phase::Pairing);
        let paired = errand::pair(&self.vault, code, stale).await;
        if matches!(paired, Ok(Paired::Granted(..) | Paired::Pending(_))) {
            self.channel.say(&Word::Identity);
        }
        if !matches!(paired, Err(PairError::Passing)) {
            self.code.replace(None);
        }
        match paired {
            Ok(Paired::Granted(identity, granted)) => {
                self.ready(Tokens::with_granted(identity, &granted)).await
            }
            Ok(Paired::Pending(identity)) => {
                let code = identity.confirm_code.clone().unwrap_or_default();
                self.wait_for_owner(Tokens::new(identity), code).await;
            }
            Ok(Paired::Known(identity)) => return Box::pin(self.enter(identity, None)).await,
            Err(PairError::Passing) => return false,
            Err(PairError::Final(message)) => self.app.phase.set(Phase::Unpaired(Some(message))),
            Err(PairError::Unsupported(message)) => self.app.phase.set(Phase::Unsupported(message)),
        }
        true
    }

    async fn wait_for_owner(self: &Rc<Self>, tokens: Rc<Tokens>, code: String) {
        let attempt = self.attempt.get();
        self.app.phase.set(Phase::Confirming { code });
        while self.attempt.get() == attempt {
            browser::pause(CONFIRM_PERIOD_MS).await;
            match tokens.fresh().await {
                Ok(_) => return self.ready(tokens).await,
                Err(Failure::Refused { status: 401, .. }) => return errand::run(self, Errand::Disowned),
                Err(_) => {}
            }
        }
    }

    async fn ready(self: &Rc<Self>, tokens: Rc<Tokens>) {
        self.code.replace(None);
        self.app.device.set(Some(tokens.device().clone()));
        self.app.notifying.set(caller::permission());
        if let Ok(token) = tokens.get().await {
            self.app.role.set(Some(token.role));
            self.let_in().await;
        }
        let client = Rc::clone(self);
        let lister =
            Lister::start(self.app, Rc::clone(&tokens), move || errand::run(&client, Errand::Disowned));
        let (vault, channel) = (Rc::clone(&self.vault), Rc::clone(&self.channel));
        let sweeper = Rc::new(Sweeper::new(self.app, Rc::clone(&tokens), vault, channel));
        self.online.replace(Some(Online { tokens, lister, sweeper }));
        self.app.phase.set(Phase::Ready);
        self.follow();
        errand::run(self, Errand::Sweep);
    }

    /// An owner confirmed this device: its code is of no more use, and what was kept may be read without the server.
    async fn let_in(&self) {
        let waited = self.vault.identity().await.filter(|identity| identity.confirm_code.is_some());
        if let Some(identity) = waited {
            self.remember(&Identity { confirm_code: None, ..identity }).await;
        }
    }

    /// The server does not know this device, or not any more: what it kept belongs to nobody.
    fn disowned(&self) {
        self.leave();
        self.drafts.purge();
        let (vault, channel) = (Rc::clone(&self.vault), Rc::clone(&self.channel));
        spawn_local(async move {
            vault.forget().await;
            channel.say(&Word::Identity);
        });
        self.app.phase.set(Phase::Unpaired(Some(crate::words::pair::disowned().into())));
    }

    /// Ends what is open. Nothing of it is shown any more.
    fn leave(&self) {
        self.online.replace(None);
        self.attempt.set(self.attempt.get() + 1);
        self.watches.follow(self.app, &[], None, || {});
        if let Some(driver) = self.driver.replace(None) {
            driver.feed(Input::LoggedOut);
            driver.end();
        }
        self.app.forget();
    }

    /// A person logs out: what was typed is gone, the tokens end, and so does the key, unless it is the last owner's.
    async fn log_out(self: &Rc<Self>) {
        let tokens = self.online.borrow().as_ref().map(|online| Rc::clone(&online.tokens));
        let owner = self.app.role.get_untracked().is_none_or(|role| role.covers(Role::Owner));
        self.leave();
        self.app.phase.set(Phase::LoggedOut(if owner { Key::Kept } else { Key::Gone }));
        self.drafts.purge();
        self.vault.purge().await;
        self.lock_key().await;
        self.channel.say(&Word::Identity);
        let revoked = match tokens {
            Some(tokens) => tokens.end(owner).await,
            None => false,
        };
        if revoked || !owner {
            self.vault.forget().await;
            self.app.phase.set(Phase::LoggedOut(Key::Gone));
        }
    }

    /// The key is not used before a person says so.
    async fn lock_key(&self) {
        if let Some(identity) = self.vault.identity().await {
            self.remember(&Identity { logged_out: true, ..identity }).await;
        }
    }

    /// A person who logged out wants no key left here, whoever else may get in.
    async fn remove_key(&self) {
        self.vault.forget().await;
        self.app.phase.set(Phase::LoggedOut(Key::Removed));
        self.channel.say(&Word::Identity);
    }

    async fn sign_in(self: &Rc<Self>) {
        if let Some(identity) = self.vault.identity().await {
            self.remember(&Identity { logged_out: false, ..identity }).await;
            self.channel.say(&Word::Identity);
        }
        self.begin().await;
    }

    /// Where storage is denied the device is known until reload; the page says so.
    async fn remember(&self, identity: &Identity) {
        let _ = self.vault.remember(identity).await;
    }

    async fn keep_again(&self) {
        self.vault.remember_again().await;
        self.driver.borrow().iter().for_each(|driver| driver.keep_again());
    }

    /// Another tab changed what all share.
    fn heard(self: &Rc<Self>, word: Word) {
        let driver = self.driver.borrow().clone();
        match (word, driver) {
            (Word::Identity, _) => {
                let client = Rc::clone(self);
                spawn_local(async move { client.look_at_identity().await });
            }
            (Word::Outbox(session), Some(driver)) if *driver.id() == session => driver.reread(),
            (Word::Discarded(session, uuid), Some(driver)) if *driver.id() == session => {
                driver.discard(uuid, false)
            }
            (Word::Outbox(_) | Word::Discarded(..), _) => {}
        }
    }

    /// Another tab paired this browser, logged out, or was told that the server does not know it.
    async fn look_at_identity(self: &Rc<Self>) {
        let identity = self.vault.identity().await;
        let ready = self.app.phase.get_untracked() == Phase::Ready;
        match identity {
            Some(identity) if identity.logged_out => {
                if ready {
                    self.leave();
                    self.drafts.purge();
                    self.app.phase.set(Phase::LoggedOut(Key::Kept));
                }
            }
            Some(_) if !ready => self.begin().await,
            None if ready && self.vault.is_lasting() => {
                self.leave();
                self.drafts.purge();
                self.app.phase.set(Phase::Unpaired(None));
            }
            Some(_) | None => {}
        }
    }

    /// Opens the session the address names, and ends the one it does not.
    fn follow(self: &Rc<Self>) {
        let route = self.app.route.get_untracked();
        let open = self.driver.borrow().as_ref().map(|driver| driver.id().clone());
        if open.as_ref() == route.session() {
            return self.visit_named();
        }
        if let Some(driver) = self.driver.replace(None) {
            driver.keep_copy();
            self.app.saw(driver.id(), driver.applied_seq());
            driver.end();
        }
        let Some(id) = route.session() else { return };
        let Some((shared, stirred)) = self.shared() else { return };
        // Before drivers can be started there is none; `when_drivers_can_be_started` comes back to it.
        self.driver.replace(drive::start(id.clone(), Surface::Open, shared, stirred));
        self.visit_named();
        errand::run(self, Errand::Sweep);
    }

    /// What drivers share, and whom they tell that lists may have changed.
    fn shared(&self) -> Option<(Shared, impl Fn() + Clone + use<>)> {
        let online = self.online.borrow();
        let online = online.as_ref()?;
        let shared = Shared {
            app: self.app,
            tokens: Rc::clone(&online.tokens),
            vault: Rc::clone(&self.vault),
            channel: Rc::clone(&self.channel),
            drafts: Rc::clone(&self.drafts),
        };
        let lister = Rc::clone(&online.lister);
        Some((shared, move || lister.stir()))
    }

    /// The open session and those the inbox listens to.
    fn drivers(&self) -> Vec<Rc<dyn Drive>> {
        let mut drivers = self.watches.drivers();
        drivers.extend(self.driver.borrow().clone());
        drivers
    }

    /// Opens and watches what was asked for too early.
    async fn when_drivers_can_be_started(self: &Rc<Self>) {
        // A session that the address names does not wait for anything else.
        let errands = async {
            errand::arrival().await;
            if let Some(online) = &*self.online.borrow() {
                online.lister.stir();
            }
        };
        if self.app.route.with_untracked(|route| route.session().is_none()) {
            errands.await;
            drive::arrival().await;
        } else {
            futures_util::future::join(errands, drive::arrival()).await;
        }
        self.follow();
        let wanted = self.wanted.take();
        if !wanted.is_empty() {
            self.watch(&wanted);
        }
    }

    fn watch(&self, wanted: &[portcullis_protocol::id::SessionId]) {
        if !drive::is_here() {
            self.wanted.replace(wanted.to_vec());
            return;
        }
        if let Some((shared, stirred)) = self.shared() {
            self.watches.follow(self.app, wanted, Some(&shared), stirred);
        }
    }

    fn go(self: &Rc<Self>, route: Route) {
        history::go(&route);
        self.app.route.set(route);
        self.follow();
    }

    /// Does what is not part of getting in.
    pub(super) fn run(self: &Rc<Self>, errand: Errand) {
        match errand {
            Errand::Command(command) => self.carry_out(command),
            Errand::Act(act) => self.act(act),
            Errand::Heard(word) => self.heard(word),
            Errand::KeepAgain => {
                let client = Rc::clone(self);
                spawn_local(async move { client.keep_again().await });
            }
            Errand::Disowned => self.disowned(),
            Errand::Sweep => self.sweep(),
        }
    }

    fn carry_out(self: &Rc<Self>, command: Command) {
        match command {
            Command::Go(route) => self.go(route),
            Command::Pair(code) => {
                self.code.replace(Some(code));
                self.begin_again();
            }
            Command::Retry => self.begin_again(),
            Command::Reconnect => self.reconnect(),
            Command::Start(create) => self.create(*create),
            Command::Prompt(said) => self.say(said),
            Command::Again(uuid) => self.driver.borrow().iter().for_each(|driver| driver.say_again(&uuid)),
            Command::Discard(uuid) => self.discard(uuid),
            Command::Earlier => self.feed(Input::WantHistory),
            Command::Later => self.feed(Input::WantLater),
            Command::Latest => self.feed(Input::Return),
            Command::Visit(seq) => self.with_driver(|driver| driver.visit(seq)),
            Command::Find(words) => self.with_driver(|driver| driver.find(words)),
            Command::FindStep { forwards } => self.with_driver(|driver| driver.find_step(forwards)),
            Command::Export(format) => self.with_driver(|driver| driver.export(format)),
            Command::Typed { place, text } => self.drafts.typed(&place, text),
            Command::Draft(place) => self.restore_draft(place),
            Command::Attached { place, files } => self.drafts.attached(&place, files),
            Command::Attachments(place) => self.restore_pictures(place),
            Command::AskToLeave => self.ask_to_leave(),
            Command::LogOut => {
                let client = Rc::clone(self);
                spawn_local(async move { client.log_out().await });
            }
            Command::RemoveKey => {
                let client = Rc::clone(self);
                spawn_local(async move { client.remove_key().await });
            }
            Command::SignIn => {
                let client = Rc::clone(self);
                spawn_local(async move { client.sign_in().await });
            }
            Command::TakeBack(uuid) => self.control(control::cancel_async_message(&uuid)),
            Command::SetPriority { prompt, priority } => {
                let (uuid, fresh) = (browser::uuid(), browser::uuid());
                self.feed(Input::SetPriority { prompt, priority, uuid, fresh });
            }
            Command::Interrupt => self.control(control::interrupt()),
            Command::SetModel(model) => self.control(control::set_model(&model)),
            Command::SetMode(mode) => self.control(control::set_permission_mode(&mode)),
            Command::FindFiles(query) => {
                self.driver.borrow().iter().for_each(|driver| driver.find_files(query.clone()));
            }
            Command::Watch(wanted) => self.watch(&wanted),
            Command::Decide { session, request_id, digest, choice } => {
                let input = Input::Decide { uuid: browser::uuid(), request_id, digest, choice };
                let driver = match &session {
                    // Never another one: what is decided belongs to the session it was shown for.
                    Some(id) => self.drivers().into_iter().find(|driver| driver.id() == id),
                    None => self.driver.borrow().clone(),
                };
                if let Some(driver) = driver {
                    driver.feed(input);
                }
            }
            Command::Do(deed) => self.with_lister(async move |lister| lister.do_it(&deed).await),
            Command::Archived { more } => self.with_lister(async move |lister| lister.archived(more).await),
            Command::Decisions { granted, more } => {
                self.with_lister(async move |lister| lister.decisions(granted, more).await);
            }
            Command::AskToNotify => spawn_local(caller::ask(self.app)),
            Command::Reload => {
                self.drafts.flush();
                history::reload_now();
            }
        }
    }

    /// What stopped for good goes on by a person's wish alone; what waits is not hurried past what the server named.
    fn reconnect(&self) {
        let stopped = matches!(self.app.session.link.get_untracked(), LinkView::Stopped(_));
        self.feed(if stopped { Input::Start } else { Input::Wake });
    }

    fn with_lister(&self, then: impl AsyncFnOnce(Rc<Lister>) + 'static) {
        if let Some(lister) = self.online.borrow().as_ref().map(|online| Rc::clone(&online.lister)) {
            spawn_local(async move { then(lister).await });
        }
    }

    fn begin_again(self: &Rc<Self>) {
        let client = Rc::clone(self);
        spawn_local(async move { client.begin().await });
    }

    fn control(&self, request: portcullis_protocol::RawJson) {
        self.feed(Input::Control { uuid: browser::uuid(), request });
    }

    /// What cannot be taken goes back into the composer.
    fn say(&self, said: Said) {
        let driver = self.driver.borrow().clone();
        match driver {
            Some(driver) => driver.say(said),
            None => self.app.note.set(Some(words::no_session_open().into())),
        }
    }

    fn discard(&self, uuid: String) {
        let driver = self.driver.borrow().clone();
        if let Some(driver) = driver {
            driver.discard(uuid, true);
        }
    }

    fn restore_draft(&self, place: String) {
        let (app, drafts) = (self.app, Rc::clone(&self.drafts));
        spawn_local(async move {
            if let Some(text) = drafts.restore(&place).await {
                app.draft.set(Some((place, text)));
            }
        });
    }

    fn restore_pictures(&self, place: String) {
        let (app, drafts) = (self.app, Rc::clone(&self.drafts));
        spawn_local(async move {
            let files = drafts.restore_pictures(&place).await;
            if !files.is_empty() {
                app.files.set(Some((place, files)));
            }
        });
    }

    fn ask_to_leave(&self) {
        let (app, vault) = (self.app, Rc::clone(&self.vault));
        let here = self.driver.borrow().as_ref().map_or(0, |driver| driver.unsent());
        let device = self.online.borrow().as_ref().map(|online| online.tokens.device().clone());
        spawn_local(async move {
            let kept = match device {
                Some(device) => vault.unsent(&device).await.len(),
                None => 0,
            };
            app.leaving.set(Leaving::Asked { unsent: kept.max(here) });
        });
    }

    fn sweep(&self) {
        let open = self.driver.borrow().as_ref().map(|driver| driver.id().clone());
        if let Some(online) = &*self.online.borrow() {
            online.sweeper.sweep(open);
        }
    }

    /// What the life of the tab asks for.
    fn act(self: &Rc<Self>, act: Act) {
        let driver = self.drivers();
        match act {
            Act::Hide => {
                self.drafts.flush();
                driver.iter().for_each(|driver| driver.hide());
            }
            Act::Rest => {
                driver.iter().for_each(|driver| driver.rest());
                self.drafts.rest();
                self.channel.close();
            }
            Act::Rise => {
                self.channel.reopen();
                driver.iter().for_each(|driver| driver.rise());
                let client = Rc::clone(self);
                spawn_local(async move {
                    client.drafts.rise().await;
                    client.look_at_identity().await;
                });
                self.refresh();
            }
            Act::Wake => {
                driver.iter().for_each(|driver| driver.feed(Input::Wake));
                self.refresh();
            }
        }
    }

    fn refresh(&self) {
        self.app.clock_ms.set(browser::wall_ms());
        if let Some(online) = &*self.online.borrow() {
            online.lister.hurry();
        }
        self.sweep();
    }

    fn feed(&self, input: Input) {
        self.with_driver(|driver| driver.feed(input));
    }

    fn with_driver(&self, then: impl FnOnce(&dyn Drive)) {
        let driver = self.driver.borrow().clone();
        if let Some(driver) = driver {
            then(&*driver);
        }
    }

    /// Shows the event that the address names, if it names one.
    fn visit_named(&self) {
        if let Some(seq) = history::event() {
            self.with_driver(|driver| driver.visit(seq));
        }
    }

    fn create(self: &Rc<Self>, create: CreateSession) {
        let Some(tokens) = self.online.borrow().as_ref().map(|online| Rc::clone(&online.tokens)) else {
            return;
        };
        self.app.starting.set(Starting::Busy);
        let client = Rc::clone(self);
        spawn_local(async move {
            match created(&tokens, &create).await {
                Ok(session) => {
                    client.app.starting.set(Starting::No);
                    client.drafts.typed(Route::New.name(), String::new());
                    let id = session.id.clone();
                    client.app.lists.sessions.update(|sessions| {
                        sessions.retain(|known| known.id != session.id);
                        sessions.insert(0, session);
                    });
                    client.go(Route::Session(id));
                }
                Err(failure) => client.app.starting.set(Starting::Failed(failure.to_string())),
            }
        });
    }
}

async fn created(tokens: &Tokens, create: &CreateSession) -> Result<SessionInfo, Failure> {
    let token = tokens.get().await?;
    let body = serde_json::to_string(create).map_err(|error| Failure::Shape(error.to_string()))?;
    api::send(gloo_net::http::Method::POST, "/v1/sessions", &token.text, Some(body)).await?.read()
}
