//! The transcript: events in, items out.
//!
//! Durable events make the items and alone decide their order. Volatile ones make *previews*, which stand behind
//! everything durable until the durable line that seals them arrives; losing any of them leaves the same transcript.
//! Every difference is recorded as a [`Change`], so that a page paints only what moved.

mod asked;
mod blocks;
mod facts;
mod fold;
mod item;
mod merges;
mod preview;
mod prompts;
mod tasks;
mod todo;
mod tools;
mod turn;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

pub use facts::{Activity, BackgroundTask, Facts, Todo, TodoState};
pub use item::{
    Item, ItemBody, ItemId, Notice, NoticeLevel, Progress, Prompt, PromptState, Task, TaskState, ToolCall,
    ToolInput, ToolOutput, ToolState, TurnEnd, TurnOutcome,
};

use asked::Asked;
use merges::Merges;

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
    /// Any of [`Facts`] changed.
    Facts,
}

/// The folded log of one session. What it keeps grows with the durable events it was given and with nothing else.
#[derive(Debug, Default)]
pub struct Transcript {
    items: HashMap<ItemId, Slot, BuildHasherDefault<IdHasher>>,
    next_id: u32,
    next_place: u64,
    order: Vec<ItemId>,
    /// How many of `order` are durable; behind them stand the previews.
    durable: usize,
    tools: HashMap<String, ItemId>,
    prompts: HashMap<String, ItemId>,
    /// What each line made, so that it can be taken back.
    lines: HashMap<String, Vec<ItemId>>,
    merges: Merges,
    queue: Vec<Prompt>,
    /// The place in the log of each of them.
    queued: HashMap<String, u64>,
    /// Whether the agent ever said that it has a prompt; one that never does is followed by its answers.
    receipts: bool,
    /// Whether the current turn has a prompt.
    prompted: bool,
    previews: Previews,
    /// The newest event after which nothing that streamed before it goes on.
    live_floor: u64,
    facts: Facts,
    asked: Asked,
    /// When the newest line was written, by the agent's clock.
    at_ms: Option<u64>,
    /// The first `seq` that was applied.
    first_seq: u64,
    /// Whether a turn runs.
    working: bool,
    /// Tool calls without a result yet.
    open_tools: BTreeSet<ItemId>,
    /// Tool calls with progress from volatile events.
    progressing: BTreeSet<ItemId>,
    /// The tool call of each task that runs.
    tasks: BTreeMap<String, ItemId>,
    /// Prompts the current turn works on.
    running: BTreeSet<ItemId>,
    changes: Vec<Change>,
}

/// An item and its place among the durable ones; places only grow.
#[derive(Debug)]
struct Slot {
    item: Item,
    place: u64,
}

