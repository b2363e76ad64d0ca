//! The signals of the whole page. They belong to the root, so whatever is still running may touch them.

use std::rc::Rc;

use leptos::prelude::*;
use portcullis_protocol::Tick;
use portcullis_protocol::id::SessionId;
use portcullis_protocol::role::Role;
use portcullis_protocol::wire::rest::{Device, Environment, SessionInfo};

use super::command::Command;
use super::desk::Watched;
use super::offers::Offers;
use super::route::Route;
use super::session::SessionSignals;

/// How far the page is on its way to a session list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Looking for the device key.
    Starting,
    /// No key, or one the server does not take; the text says which, if there is something to say.
    Unpaired(Option<String>),
    /// A code is being exchanged.
    Pairing,
    /// Waits for an owner's device; both show this code.
    Confirming { code: String },
    /// The server did not answer; it is asked again.
    Unreachable,
    /// This browser cannot do it.
    Unsupported(String),
    /// Another tab with older code holds the storage.
    Blocked,
    /// A person logged out. The only owner's key is kept, or nobody could ever come back; it waits until a person says so.
    LoggedOut { keeps_key: bool },
    /// Paired.
    Ready,
}

/// How logging out goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leaving {
    #[default]
    No,
    /// A person is asked; so many messages would be lost.
    Asked { unsent: usize },
}

/// How starting a session goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Starting {
    #[default]
    No,
    Busy,
    Failed(String),
}

/// What the lists know.
#[derive(Clone, Copy, Debug)]
pub struct Lists {
    pub sessions: RwSignal<Vec<SessionInfo>>,
    pub environments: RwSignal<Vec<Environment>>,
    /// Devices that wait for an owner.
    pub devices: RwSignal<Vec<Device>>,
    /// Whether they were read at least once.
    pub loaded: RwSignal<bool>,
    /// Why they are not up to date.
    pub error: RwSignal<Option<String>>,
}

/// The signals of the page.
#[derive(Clone, Copy, Debug)]
pub struct App {
    pub phase: RwSignal<Phase>,
    pub route: RwSignal<Route>,
    pub role: RwSignal<Option<Role>>,
    pub lists: Lists,
    pub session: SessionSignals,
    /// The places of the inbox.
    pub watched: StoredValue<Vec<Watched>>,
    /// What the agent of the open session says can be said to it.
    pub offers: RwSignal<Offers>,
    pub starting: RwSignal<Starting>,
    pub leaving: RwSignal<Leaving>,
    /// Whether this computer says that it has a network.
    pub network: RwSignal<bool>,
    /// Messages that are not with the server, in sessions that are not open.
    pub unsent_elsewhere: RwSignal<usize>,
    /// What was typed and comes back: the place, and the text.
    pub draft: RwSignal<Option<(String, String)>>,
    /// The last thing worth saying, politely.
    pub note: RwSignal<Option<String>>,
    /// Wall clock for ages, ms since the Unix epoch.
    pub clock_ms: RwSignal<u64>,
    /// The machine's clock, moved only while something counts down.
    pub tick: RwSignal<Tick>,
    commands: StoredValue<Option<Sink>, LocalStorage>,
}

type Sink = Rc<dyn Fn(Command)>;

impl App {
    /// Signals of a page that has not begun, at `route`.
    #[must_use]
    pub fn new(route: Route) -> Self {
        Self {
            phase: RwSignal::new(Phase::Starting),
            route: RwSignal::new(route),
            role: RwSignal::new(None),
            lists: Lists {
                sessions: RwSignal::new(Vec::new()),
                environments: RwSignal::new(Vec::new()),
                devices: RwSignal::new(Vec::new()),
                loaded: RwSignal::new(false),
                error: RwSignal::new(None),
            },
            session: SessionSignals::new(),
            watched: StoredValue::new(Watched::places()),
            offers: RwSignal::new(Offers::default()),
            starting: RwSignal::new(Starting::No),
            leaving: RwSignal::new(Leaving::No),
            network: RwSignal::new(true),
            unsent_elsewhere: RwSignal::new(0),
            draft: RwSignal::new(None),
            note: RwSignal::new(None),
            clock_ms: RwSignal::new(0),
            tick: RwSignal::new(Tick(0)),
            commands: StoredValue::new_local(None),
        }
    }

    /// Names who carries commands out.
    pub fn on_command(&self, sink: impl Fn(Command) + 'static) {
        let sink: Sink = Rc::new(sink);
        self.commands.set_value(Some(sink));
    }

    /// Asks for something.
    pub fn send(&self, command: Command) {
        let sink = self.commands.with_value(Option::clone);
        if let Some(sink) = sink {
            sink(command);
        }
    }

    /// Forgets what it shows, for a browser that is not let in any more.
    pub fn forget(&self) {
        self.role.set(None);
        self.lists.sessions.set(Vec::new());
        self.lists.environments.set(Vec::new());
        self.lists.devices.set(Vec::new());
        self.lists.loaded.set(false);
        self.lists.error.set(None);
        self.leaving.set(Leaving::No);
        self.unsent_elsewhere.set(0);
        self.draft.set(None);
        self.note.set(None);
        self.session.forget();
        self.offers.set(Offers::default());
    }

    /// The open session as the list knows it.
    #[must_use]
    pub fn current(&self) -> Option<SessionInfo> {
        self.info(self.route.get().session()?)
    }

    /// A session as the list knows it.
    #[must_use]
    pub fn info(&self, id: &SessionId) -> Option<SessionInfo> {
        self.lists.sessions.with(|sessions| sessions.iter().find(|session| session.id == *id).cloned())
    }

    /// The environment of that id.
    #[must_use]
    pub fn environment(&self, of: &SessionInfo) -> Option<Environment> {
        self.lists.environments.with(|all| all.iter().find(|one| one.id == of.environment_id).cloned())
    }

    /// The signals of the page a component stands in.
    ///
    /// # Panics
    /// Outside of the page.
    #[must_use]
    pub fn here() -> Self {
        expect_context()
    }
}
