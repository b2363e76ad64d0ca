//! The signals of the open session: rows, and one signal per item, painted from the machine.

use std::collections::HashMap;

use leptos::prelude::*;
use portcullis_protocol::role::Role;
use portcullis_protocol::session::transcript::{
    Facts, Item, ItemBody, ItemId, Prompt, PromptState, Transcript,
};
use portcullis_protocol::session::{Gap, History, LinkView, Part, Session, StopReason};
use portcullis_protocol::wire::client::WorkerStatus;

pub use super::desk::AskEntry;
use super::desk::paint_asks;
use super::dirty::Dirty;
use super::find::Find;
use super::rows::{self, Layout, Row, Seen};
use super::tool::verbs::Kind;
use super::window::Window;

/// Identity of an item on the page. It outlives a fold: the same event makes the same item again, and its node stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ItemKey(u32);

/// How saving a session to a file goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Export {
    #[default]
    No,
    /// So many events of so many were read.
    Going { done: u64, all: u64 },
}

/// What stands in a run (`true`) or in a call.
type Groups = HashMap<(ItemKey, bool), ArcRwSignal<Vec<ItemKey>>>;

/// A prompt that no agent has started.
#[derive(Clone, Debug, PartialEq)]
pub struct Queued {
    pub prompt: Prompt,
    pub error: Option<String>,
    /// Whether a reload keeps it; what the log has, it keeps.
    pub lasting: bool,
    /// Whether the server takes long to answer.
    pub slow: bool,
    /// Whether the agent was asked to give it back, so that it is said again with another priority.
    pub moving: bool,
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
    pub rows: RwSignal<Vec<Row<ItemKey>>>,
    /// Which part of the log that is.
    pub part: RwSignal<Part>,
    /// The events in view: the first and the last.
    pub view: RwSignal<(u64, u64)>,
    /// Whether everything in the page is in view at once.
    pub fits: RwSignal<bool>,
    /// The event that somebody wanted to see, and how often one was.
    pub target: RwSignal<Option<(u64, u32)>>,
    /// A search in it.
    pub find: RwSignal<Option<Find>>,
    pub export: RwSignal<Export>,
    /// When the copy was kept that is shown while the server is not reached, in ms since the Unix epoch.
    pub kept_at_ms: RwSignal<Option<u64>>,
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
    /// The keys of the transcript's items.
    ids: StoredValue<HashMap<ItemId, ItemKey>>,
    next_key: StoredValue<u32>,
    layout: StoredValue<Option<Layout<ItemKey>>>,
    /// What stands in a run or in a call, for whoever shows it.
    groups: StoredValue<Groups>,
    /// What somebody wants to see, until it is there.
    wanted: StoredValue<Option<u64>>,
}

impl SessionSignals {
    pub(super) fn new() -> Self {
        Self {
            rows: RwSignal::new(Vec::new()),
            part: RwSignal::new(Part::default()),
            view: RwSignal::new((0, 0)),
            fits: RwSignal::new(false),
            target: RwSignal::new(None),
            find: RwSignal::new(None),
            export: RwSignal::new(Export::No),
            kept_at_ms: RwSignal::new(None),
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
            ids: StoredValue::new(HashMap::new()),
            next_key: StoredValue::new(0),
            layout: StoredValue::new(None),
            groups: StoredValue::new(HashMap::new()),
            wanted: StoredValue::new(None),
        }
    }

    /// The signal of one item. `None` when it is gone.
    #[must_use]
    pub fn item(&self, key: ItemKey) -> Option<ArcRwSignal<Item>> {
        self.items.with_value(|items| items.get(&key).cloned())
    }

    /// The items of a run, or inside a call.
    #[must_use]
    pub fn group(&self, key: ItemKey, run: bool) -> ArcRwSignal<Vec<ItemKey>> {
        if let Some(known) = self.groups.with_value(|groups| groups.get(&(key, run)).cloned()) {
            return known;
        }
        let signal = ArcRwSignal::new(self.members(key, run));
        self.groups.update_value(|groups| drop(groups.insert((key, run), signal.clone())));
        signal
    }