/// Spreads ids that were made here, one after the other: nobody chooses them to make them collide.
#[derive(Debug, Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, id: u32) {
        /// Odd, and without a pattern: 2⁶⁴ divided by the golden ratio.
        const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
        self.0 = (self.0 ^ u64::from(id)).wrapping_mul(SPREAD);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Transcript {
    /// An empty transcript.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets everything, for a log that begins anew. Ids of items go on.
    pub fn reset(&mut self) {
        *self = Self { changes: vec![Change::Reset], next_id: self.next_id, ..Self::default() };
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
        self.items.get(&id).map(|slot| &slot.item)
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
        self.prompts.contains_key(uuid) || self.queued.contains_key(uuid)
    }

    /// The `seq` of the oldest prompt that no agent has started.
    #[must_use]
    pub fn oldest_queued(&self) -> Option<u64> {
        self.queued.values().min().copied()
    }

    /// Puts back what is known of the session, after a fold of less than there was.
    pub fn set_facts(&mut self, facts: Facts) {
        self.edit_facts(|known| facts::set(known, facts));
    }

    /// A volatile event that belongs before this `seq` comes too late: what it was a piece of is over.
    #[must_use]
    pub fn live_floor(&self) -> u64 {
        self.live_floor
    }

    /// Marks the tool call as waiting for a person, or as running again.
    pub fn set_waiting(&mut self, tool_use_id: &str, waiting: bool) {
        let (from, to) = if waiting {
            (ToolState::Running, ToolState::Waiting)
        } else {
            (ToolState::Waiting, ToolState::Running)
        };
        if let Some(id) = self.tools.get(tool_use_id).copied() {
            self.update_tool(id, |call| {
                let fits = call.state == from;
                if fits {
                    call.state = to;
                }
                fits
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
        let id = ItemId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        let parent = parent.map(str::to_owned);
        let item = Item { id, seq, at_ms: self.at_ms, took_ms: None, parent, body };
        let place = self.next_place();
        self.items.insert(id, Slot { item, place });
        self.order.insert(index, id);
        self.changes.push(Change::Inserted { index, id });
        id
    }

    fn next_place(&mut self) -> u64 {
        self.next_place += 1;
        self.next_place
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
        let place = self.next_place();
        if let Some(slot) = self.items.get_mut(&id) {
            slot.place = place;
            slot.item.seq = seq;
            slot.item.at_ms = self.at_ms;
            slot.item.parent = parent.map(str::to_owned);
            slot.item.body = body;
        }
        self.changes.push(Change::Updated { id });
    }

    fn remove(&mut self, id: ItemId) {
        let Some(index) = self.index_of(id) else { return };
        self.order.remove(index);
        if index < self.durable {
            self.durable -= 1;
        }
        self.items.remove(&id);
        self.changes.push(Change::Removed { index, id });
    }

    /// Where the item stands: by looking among the few previews, by its place among the durable ones.
    fn index_of(&self, id: ItemId) -> Option<usize> {
        let (durable, previews) = self.order.split_at_checked(self.durable)?;
        if let Some(index) = previews.iter().position(|other| *other == id) {
            return Some(self.durable + index);
        }
        let place = self.items.get(&id)?.place;
        let place_of = |other: &ItemId| self.items.get(other).map_or(0, |slot| slot.place);
        durable.binary_search_by_key(&place, place_of).ok()
    }

    /// Lets `edit` change an item; it returns whether it did.
    fn update(&mut self, id: ItemId, edit: impl FnOnce(&mut ItemBody) -> bool) {
        let Some(slot) = self.items.get_mut(&id) else { return };
        if edit(&mut slot.item.body) && self.changes.last() != Some(&Change::Updated { id }) {
            self.changes.push(Change::Updated { id });
        }
    }

    /// Lets `edit` change a tool call; it returns whether it did.
    fn update_tool(&mut self, id: ItemId, edit: impl FnOnce(&mut ToolCall) -> bool) {
        self.update(id, |body| match body {
            ItemBody::Tool(call) => edit(call),
            ItemBody::Prompt(_)
            | ItemBody::Text { .. }
            | ItemBody::Thinking { .. }
            | ItemBody::Notice(_)
            | ItemBody::TurnEnd(_) => false,
        });
    }

    /// The item took so long, if that is known.
    fn took(&mut self, id: ItemId, ms: Option<u64>) {
        if let Some(slot) = self.items.get_mut(&id) {
            slot.item.took_ms = ms.or(slot.item.took_ms);
        }
    }

    fn tool(&self, id: ItemId) -> Option<&ToolCall> {
        match &self.get(id)?.body {
            ItemBody::Tool(call) => Some(call),
            ItemBody::Prompt(_)
            | ItemBody::Text { .. }
            | ItemBody::Thinking { .. }
            | ItemBody::Notice(_)
            | ItemBody::TurnEnd(_) => None,
        }
    }

    fn queue_changed(&mut self) {
        if self.changes.last() != Some(&Change::Queue) {
            self.changes.push(Change::Queue);
        }
    }
}
