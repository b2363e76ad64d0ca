//! The signals of the open session: a list of ids and one signal per item, painted from the machine.

use std::collections::HashMap;
use std::sync::Arc;

use leptos::prelude::*;
use portcullis_protocol::role::Role;
use portcullis_protocol::session::transcript::{Facts, Item, ItemId, Prompt, PromptState};
use portcullis_protocol::session::{Click, Entry, Gap, History, LinkView, Session, StopReason};
use portcullis_protocol::wire::client::{PermissionState, WorkerStatus};

use super::ask::Ask;
use super::dirty::Dirty;
use super::window::Window;

/// Identity of an item on the page: ids start again when a transcript does.
pub type ItemKey = (u32, ItemId);

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

/// A prompt that no agent has started.
#[derive(Clone, Debug, PartialEq)]
pub struct Queued {
    pub prompt: Prompt,
    pub error: Option<String>,
    /// Whether a reload keeps it; what the log has, it keeps.
    pub lasting: bool,
    /// Whether the server takes long to answer.
    pub slow: bool,
}

impl Queued {
    /// Whether the server does not have it.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        matches!(self.prompt.state, PromptState::Waiting | PromptState::Sent | PromptState::Refused)
    }
}

/// The signals of the open session.
#[derive(Clone, Copy, Debug)]
pub struct SessionSignals {
    /// What is shown, in order.
    pub keys: RwSignal<Vec<ItemKey>>,
    /// The part of it that is in the page.
    pub window: RwSignal<Window>,
    /// Whether the end of the transcript is in view.
    pub following: RwSignal<bool>,
    pub asks: RwSignal<Vec<AskEntry>>,
    /// The request the gate shows.
    pub selected: RwSignal<Option<String>>,
    pub queue: RwSignal<Vec<Queued>>,
    pub facts: RwSignal<Facts>,
    pub link: RwSignal<LinkView>,
    /// What is missing in the middle, while it is.
    pub gap: RwSignal<Option<Gap>>,
    /// What is loaded of the beginning.
    pub history: RwSignal<History>,
    /// Counts how often items came in above, so that what is being read can be kept in its place.
    pub folds: RwSignal<u32>,
    pub worker: RwSignal<WorkerStatus>,
    pub role: RwSignal<Option<Role>>,
    items: StoredValue<HashMap<ItemKey, ArcRwSignal<Item>>>,
    generation: StoredValue<u32>,
}

impl SessionSignals {
    pub(super) fn new() -> Self {
        Self {
            keys: RwSignal::new(Vec::new()),
            window: RwSignal::new(Window::default()),
            following: RwSignal::new(true),
            asks: RwSignal::new(Vec::new()),
            selected: RwSignal::new(None),
            queue: RwSignal::new(Vec::new()),
            facts: RwSignal::new(Facts::default()),
            link: RwSignal::new(LinkView::Stopped(StopReason::NotStarted)),
            gap: RwSignal::new(None),
            history: RwSignal::new(History::default()),
            folds: RwSignal::new(0),
            worker: RwSignal::new(WorkerStatus::default()),
            role: RwSignal::new(None),
            items: StoredValue::new(HashMap::new()),
            generation: StoredValue::new(0),
        }
    }

    /// The signal of one item. `None` when it is gone.
    #[must_use]
    pub fn item(&self, key: ItemKey) -> Option<ArcRwSignal<Item>> {
        self.items.with_value(|items| items.get(&key).cloned())
    }

    /// Paints what `dirty` names.
    pub fn paint(&self, session: &Session, dirty: &Dirty) {
        if dirty.anew {
            self.begin_anew();
        }
        self.paint_items(session, dirty);
        if dirty.ledger {
            self.paint_asks(session);
        }
        if dirty.queue {
            self.queue.set(queued(session));
        }
        if dirty.facts {
            self.facts.set(session.transcript().facts().clone());
        }
        if dirty.link {
            self.link.set(session.link());
            self.gap.set(session.gap());
        }
        if dirty.history {
            self.history.set(session.history());
        }
        if dirty.worker {
            self.worker.set(session.worker().clone());
            self.role.set(session.role());
        }
    }