    /// The newest row's item.
    #[must_use]
    pub fn newest(&self) -> Option<ItemKey> {
        let row = self.rows.with(|rows| rows.last().copied())?;
        let of_run = self.layout.with_value(|layout| layout.as_ref()?.runs.get(&row.key)?.last().copied());
        Some(of_run.unwrap_or(row.key))
    }

    /// Whether one of `keys` is what somebody wanted to see.
    #[must_use]
    pub fn is_target(&self, keys: &[ItemKey]) -> bool {
        let Some((seq, _)) = self.target.get() else { return false };
        let at =
            |key: &ItemKey| self.item(*key).is_some_and(|item| item.with_untracked(|item| item.seq == seq));
        keys.iter().any(at)
    }

    /// Somebody wants to see that event: at once where it is loaded, else as soon as it is.
    pub fn want(&self, seq: u64) {
        self.wanted.set_value(Some(seq));
        self.aim();
    }

    fn aim(&self) {
        let part = self.part.get_untracked();
        let Some(seq) = self.wanted.get_value() else { return };
        let here = (part.first_seq..=part.last_seq).contains(&seq);
        let row = self.layout.with_value(|layout| layout.as_ref()?.row_of(seq)).filter(|_| here);
        let Some(row) = row else { return };
        self.wanted.set_value(None);
        self.following.set(false);
        let len = self.rows.with_untracked(Vec::len);
        self.window.update(|window| window.show(row, len));
        let times = self.target.get_untracked().map_or(0, |(_, times)| times);
        self.target.set(Some((seq, times.wrapping_add(1))));
    }

    fn members(&self, key: ItemKey, run: bool) -> Vec<ItemKey> {
        let of = |layout: &Layout<ItemKey>| {
            let map = if run { &layout.runs } else { &layout.inside };
            map.get(&key).cloned()
        };
        self.layout.with_value(|layout| layout.as_ref().and_then(of)).unwrap_or_default()
    }

    /// Paints what `dirty` names.
    pub fn paint(&self, session: &Session, dirty: &Dirty) {
        if dirty.anew {
            self.begin_anew();
        }
        let part = session.part();
        if self.part.get_untracked() != part {
            self.part.set(part);
        }
        self.paint_items(session.shown(), dirty);
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
        if dirty.history || dirty.reset {
            self.history.set(session.history());
        }
        if dirty.worker {
            self.worker.set(session.worker().clone());
            self.role.set(session.role());
        }
        self.aim();
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
        self.export.set(Export::No);
        self.kept_at_ms.set(None);
    }

    fn begin_anew(&self) {
        self.items.update_value(HashMap::clear);
        self.ids.update_value(HashMap::clear);
        self.groups.update_value(HashMap::clear);
        self.layout.set_value(None);
        self.rows.set(Vec::new());
        self.window.set(Window::default());
        self.following.set(true);
        self.target.set(None);
        // What was found stands in another log.
        self.find.set(None);
    }

    /// The transcript was folded anew and its ids are others: the item of the same event keeps its key.
    fn rename(&self, transcript: &Transcript) {
        let home = self.layout.with_value(|layout| layout.as_ref().map(|layout| layout.home.clone()));
        let mut count = HashMap::<u64, u32>::new();
        let mut nth = |seq: u64| {
            let nth = count.entry(seq).or_default();
            *nth += 1;
            (seq, *nth)
        };
        let before: HashMap<(u64, u32), ItemKey> =
            home.into_iter().flatten().map(|(key, seq, _)| (nth(seq), key)).collect();
        count.clear();
        let mut nth = |seq: u64| {
            let nth = count.entry(seq).or_default();
            *nth += 1;
            (seq, *nth)
        };
        let mut ids = HashMap::new();
        for item in transcript.items().filter(|item| item.seq > 0) {
            if let Some(key) = before.get(&nth(item.seq)) {
                ids.insert(item.id, *key);
            }
        }
        let kept: std::collections::HashSet<ItemKey> = ids.values().copied().collect();
        self.ids.set_value(ids);
        self.items.update_value(|items| items.retain(|key, _| kept.contains(key)));
        self.groups.update_value(|groups| groups.retain(|(key, _), _| kept.contains(key)));
    }

