//! The transcript: events in, items out.
//!
//! Durable events make the items and alone decide their order. Volatile ones make *previews*, which stand behind
//! everything durable until the durable line that seals them arrives; losing any of them leaves the same transcript.
//! Every difference is recorded as a [`Change`], so that a page paints only what moved.

mod fold;
mod item;
mod preview;

use std::collections::{BTreeSet, HashMap};

pub use item::{
    Item, ItemBody, ItemId, Notice, NoticeLevel, Prompt, PromptState, ToolCall, ToolInput, ToolOutput,
    ToolState, TurnEnd, TurnOutcome,
};

use preview::Previews;

/// One difference between two states of a transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Everything is gone; what follows starts from nothing.
    Reset,
    /// An item stands at this index now; all behind it moved by one.
    Inserted { index: usize, id: ItemId },
    /// The item at this index is gone.
    Removed { index: usize, id: ItemId },
    /// This item looks different.
    Updated { id: ItemId },
    /// The prompts that have not been started changed.
    Queue,
    /// Model, mode, title or money changed.
    Facts,
}

/// What is known about a session from its log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Model.
    pub model: Option<String>,
    /// Permission mode.
    pub permission_mode: Option<String>,
    /// Directory.
    pub directory: Option<String>,
    /// Title the agent chose.
    pub title: Option<String>,
    /// Running total in US dollars.
    pub total_cost_usd: Option<f64>,
    /// Tokens the last turn took in, from the main loop.
    pub input_tokens: Option<u64>,
    /// Tokens the last turn gave out.
    pub output_tokens: Option<u64>,
    /// Size of the model's context in tokens.
    pub context_window: Option<u64>,
}

/// The folded log of one session.
#[derive(Debug, Default)]
pub struct Transcript {
    items: Vec<Item>,
    alive: HashMap<ItemId, usize>,
    order: Vec<ItemId>,
    /// How many of `order` are durable; behind them stand the previews.
    durable: usize,
    tools: HashMap<String, ItemId>,
    prompts: HashMap<String, ItemId>,
    lines: HashMap<String, Vec<ItemId>>,
    queue: Vec<Prompt>,
    previews: Previews,
    facts: Facts,
    /// Tool calls without a result yet.
    open_tools: BTreeSet<ItemId>,
    /// Prompts the current turn works on.
    running: BTreeSet<ItemId>,
    changes: Vec<Change>,
}

impl Transcript {
    /// An empty transcript.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets everything, for a log that begins anew.
    pub fn reset(&mut self) {
        *self = Self { changes: vec![Change::Reset], ..Self::default() };
    }

    /// The differences since the last call, in order.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Ids of all items, in the order they are shown.
    #[must_use]
    pub fn order(&self) -> &[ItemId] {
        &self.order
    }

    /// The item of that id, unless it is gone.
    #[must_use]
    pub fn get(&self, id: ItemId) -> Option<&Item> {
        self.alive.get(&id).and_then(|place| self.items.get(*place))
    }

    /// All items, in the order they are shown.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.order.iter().filter_map(|id| self.get(*id))
    }

    /// Prompts that are in the log and that no agent has started, oldest first.
    #[must_use]
    pub fn queue(&self) -> &[Prompt] {
        &self.queue
    }

    /// What is known about the session.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether the log holds this prompt.
    #[must_use]
    pub fn knows_prompt(&self, uuid: &str) -> bool {
        self.prompts.contains_key(uuid) || self.queue.iter().any(|prompt| prompt.uuid == uuid)
    }

    /// Marks the tool call as waiting for a person, or as running again.
    pub fn set_waiting(&mut self, tool_use_id: &str, waiting: bool) {
        let (from, to) = if waiting {
            (ToolState::Running, ToolState::Waiting)
        } else {
            (ToolState::Waiting, ToolState::Running)
        };
        if let Some(id) = self.tools.get(tool_use_id).copied() {
            self.update(id, |body| match body {
                ItemBody::Tool(call) if call.state == from => {
                    call.state = to;
                    true
                }
                ItemBody::Tool(_)
                | ItemBody::Prompt(_)
                | ItemBody::Text { .. }
                | ItemBody::Thinking { .. }
                | ItemBody::Notice(_)
                | ItemBody::TurnEnd(_) => false,
            });
        }
    }

    /// Puts a durable item behind all durable ones.
    fn push(&mut self, seq: u64, parent: Option<&str>, body: ItemBody) -> ItemId {
        let index = self.durable;
        self.durable += 1;
        self.insert(index, seq, parent, body)
    }

    /// Puts a preview behind everything.
    fn push_preview(&mut self, body: ItemBody) -> ItemId {
        self.insert(self.order.len(), 0, None, body)
    }

    fn insert(&mut self, index: usize, seq: u64, parent: Option<&str>, body: ItemBody) -> ItemId {
        let id = ItemId(u32::try_from(self.items.len()).unwrap_or(u32::MAX));
        self.alive.insert(id, self.items.len());
        self.items.push(Item { id, seq, parent: parent.map(str::to_owned), body });
        self.order.insert(index, id);
        self.changes.push(Change::Inserted { index, id });
        id
    }

    /// Turns a preview into a durable item: it moves in front of all other previews.
    fn seal(&mut self, id: ItemId, seq: u64, parent: Option<&str>, body: ItemBody) {
        let Some(index) = self.index_of(id).filter(|index| *index >= self.durable) else { return };
        if index != self.durable {
            self.order.remove(index);
            self.changes.push(Change::Removed { index, id });
            self.order.insert(self.durable, id);
            self.changes.push(Change::Inserted { index: self.durable, id });
        }
        self.durable += 1;
        if let Some(item) = self.alive.get(&id).and_then(|place| self.items.get_mut(*place)) {
            item.seq = seq;
            item.parent = parent.map(str::to_owned);
            item.body = body;
        }
        self.changes.push(Change::Updated { id });
    }

    fn remove(&mut self, id: ItemId) {
        let Some(index) = self.index_of(id) else { return };
        self.order.remove(index);
        if index < self.durable {
            self.durable -= 1;
        }
        if let Some(item) = self.alive.remove(&id).and_then(|place| self.items.get_mut(place)) {
            item.body = ItemBody::Thinking { text: String::new(), live: false };
        }
        self.changes.push(Change::Removed { index, id });
    }

    /// Where the item stands. What changes stands near the end, so the search begins there.
    fn index_of(&self, id: ItemId) -> Option<usize> {
        self.order.iter().rposition(|other| *other == id)
    }

    /// Lets `edit` change an item; it returns whether it did.
    fn update(&mut self, id: ItemId, edit: impl FnOnce(&mut ItemBody) -> bool) {
        let Some(item) = self.alive.get(&id).and_then(|place| self.items.get_mut(*place)) else { return };
        if edit(&mut item.body) && self.changes.last() != Some(&Change::Updated { id }) {
            self.changes.push(Change::Updated { id });
        }
    }

    fn queue_changed(&mut self) {
        if self.changes.last() != Some(&Change::Queue) {
            self.changes.push(Change::Queue);
        }
    }
}