    /// Shows nothing any more.
    pub fn forget(&self) {
        self.begin_anew();
        self.asks.set(Vec::new());
        self.selected.set(None);
        self.queue.set(Vec::new());
        self.facts.set(Facts::default());
        self.link.set(LinkView::Stopped(StopReason::NotStarted));
        self.gap.set(None);
    }

    fn begin_anew(&self) {
        self.next_generation();
        self.keys.set(Vec::new());
        self.window.set(Window::default());
        self.following.set(true);
    }

    /// Ids start again when a transcript is folded anew.
    fn next_generation(&self) {
        self.generation.update_value(|generation| *generation = generation.wrapping_add(1));
        self.items.update_value(HashMap::clear);
    }

    fn paint_items(&self, session: &Session, dirty: &Dirty) {
        if dirty.reset && !dirty.anew {
            self.next_generation();
        }
        let generation = self.generation.get_value();
        let transcript = session.transcript();
        for id in &dirty.items {
            let Some(item) = transcript.get(*id) else { continue };
            match self.item((generation, *id)) {
                Some(signal) => signal.set(item.clone()),
                None => self.items.update_value(|items| {
                    items.insert((generation, *id), ArcRwSignal::new(item.clone()));
                }),
            }
        }
        if !dirty.order {
            return;
        }
        let before = self.keys.with_untracked(Vec::len);
        let keys: Vec<ItemKey> = transcript.order().iter().map(|id| (generation, *id)).collect();
        for key in &keys {
            if self.item(*key).is_none()
                && let Some(item) = transcript.get(key.1)
            {
                self.items.update_value(|items| {
                    items.insert(*key, ArcRwSignal::new(item.clone()));
                });
            }
        }
        let (len, following) = (keys.len(), self.following.get_untracked());
        let above = dirty.reset && !dirty.anew && !following;
        self.window.update(|window| match before {
            0 => window.open(len),
            _ if above => window.grow_above(before, len),
            _ if dirty.reset => window.open(len),
            _ => window.grow(len, following),
        });
        if above {
            self.folds.update(|folds| *folds = folds.wrapping_add(1));
        }
        self.keys.set(keys);
    }

    /// Requests that were read already are kept: reading is work, and their identity is what is on the screen.
    fn paint_asks(&self, session: &Session) {
        let known = self.asks.get_untracked();
        let asks = session.ledger().entries().iter().map(|entry| {
            let same =
                |old: &&AskEntry| old.ask.request_id == entry.request_id && old.ask.digest == entry.digest;
            let ask = known.iter().find(same).filter(|_| !entry.mismatch).map(|old| Arc::clone(&old.ask));
            AskEntry::new(entry, ask.unwrap_or_else(|| Arc::new(read(entry))))
        });
        let asks: Vec<AskEntry> = asks.collect();
        let selected = next_selected(&asks, self.selected.get_untracked());
        if selected != self.selected.get_untracked() {
            self.selected.set(selected);
        }
        self.asks.set(asks);
    }
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
    Ask::read(&entry.request_id, &entry.digest, &entry.raw, entry.mismatch, entry.asked_at_ms)
}

fn queued(session: &Session) -> Vec<Queued> {
    let stored = |prompt: &Prompt| Queued { prompt: prompt.clone(), error: None, lasting: true, slow: false };
    let mut queued: Vec<Queued> = session.transcript().queue().iter().map(stored).collect();
    for entry in session.outbox().entries() {
        if !queued.iter().any(|known| known.prompt.uuid == entry.prompt.uuid) {
            let (prompt, error) = (entry.prompt.clone(), entry.error.clone());
            queued.push(Queued { prompt, error, lasting: entry.lasting, slow: entry.slow });
        }
    }
    queued
}
