//! The life of the page: find the device key or pair, then follow the address to a session, and carry out commands.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use leptos::prelude::*;
use portcullis_protocol::session::{Input, LinkView};
use portcullis_protocol::wire::control;
use portcullis_protocol::wire::rest::{CreateSession, SessionInfo};
use wasm_bindgen_futures::spawn_local;

use super::api::{self, Failure};
use super::driver::Driver;
use super::lists::Lister;
use super::pairing::{self, PairError, Paired};
use super::tokens::Tokens;
use super::vault::{Identity, Vault};
use super::{browser, history};
use crate::state::app::{App, Phase, Starting};
use crate::state::command::Command;
use crate::state::route::Route;

/// Between two questions whether an owner has confirmed this device, in ms.
const CONFIRM_PERIOD_MS: u64 = 2_000;
/// Between two tries to reach a server that does not answer: at first, and at most, in ms.
const REACH_MS: std::ops::RangeInclusive<u64> = 1_000..=15_000;
/// How often what counts down is moved, in ms.
const COUNTDOWN_MS: u64 = 500;

/// Begins. Call once, after the page was mounted.
pub fn start(app: App) {
    let code = history::take_pairing_code();
    app.route.set(history::current());
    spawn_local(async move {
        let client = Rc::new(Client {
            app,
            vault: Rc::new(Vault::open().await),
            code: RefCell::new(code),
            attempt: Cell::new(0),
            online: RefCell::new(None),
            driver: RefCell::new(None),
        });
        listen(&client);
        let carrier = Rc::clone(&client);
        app.on_command(move |command| carrier.carry_out(command));
        client.begin().await;
    });
}

/// What exists once the server knows this device.
struct Online {
    tokens: Rc<Tokens>,
    lister: Rc<Lister>,
}

