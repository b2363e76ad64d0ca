//! What a worker has said and the ingress has not taken yet, one queue per lane. Durable items carry a dense `n`;
//! one POST is under way at a time, so order survives retries. What was taken last is kept for a while, for an ingress
//! that comes back without it.

use std::collections::VecDeque;

use portcullis_protocol::limits::{POST_BYTES_MAX, POST_EVENTS_MAX};
use portcullis_protocol::wire::worker::{Lane, WorkerItem, WorkerState};

/// Content bytes of one POST, unless a single item is larger: a decision may wait behind one on the ingress's disk.
const BATCH_BYTES_MAX: usize = POST_BYTES_MAX / 16;
/// Queued items above which volatile ones are dropped: they are a preview, and the reader is behind anyway.
const LIVE_BACKLOG_MAX: usize = 2_048;
/// Queued bytes above which they are dropped: an agent that only streams is never held up by a line that is gone.
const LIVE_BACKLOG_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes an item takes beside its text: an agent that prints the shortest events there are is held up all the same.
const ITEM_BYTES: usize = 256;

/// Taken items that are kept: an ingress that lost its last seconds is given them again.
const TAIL_ITEMS_MAX: usize = 1_024;
/// Bytes of the same.
const TAIL_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The ingress expects an item that was taken and forgotten; so many are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) missing: u64,
}

#[derive(Debug)]
pub(crate) struct LaneQueue {
    next_n: u64,
    items: VecDeque<Queued>,
    bytes: usize,
    /// The durable items that were taken last.
    tail: VecDeque<Queued>,
    tail_bytes: usize,
    /// Items at the front that a POST carries.
    in_flight: usize,
    /// Set after a refusal, to find the one item that is refused.
    one_by_one: bool,
}

#[derive(Debug)]
struct Queued {
    item: WorkerItem,
    bytes: usize,
}

/// What a refused POST was about.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Several items: they go one by one now.
    Batch,
    /// This item alone. It left the queue and its `n` is free for another.
    Item(Box<WorkerItem>),
}

impl LaneQueue {
    pub(crate) fn new() -> Self {
        Self::at(0)
    }

    /// An empty queue whose next item is `next_n`.
    pub(crate) fn at(next_n: u64) -> Self {
        Self {
            next_n,
            items: VecDeque::new(),
            bytes: 0,
            tail: VecDeque::new(),
            tail_bytes: 0,
            in_flight: 0,
            one_by_one: false,
        }
    }

    /// Appends the item that `make` builds for the next `n`.
    pub(crate) fn push(&mut self, bytes: usize, make: impl FnOnce(u64) -> WorkerItem) {
        let item = make(self.next_n);
        self.next_n = self.next_n.saturating_add(1);
        self.enqueue(item, bytes);
    }

    /// Says how the worker is. Only the newest word counts: an agent that changes its mind with every line fills nothing.
    pub(crate) fn push_state(&mut self, state: WorkerState) {
        let is_waiting = self.items.len() > self.in_flight;
        if let Some(Queued { item: WorkerItem::State { state: newest, .. }, .. }) = self.items.back_mut()
            && is_waiting
        {
            *newest = state;
        } else {
            self.push(0, |n| WorkerItem::State { n, state });
        }
    }

    /// Appends a volatile item, unless the queue is long already.
    pub(crate) fn push_live(&mut self, bytes: usize, item: WorkerItem) {
        if self.items.len() < LIVE_BACKLOG_MAX && self.bytes < LIVE_BACKLOG_BYTES_MAX {
            self.enqueue(item, bytes);
        }
    }

    /// The items of the next POST, or nothing while one is under way or none wait.
    pub(crate) fn next_batch(&mut self) -> Option<Vec<WorkerItem>> {
        if self.in_flight > 0 || self.items.is_empty() {
            return None;
        }
        let most = if self.one_by_one { 1 } else { POST_EVENTS_MAX };
        let mut bytes = 0;
        for queued in self.items.iter().take(most) {
            bytes += queued.bytes;
            if self.in_flight > 0 && bytes > BATCH_BYTES_MAX {
                break;
            }
            self.in_flight += 1;
        }
        Some(self.items.iter().take(self.in_flight).map(|queued| queued.item.clone()).collect())
    }

    /// The POST was taken; the ingress expects `next_n`.
    pub(crate) fn handle_accepted(&mut self, next_n: u64) {
        for _ in 0..std::mem::take(&mut self.in_flight) {
            if self.front_n().is_some_and(|n| n >= next_n) {
                break;
            }
            self.keep_front();
        }
        self.one_by_one = false;
    }

