//! What a worker has said and the ingress has not taken yet, one queue per lane. Durable items carry a dense `n`;
//! one POST is under way at a time, so order survives retries.

use std::collections::VecDeque;

use portcullis_protocol::limits::{POST_BYTES_MAX, POST_EVENTS_MAX};
use portcullis_protocol::wire::worker::{Lane, WorkerItem};

/// Content bytes of one POST, unless a single item is larger: leaves room for the envelope.
const BATCH_BYTES_MAX: usize = POST_BYTES_MAX / 4;
/// Queued items above which volatile ones are dropped: they are a preview, and the reader is behind anyway.
const LIVE_BACKLOG_MAX: usize = 2_048;

/// The ingress expects an item that was taken and forgotten, or one that was never said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hole;

#[derive(Debug)]
pub(crate) struct LaneQueue {
    next_n: u64,
    items: VecDeque<Queued>,
    bytes: usize,
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
        Self { next_n: 0, items: VecDeque::new(), bytes: 0, in_flight: 0, one_by_one: false }
    }

    /// Appends the item that `make` builds for the next `n`.
    pub(crate) fn push(&mut self, bytes: usize, make: impl FnOnce(u64) -> WorkerItem) {
        let item = make(self.next_n);
        self.next_n += 1;
        self.enqueue(item, bytes);
    }

    /// Appends a volatile item, unless the queue is long already.
    pub(crate) fn push_live(&mut self, bytes: usize, item: WorkerItem) {
        if self.items.len() < LIVE_BACKLOG_MAX {
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
            self.pop();
        }
        self.one_by_one = false;
    }

    /// The ingress expects `expected_n`: go on from there.
    ///
    /// # Errors
    /// [`Hole`] when that item is not here any more, or was never said.
    pub(crate) fn handle_position(&mut self, expected_n: u64) -> Result<(), Hole> {
        self.in_flight = 0;
        let oldest = self.items.iter().find_map(|queued| queued.item.n()).unwrap_or(self.next_n);
        if expected_n < oldest || expected_n > self.next_n {
            return Err(Hole);
        }
        while self.items.iter().find_map(|queued| queued.item.n()).is_some_and(|n| n < expected_n) {
            self.pop();
        }
        Ok(())
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

    /// Whether a POST is under way.
    pub(crate) fn is_posting(&self) -> bool {
        self.in_flight > 0
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
        assert_eq!(lane.handle_position(1), Ok(()));
        assert_eq!(batch(&mut lane), [Some(1), Some(2)]);
        lane.handle_accepted(3);
        assert!(lane.is_empty() && lane.bytes() == 0);
    }

    #[test]
    fn names_a_hole_it_cannot_fill() {
        let mut lane = lane(3);
        let _ = lane.next_batch();
        lane.handle_accepted(3);
        assert_eq!(lane.handle_position(1), Err(Hole));
        assert_eq!(lane.handle_position(9), Err(Hole));
        assert_eq!(lane.handle_position(3), Ok(()));
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
    fn drops_previews_and_nothing_else_when_the_queue_is_long() {
        let mut lane = lane(LIVE_BACKLOG_MAX as u64);
        lane.push_live(1, WorkerItem::Live { stream: "m".into(), n: 0, event: RawJson::null() });
        lane.push(1, |n| WorkerItem::Event { n, event: RawJson::null() });
        assert_eq!(lane.items.len(), LIVE_BACKLOG_MAX + 1);
    }
}
