//! What one session asks a person, as signals, apart from everything else of it: the gate stands on this, whether the
//! session is the open one or one of those the inbox listens to.

use std::sync::Arc;

use leptos::prelude::*;
use portcullis_protocol::id::SessionId;
use portcullis_protocol::role::Role;
use portcullis_protocol::session::{Click, Entry, LinkView, Session, StopReason};
use portcullis_protocol::wire::client::{PermissionState, WorkerStatus};

use super::app::App;
use super::ask::Ask;
use super::dirty::Dirty;
use super::inbox::WATCHED_MAX;

/// A request and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct AskEntry {
    pub ask: Arc<Ask>,
    pub state: PermissionState,
    pub click: Click,
    pub decided_by: Option<String>,
    pub behavior: Option<String>,
    pub reason: Option<String>,
    /// Decided, and the agent did not get it in time.
    pub late: bool,
}

/// The requests of one session, and what an answer to them has to go through.
#[derive(Clone, Copy, Debug)]
pub struct Desk {
    /// The session that asks.
    pub session: Signal<Option<SessionId>>,
    pub asks: RwSignal<Vec<AskEntry>>,
    /// The request the gate shows.
    pub selected: RwSignal<Option<String>>,
    pub link: RwSignal<LinkView>,
    pub worker: RwSignal<WorkerStatus>,
    pub role: RwSignal<Option<Role>>,
}

/// A place of the inbox: the session it listens to, if any.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    pub id: RwSignal<Option<SessionId>>,
    pub desk: Desk,
}

impl Desk {
    /// The desk of the open session.
    #[must_use]
    pub fn open(app: App) -> Self {
        let signals = app.session;
        Self {
            session: Signal::derive(move || app.route.with(|route| route.session().cloned())),
            asks: signals.asks,
            selected: signals.selected,
            link: signals.link,
            worker: signals.worker,
            role: signals.role,
        }
    }

    /// Paints what `dirty` names, as far as it is asked for here.
    pub fn paint(&self, session: &Session, dirty: &Dirty) {
        if dirty.ledger {
            paint_asks(self.asks, self.selected, session);
        }
        if dirty.link {
            self.link.set(session.link());
        }
        if dirty.worker {
            self.worker.set(session.worker().clone());
            self.role.set(session.role());
        }
    }
}

impl Watched {
    /// All places of the inbox, none of them taken.
    #[must_use]
    pub fn places() -> Vec<Self> {
        let place = |_| {
            let id = RwSignal::new(None);
            let desk = Desk {
                session: id.into(),
                asks: RwSignal::new(Vec::new()),
                selected: RwSignal::new(None),
                link: RwSignal::new(LinkView::Stopped(StopReason::NotStarted)),
                worker: RwSignal::new(WorkerStatus::default()),
                role: RwSignal::new(None),
            };
            Self { id, desk }
        };
        (0..WATCHED_MAX).map(place).collect()
    }

    /// Listens to another session from now on, or to none.
    pub fn turn_to(&self, id: Option<SessionId>) {
        self.desk.asks.set(Vec::new());
        self.desk.selected.set(None);
        self.desk.link.set(LinkView::Stopped(StopReason::NotStarted));
        self.id.set(id);
    }
}

/// Requests that were read already are kept: reading is work, and their identity is what is on the screen.
pub(super) fn paint_asks(
    asks: RwSignal<Vec<AskEntry>>,
    selected: RwSignal<Option<String>>,
    session: &Session,
) {
    let known = asks.get_untracked();
    let read_again = session.ledger().entries().iter().map(|entry| {
        let same = |old: &&AskEntry| {
            old.ask.request_id == entry.request_id
                && old.ask.digest == entry.digest
                && old.ask.base_file == entry.base_file
        };
        let ask = known.iter().find(same).filter(|_| !entry.mismatch).map(|old| Arc::clone(&old.ask));
        AskEntry::new(entry, ask.unwrap_or_else(|| Arc::new(read(entry))))
    });
    let painted: Vec<AskEntry> = read_again.collect();
    let next = next_selected(&painted, selected.get_untracked());
    if next != selected.get_untracked() {
        selected.set(next);
    }
    asks.set(painted);
}

impl AskEntry {
    fn new(entry: &Entry, ask: Arc<Ask>) -> Self {
        Self {
            ask,
            state: entry.state,
            click: entry.click.clone(),
            decided_by: entry.decided_by.clone(),
            behavior: entry.behavior.clone(),
            reason: entry.reason.clone(),
            late: entry.late,
        }
    }

    /// Whether a person still has to answer.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.state == PermissionState::Pending
            && !matches!(self.click, Click::Sending { .. } | Click::Accepted { .. })
    }
}

/// The request the gate shows: the chosen one as long as it waits or its answer is on its way, then the oldest that
/// waits.
fn next_selected(asks: &[AskEntry], selected: Option<String>) -> Option<String> {
    let chosen = asks.iter().find(|entry| Some(&entry.ask.request_id) == selected.as_ref());
    let done = |entry: &AskEntry| entry.state == PermissionState::Delivered || entry.state.is_final();
    let waiting = asks.iter().find(|entry| entry.waits());
    match (chosen, waiting) {
        (Some(chosen), Some(waiting)) if done(chosen) => Some(waiting.ask.request_id.clone()),
        (Some(_), _) => selected,
        (None, Some(waiting)) => Some(waiting.ask.request_id.clone()),
        (None, None) => asks.first().map(|entry| entry.ask.request_id.clone()),
    }
}

fn read(entry: &Entry) -> Ask {
    let ask = Ask::read(&entry.request_id, &entry.digest, &entry.raw, entry.mismatch, entry.asked_at_ms);
    ask.on(entry.base_file.clone())
}