    /// The ingress expects `expected_n`: go on from there. Returns what was taken before and is said again.
    ///
    /// # Errors
    /// [`Hole`] when that item is not here any more.
    pub(crate) fn handle_position(&mut self, expected_n: u64) -> Result<Vec<WorkerItem>, Hole> {
        self.in_flight = 0;
        while self.oldest_n().is_some_and(|n| n < expected_n) {
            self.keep_front();
        }
        // It has what this life never said: an earlier one did, and its disk forgot.
        self.next_n = self.next_n.max(expected_n);
        let mut again = Vec::new();
        while self.oldest_n().unwrap_or(self.next_n) > expected_n {
            let Some(queued) = self.tail.pop_back() else {
                let missing = self.oldest_n().unwrap_or(self.next_n) - expected_n;
                return Err(Hole { missing });
            };
            self.tail_bytes -= queued.bytes;
            self.bytes += queued.bytes;
            again.push(queued.item.clone());
            self.items.push_front(queued);
        }
        again.reverse();
        Ok(again)
    }

    /// The POST will never be taken.
    pub(crate) fn handle_gone(&mut self) {
        self.in_flight = 0;
    }

    /// Takes every item out, numbered or not.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = WorkerItem> {
        (self.bytes, self.in_flight) = (0, 0);
        std::mem::take(&mut self.items).into_iter().map(|queued| queued.item)
    }

    /// The ingress refused what the POST carried.
    pub(crate) fn handle_refused(&mut self) -> Option<Refused> {
        let several = std::mem::take(&mut self.in_flight) > 1;
        if several {
            self.one_by_one = true;
            return Some(Refused::Batch);
        }
        self.pop().map(|item| Refused::Item(Box::new(item)))
    }

    /// Puts `item` in the place of a refused one.
    pub(crate) fn replace(&mut self, bytes: usize, item: WorkerItem) {
        self.bytes += bytes;
        self.items.push_front(Queued { item, bytes });
    }

    /// Whether the ingress has everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The position behind everything durable that the ingress has.
    pub(crate) fn taken_n(&self) -> u64 {
        self.oldest_n().unwrap_or(self.next_n)
    }

    /// The position of the next durable item.
    pub(crate) fn next_n(&self) -> u64 {
        self.next_n
    }

    /// Whether a POST is under way.
    pub(crate) fn is_posting(&self) -> bool {
        self.in_flight > 0
    }

    /// Bytes that wait, and what it takes to hold them.
    pub(crate) fn weight(&self) -> usize {
        self.bytes + self.items.len() * ITEM_BYTES
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn enqueue(&mut self, item: WorkerItem, bytes: usize) {
        self.bytes += bytes;
        self.items.push_back(Queued { item, bytes });
    }

    fn front_n(&self) -> Option<u64> {
        self.items.front().and_then(|queued| queued.item.n())
    }

    fn oldest_n(&self) -> Option<u64> {
        self.items.iter().find_map(|queued| queued.item.n())
    }

    /// Moves the item at the front to the tail of those that were taken.
    fn keep_front(&mut self) {
        let Some(queued) = self.items.pop_front() else { return };
        self.bytes -= queued.bytes;
        if queued.item.n().is_none() {
            return;
        }
        self.tail_bytes += queued.bytes;
        self.tail.push_back(queued);
        while self.tail.len() > TAIL_ITEMS_MAX || self.tail_bytes > TAIL_BYTES_MAX {
            let Some(oldest) = self.tail.pop_front() else { break };
            self.tail_bytes -= oldest.bytes;
        }
    }

    fn pop(&mut self) -> Option<WorkerItem> {
        let queued = self.items.pop_front()?;
        self.bytes -= queued.bytes;
        Some(queued.item)
    }
}

/// Which queue an item belongs to, as a pair of both.
#[derive(Debug)]
pub(crate) struct Lanes {
    pub(crate) content: LaneQueue,
    pub(crate) control: LaneQueue,
}

impl Lanes {
    pub(crate) fn new() -> Self {
        Self { content: LaneQueue::new(), control: LaneQueue::new() }
    }

    pub(crate) fn get_mut(&mut self, lane: Lane) -> &mut LaneQueue {
        match lane {
            Lane::Content => &mut self.content,
            Lane::Control => &mut self.control,
        }
    }