    fn key(&self, id: ItemId) -> ItemKey {
        if let Some(known) = self.ids.with_value(|ids| ids.get(&id).copied()) {
            return known;
        }
        let key = ItemKey(self.next_key.get_value());
        self.next_key.set_value(key.0.wrapping_add(1));
        self.ids.update_value(|ids| {
            ids.insert(id, key);
        });
        key
    }

    fn put(&self, item: &Item) {
        let key = self.key(item.id);
        match self.item(key) {
            Some(signal) => {
                let same =
                    |old: &Item| (old.seq, old.took_ms) == (item.seq, item.took_ms) && old.body == item.body;
                if !signal.with_untracked(same) {
                    signal.set(item.clone());
                }
            }
            None => {
                let signal = ArcRwSignal::new(item.clone());
                self.items.update_value(|items| drop(items.insert(key, signal)));
            }
        }
    }

    fn paint_items(&self, transcript: &Transcript, dirty: &Dirty) {
        if dirty.reset && !dirty.anew {
            self.rename(transcript);
            transcript.items().for_each(|item| self.put(item));
        }
        for item in dirty.items.iter().filter_map(|id| transcript.get(*id)) {
            self.put(item);
        }
        if !dirty.order {
            return;
        }
        for item in transcript.items() {
            let key = self.key(item.id);
            if !self.items.with_value(|items| items.contains_key(&key)) {
                self.put(item);
            }
        }
        self.lay(transcript, dirty);
    }

    fn lay(&self, transcript: &Transcript, dirty: &Dirty) {
        let layout = rows::lay(transcript.items().map(|item| self.seen(item)));
        let rows = layout.rows.clone();
        let before = self.rows.get_untracked();
        self.layout.set_value(Some(layout));
        let (len, following) = (rows.len(), self.following.get_untracked());
        let elsewhere = dirty.reset && !dirty.anew && !following;
        self.window.update(|window| {
            if before.is_empty() || dirty.reset && !elsewhere {
                window.open(len);
            } else if elsewhere {
                let in_page = &before[window.range(before.len())];
                let place = |row: &Row<ItemKey>| rows.iter().position(|other| other.key == row.key);
                match (in_page.iter().find_map(place), in_page.iter().rev().find_map(place)) {
                    (Some(start), Some(last)) => window.moved(start, last + 1, len),
                    _ => window.open(len),
                }
            } else {
                window.grow(len, following);
            }
        });
        if elsewhere {
            self.folds.update(|folds| *folds = folds.wrapping_add(1));
        }
        if before != rows {
            self.rows.set(rows);
        }
        let groups = self
            .groups
            .with_value(|groups| groups.iter().map(|(of, signal)| (*of, signal.clone())).collect::<Vec<_>>());
        for ((key, run), signal) in groups {
            let members = self.members(key, run);
            if signal.with_untracked(|known| *known != members) {
                signal.set(members);
            }
        }
    }

    fn seen<'a>(&self, item: &'a Item) -> Seen<'a, ItemKey> {
        let call = match &item.body {
            ItemBody::Tool(call) => Some((call.tool_use_id.as_str(), Kind::of(&call.name))),
            ItemBody::Prompt(_)
            | ItemBody::Text { .. }
            | ItemBody::Thinking { .. }
            | ItemBody::Notice(_)
            | ItemBody::TurnEnd(_) => None,
        };
        Seen { key: self.key(item.id), seq: item.seq, parent: item.parent.as_deref(), call }
    }
}

fn queued(session: &Session) -> Vec<Queued> {
    let stored = |prompt: &Prompt| {
        let moving = session.is_moving(&prompt.uuid);
        Queued { prompt: prompt.clone(), error: None, lasting: true, slow: false, moving }
    };
    let mut queued: Vec<Queued> = session.transcript().queue().iter().map(stored).collect();
    for entry in session.outbox().entries() {
        if !queued.iter().any(|known| known.prompt.uuid == entry.prompt.uuid) {
            let (prompt, error) = (entry.prompt.clone(), entry.error.clone());
            let (lasting, slow) = (entry.lasting, entry.slow);
            queued.push(Queued { prompt, error, lasting, slow, moving: false });
        }
    }
    queued
}