struct Client {
    app: App,
    vault: Rc<Vault>,
    /// A pairing code that was not used yet.
    code: RefCell<Option<String>>,
    /// Number of the try to get in, so that an older one gives up.
    attempt: Cell<u32>,
    online: RefCell<Option<Online>>,
    driver: RefCell<Option<Rc<Driver>>>,
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
                (Some(identity), code) => self.enter(identity, code).await,
                (None, Some(code)) => self.pair(&code).await,
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
        let waits = identity.confirm_code.clone();
        let tokens = Tokens::new(identity);
        match (tokens.fresh().await, code, waits) {
            (Ok(_), _, _) => self.ready(tokens).await,
            (Err(failure), _, _) if failure.is_passing() => return false,
            (Err(_), Some(code), _) => return self.pair(&code).await,
            (Err(_), None, Some(confirm_code)) => self.wait_for_owner(tokens, confirm_code).await,
            (Err(_), None, None) => self.disowned(),
        }
        true
    }

    async fn pair(self: &Rc<Self>, code: &str) -> bool {
        self.app.phase.set(Phase::Pairing);
        let paired = pairing::pair(&self.vault, code).await;
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
                Err(Failure::Refused { status: 401, .. }) => return self.disowned(),
                Err(_) => {}
            }
        }
    }

    async fn ready(self: &Rc<Self>, tokens: Rc<Tokens>) {
        self.code.replace(None);
        if let Ok(token) = tokens.get().await {
            self.app.role.set(Some(token.role));
        }
        if !self.vault.is_lasting() {
            let text = "This browser keeps nothing for this page: after a reload it has to be paired again.";
            self.app.note.set(Some(text.into()));
        }
        let client = Rc::clone(self);
        let lister = Lister::start(self.app, Rc::clone(&tokens), move || client.disowned());
        self.online.replace(Some(Online { tokens, lister }));
        self.app.phase.set(Phase::Ready);
        self.follow();
    }

    /// The server does not know this device, or not any more.
    fn disowned(&self) {
        self.online.replace(None);
        if let Some(driver) = self.driver.replace(None) {
            driver.end();
        }
        let vault = Rc::clone(&self.vault);
        spawn_local(async move { vault.forget().await });
        let text = "The server does not know this browser, or not any more. Pair it again with a fresh link.";
        self.app.phase.set(Phase::Unpaired(Some(text.into())));
    }

    /// Opens the session the address names, and ends the one it does not.
    fn follow(self: &Rc<Self>) {
        let route = self.app.route.get_untracked();
        let open = self.driver.borrow().as_ref().map(|driver| driver.id.clone());
        if open.as_ref() == route.session() {
            return;
        }
        if let Some(driver) = self.driver.replace(None) {
            driver.end();
        }
        let Some(id) = route.session() else { return };
        let (tokens, lister) = match &*self.online.borrow() {
            Some(online) => (Rc::clone(&online.tokens), Rc::clone(&online.lister)),
            None => return,
        };
        let driver =
            Driver::start(id.clone(), self.app, tokens, Rc::clone(&self.vault), move || lister.stir());
        self.driver.replace(Some(driver));
    }

    fn go(self: &Rc<Self>, route: Route) {
        history::go(&route);
        self.app.route.set(route);
        self.follow();
    }

    fn carry_out(self: &Rc<Self>, command: Command) {
        match command {
            Command::Go(route) => self.go(route),
            Command::Pair(code) => {
                self.code.replace(Some(code));
                self.begin_again();
            }
            Command::Retry => self.begin_again(),
            Command::Reconnect => self.feed(Input::Wake),
            Command::Start(create) => self.create(*create),
            Command::Prompt(text) => self.feed(Input::Prompt { uuid: browser::uuid(), text }),
            Command::Discard(uuid) => self.feed(Input::Discard { uuid }),
            Command::TakeBack(uuid) => self.control(control::cancel_async_message(&uuid)),
            Command::Interrupt => self.control(control::interrupt()),
            Command::Decide { request_id, digest, choice } => {
                self.feed(Input::Decide { uuid: browser::uuid(), request_id, digest, choice });
            }
            Command::Admit { device_id, admit } => {
                if let Some(lister) = self.online.borrow().as_ref().map(|online| Rc::clone(&online.lister)) {
                    spawn_local(async move { lister.admit(device_id.as_str(), admit).await });
                }
            }
        }
    }

    fn begin_again(self: &Rc<Self>) {
        let client = Rc::clone(self);
        spawn_local(async move { client.begin().await });
    }

    fn control(&self, request: portcullis_protocol::RawJson) {
        self.feed(Input::Control { uuid: browser::uuid(), request });
    }

    fn feed(&self, input: Input) {
        let driver = self.driver.borrow().clone();
        if let Some(driver) = driver {
            driver.feed(input);
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

/// Hears what the browser says about the tab.
fn listen(client: &Rc<Client>) {
    let app = client.app;
    app.clock_ms.set(browser::wall_ms());
    on("popstate", client, |client| {
        client.app.route.set(history::current());
        client.follow();
    });
    for event in ["online", "pageshow", "visibilitychange"] {
        on(event, client, |client| {
            if browser::is_hidden() {
                return client.driver.borrow().iter().for_each(|driver| driver.hide());
            }
            client.feed(Input::Wake);
            client.app.clock_ms.set(browser::wall_ms());
            if let Some(online) = &*client.online.borrow() {
                online.lister.hurry();
            }
        });
    }
    let period = std::time::Duration::from_millis(COUNTDOWN_MS);
    let beats = Cell::new(0_u32);
    leptos::prelude::set_interval(
        move || {
            if browser::is_hidden() {
                return;
            }
            beats.set(beats.get().wrapping_add(1));
            if matches!(app.session.link.get_untracked(), LinkView::Waiting { .. }) {
                app.tick.set(browser::now());
            }
            if beats.get().is_multiple_of(20) {
                app.clock_ms.set(browser::wall_ms());
            }
        },
        period,
    );
}

/// `visibilitychange` bubbles from the document, so the window hears all of them.
fn on(event: &str, client: &Rc<Client>, then: impl Fn(&Rc<Client>) + 'static) {
    let client = Rc::clone(client);
    // The listener lives as long as the page.
    let _ = window_event_listener_untyped(event, move |_| then(&client));
}
