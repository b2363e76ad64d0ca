//! The signals of the whole page. They belong to the root, so whatever is still running may touch them.

use std::rc::Rc;

use leptos::prelude::*;
use portcullis_protocol::Tick;
use portcullis_protocol::id::{DeviceId, SessionId};
use portcullis_protocol::role::Role;
use portcullis_protocol::session::LinkView;
use portcullis_protocol::wire::client::Presence;
use portcullis_protocol::wire::decisions::DecisionEntry;
use portcullis_protocol::wire::rest::{Device, Environment, SessionInfo, SessionStatus};
use portcullis_protocol::wire::worker::WorkStatus;

use super::attach::Attached;
use super::command::Command;
use super::desk::Watched;
use super::offers::Offers;
use super::prefs;
use super::route::Route;
use super::seen::Seen;
use super::session::SessionSignals;

/// Where it is kept what was seen in this browser.
const SEEN: &str = "portcullis.seen";

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
    /// A person logged out.
    LoggedOut(Key),
    /// Paired.
    Ready,
}

/// What became of this browser's key when a person logged out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// It may be the only owner's, and waits until a person uses or removes it.
    Kept,
    /// The server let go of this device, and the key is gone.
    Gone,
    /// A person had it removed, though the server may know no other owner.
    Removed,
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

/// A list that is read page by page, when somebody wants it.
#[derive(Clone, Debug, PartialEq)]
pub struct Paged<T> {
    pub rows: Vec<T>,
    /// Whether the server has more.
    pub more: bool,
    /// Whether a first page was read.
    pub loaded: bool,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), more: false, loaded: false }
    }
}

/// Whether this page may notify by the system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Notifying {
    /// The browser cannot.
    #[default]
    Missing,
    /// It will ask the person.
    Unasked,
    /// The person said no.
    Denied,
    Granted,
}

/// What is being done to one row of the session list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowAct {
    Menu,
    Rename,
    /// It runs or waits: a person is asked first.
    Archive,
}

/// What the lists know.
#[derive(Clone, Copy, Debug)]
pub struct Lists {
    /// Those that are not archived.
    pub sessions: RwSignal<Vec<SessionInfo>>,
    /// Whether there are more of them than one reading takes.
    pub more: RwSignal<bool>,
    pub archived: RwSignal<Paged<SessionInfo>>,
    /// The open session, where it is in neither list.
    pub opened: RwSignal<Option<SessionInfo>>,
    pub environments: RwSignal<Vec<Environment>>,
    /// Devices, for an owner.
    pub devices: RwSignal<Vec<Device>>,
    pub decisions: RwSignal<Paged<DecisionEntry>>,
    /// Decisions that granted something beyond the one call.
    pub grants: RwSignal<Paged<DecisionEntry>>,
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
    /// The device this browser is.
    pub device: RwSignal<Option<DeviceId>>,
    pub lists: Lists,
    /// The row of the session list that something is done to.
    pub row: RwSignal<Option<(SessionId, RowAct)>>,
    pub seen: RwSignal<Seen>,
    pub notifying: RwSignal<Notifying>,
    /// Whether the server has another version of this page.
    pub outdated: RwSignal<bool>,
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
    /// What was attached and comes back: the place, and the files.
    pub files: RwSignal<Option<(String, Vec<Attached>)>>,
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
            device: RwSignal::new(None),
            row: RwSignal::new(None),
            seen: RwSignal::new(Seen::parse(&prefs::read(SEEN).unwrap_or_default())),
            notifying: RwSignal::new(Notifying::default()),
            outdated: RwSignal::new(false),
            lists: Lists {
                sessions: RwSignal::new(Vec::new()),
                more: RwSignal::new(false),
                archived: RwSignal::new(Paged::default()),
                opened: RwSignal::new(None),
                environments: RwSignal::new(Vec::new()),
                devices: RwSignal::new(Vec::new()),
                decisions: RwSignal::new(Paged::default()),
                grants: RwSignal::new(Paged::default()),
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
            files: RwSignal::new(None),
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
        self.device.set(None);
        self.row.set(None);
        self.lists.sessions.set(Vec::new());
        self.lists.more.set(false);
        self.lists.archived.set(Paged::default());
        self.lists.opened.set(None);
        self.lists.environments.set(Vec::new());
        self.lists.devices.set(Vec::new());
        self.lists.decisions.set(Paged::default());
        self.lists.grants.set(Paged::default());
        self.lists.loaded.set(false);
        self.lists.error.set(None);
        self.leaving.set(Leaving::No);
        self.unsent_elsewhere.set(0);
        self.draft.set(None);
        self.files.set(None);
        self.note.set(None);
        self.session.forget();
        self.offers.set(Offers::default());
    }

    /// The open session as the lists know it.
    #[must_use]
    pub fn current(&self) -> Option<SessionInfo> {
        let route = self.route.get();
        self.info(route.session()?)
    }

    /// A session as the lists know it, and if it is open, as it is this moment.
    #[must_use]
    pub fn info(&self, id: &SessionId) -> Option<SessionInfo> {
        let find = |all: &Vec<SessionInfo>| all.iter().find(|one| one.id == *id).cloned();
        let found = self.lists.sessions.with(find);
        let found = found.or_else(|| self.lists.archived.with(|archived| find(&archived.rows)));
        let found = found.or_else(|| self.lists.opened.get().filter(|one| one.id == *id));
        found.map(|info| self.live(info))
    }

    /// The sessions that are not archived. The open one is as its own connection tells, which is sooner than any list.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionInfo> {
        self.lists.sessions.get().into_iter().map(|info| self.live(info)).collect()
    }

    fn live(&self, info: SessionInfo) -> SessionInfo {
        let open = self.route.with(|route| route.session() == Some(&info.id));
        if !open || info.status == SessionStatus::Archived || self.session.link.get() != LinkView::Online {
            return info;
        }
        let waiting = self.session.asks.with(|asks| asks.iter().filter(|entry| entry.waits()).count());
        let runs = self.session.worker.with(|worker| {
            let status = worker.worker_state.as_ref().map(|state| state.status);
            worker.state != Presence::Offline && status.is_some_and(|status| status != WorkStatus::Idle)
        });
        let status = match (waiting, runs) {
            (0, false) => SessionStatus::Idle,
            (0, true) => SessionStatus::Running,
            _ => SessionStatus::RequiresAction,
        };
        SessionInfo { status, pending_count: u32::try_from(waiting).unwrap_or(u32::MAX), ..info }
    }

    /// Somebody saw `session` up to `seq`.
    pub fn saw(&self, session: &SessionId, seq: u64) {
        if self.seen.try_update(|seen| seen.saw(session.as_str(), seq)) == Some(true) {
            self.keep_seen();
        }
    }

    /// Keeps what was seen, for the next page.
    pub fn keep_seen(&self) {
        prefs::write(SEEN, &self.seen.with_untracked(Seen::to_text));
    }

    /// Whether this device may do what needs `least`.
    #[must_use]
    pub fn may(&self, least: Role) -> bool {
        self.role.get().is_some_and(|role| role.covers(least))
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
