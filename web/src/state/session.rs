//! The signals of the open session: a list of ids and one signal per item, painted from the machine.

use std::collections::HashMap;

use leptos::prelude::*;
use portcullis_protocol::role::Role;
use portcullis_protocol::session::transcript::{Facts, Item, ItemId, Prompt, PromptState};
use portcullis_protocol::session::{Gap, History, LinkView, Session, StopReason};
use portcullis_protocol::wire::client::WorkerStatus;

pub use super::desk::AskEntry;
use super::desk::paint_asks;
use super::dirty::Dirty;
use super::window::Window;

/// Identity of an item on the page: ids start again when a transcript does.
pub type ItemKey = (u32, ItemId);

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
            paint_asks(self.asks, self.selected, session);
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