    pub(crate) fn are_empty(&self) -> bool {
        self.content.is_empty() && self.control.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use portcullis_protocol::RawJson;

    use super::*;

    fn lane(events: u64) -> LaneQueue {
        let mut lane = LaneQueue::new();
        for _ in 0..events {
            lane.push(1, |n| WorkerItem::Event { n, event: RawJson::null() });
        }
        lane
    }

    fn batch(lane: &mut LaneQueue) -> Vec<Option<u64>> {
        lane.next_batch().unwrap_or_default().iter().map(WorkerItem::n).collect()
    }

    #[test]
    fn keeps_one_post_under_way_and_goes_on_behind_it() {
        let mut lane = lane(2);
        assert_eq!(batch(&mut lane), [Some(0), Some(1)]);
        lane.push(1, |n| WorkerItem::Event { n, event: RawJson::null() });
        assert!(lane.next_batch().is_none());
        lane.handle_accepted(2);
        assert_eq!(batch(&mut lane), [Some(2)]);
    }

    #[test]
    fn sends_again_from_where_the_ingress_stands() {
        let mut lane = lane(3);
        let _ = lane.next_batch();
        assert!(lane.handle_position(1).unwrap().is_empty());
        assert_eq!(batch(&mut lane), [Some(1), Some(2)]);
        lane.handle_accepted(3);
        assert!(lane.is_empty() && lane.bytes() == 0);
    }

    #[test]
    fn gives_an_ingress_again_what_it_took_and_lost() {
        let mut lane = lane(3);
        let _ = lane.next_batch();
        lane.handle_accepted(3);
        lane.push(1, |n| WorkerItem::Event { n, event: RawJson::null() });
        let again = lane.handle_position(1).unwrap();
        assert_eq!(again.iter().map(WorkerItem::n).collect::<Vec<_>>(), [Some(1), Some(2)]);
        assert_eq!(batch(&mut lane), [Some(1), Some(2), Some(3)]);
        assert!(lane.handle_position(4).unwrap().is_empty());
        assert!(lane.is_empty() && lane.bytes() == 0 && lane.taken_n() == 4);
    }

    #[test]
    fn names_a_hole_it_cannot_fill() {
        let most = TAIL_ITEMS_MAX as u64;
        let mut lane = lane(0);
        for n in 0..most + 5 {
            lane.push(1, |n| WorkerItem::Event { n, event: RawJson::null() });
            let _ = lane.next_batch();
            lane.handle_accepted(n + 1);
        }
        assert_eq!(lane.handle_position(5).unwrap().len(), TAIL_ITEMS_MAX);
        assert_eq!(lane.handle_position(2).unwrap_err(), Hole { missing: 3 });
    }

    #[test]
    fn goes_on_behind_what_only_the_ingress_remembers() {
        let mut lane = lane(2);
        assert!(lane.handle_position(9).unwrap().is_empty());
        lane.push(1, |n| WorkerItem::Event { n, event: RawJson::null() });
        assert_eq!(batch(&mut lane), [Some(9)]);
    }

    #[test]
    fn finds_the_one_refused_item_of_a_batch() {
        let mut lane = lane(2);
        let _ = lane.next_batch();
        assert!(matches!(lane.handle_refused(), Some(Refused::Batch)));
        assert_eq!(batch(&mut lane), [Some(0)]);
        assert!(matches!(lane.handle_refused(), Some(Refused::Item(item)) if item.n() == Some(0)));
        lane.replace(1, WorkerItem::Event { n: 0, event: RawJson::null() });
        assert_eq!(batch(&mut lane), [Some(0)]);
        lane.handle_accepted(1);
        assert_eq!(batch(&mut lane), [Some(1)]);
    }

    #[test]
    fn a_post_stays_within_its_count_and_its_bytes() {
        let mut lane = lane(POST_EVENTS_MAX as u64 + 1);
        assert_eq!(batch(&mut lane).len(), POST_EVENTS_MAX);
        let mut heavy = LaneQueue::new();
        for _ in 0..3 {
            heavy.push(BATCH_BYTES_MAX / 2 + 1, |n| WorkerItem::Event { n, event: RawJson::null() });
        }
        assert_eq!(batch(&mut heavy).len(), 1);
    }

    #[test]
    fn of_states_that_wait_only_the_newest_is_said() {
        let state = |title: &str| WorkerState { title: Some(title.into()), ..WorkerState::default() };
        let titles = |lane: &LaneQueue| -> Vec<Option<String>> {
            let title = |queued: &Queued| match &queued.item {
                WorkerItem::State { state, .. } => state.title.clone(),
                other => panic!("{other:?}"),
            };
            lane.items.iter().map(title).collect()
        };
        let mut lane = LaneQueue::new();
        lane.push_state(state("posted"));
        let _ = lane.next_batch();
        for title in ["a", "b", "c"] {
            lane.push_state(state(title));
        }
        assert_eq!(titles(&lane), [Some("posted".to_owned()), Some("c".to_owned())]);
        lane.handle_accepted(1);
        assert_eq!(batch(&mut lane), [Some(1)]);
    }

    #[test]
    fn drops_previews_and_nothing_else_when_the_queue_is_long_or_heavy() {
        let live = || WorkerItem::Live { stream: "m".into(), n: 0, event: RawJson::null() };
        let mut long = lane(LIVE_BACKLOG_MAX as u64);
        long.push_live(1, live());
        long.push(1, |n| WorkerItem::Event { n, event: RawJson::null() });
        assert_eq!(long.items.len(), LIVE_BACKLOG_MAX + 1);
        let mut heavy = LaneQueue::new();
        heavy.push_live(LIVE_BACKLOG_BYTES_MAX, live());
        heavy.push_live(1, live());
        heavy.push(1, |n| WorkerItem::Event { n, event: RawJson::null() });
        assert_eq!(heavy.items.len(), 2);
    }
}
