//! What the machine changed since the last paint. Deltas come faster than frames: they are gathered here and painted
//! once per animation frame, each item at most once.

use std::collections::HashSet;

use portcullis_protocol::session::Change;
use portcullis_protocol::session::transcript::{self, ItemId};

/// What is to be painted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Dirty {
    /// The transcript was folded anew: the same log, with more above it, unless [`Self::anew`].
    pub reset: bool,
    /// It is another transcript.
    pub anew: bool,
    /// Items came, went or moved.
    pub order: bool,
    /// Items that look different.
    pub items: HashSet<ItemId>,
    /// Prompts on their way.
    pub queue: bool,
    /// Model, mode, money.
    pub facts: bool,
    /// Open requests.
    pub ledger: bool,
    /// The connection, or what it misses.
    pub link: bool,
    /// What is loaded of the beginning.
    pub history: bool,
    /// The worker.
    pub worker: bool,
}

impl Dirty {
    /// Everything, for a page that shows another session.
    #[must_use]
    pub fn all() -> Self {
        Self {
            reset: true,
            anew: true,
            order: true,
            items: HashSet::new(),
            queue: true,
            facts: true,
            ledger: true,
            link: true,
            history: true,
            worker: true,
        }
    }

    /// Notes one change.
    pub fn note(&mut self, change: &Change) {
        match change {
            Change::Transcript(change) => self.note_transcript(*change),
            Change::Ledger => self.ledger = true,
            Change::Link => self.link = true,
            Change::Worker => self.worker = true,
            Change::Outbox => self.queue = true,
            Change::History => self.history = true,
            Change::LogReset(_) => self.anew = true,
            Change::Reply { .. } | Change::PromptRejected(_) | Change::Moved(_) => {}
        }
    }

    /// Whether there is nothing to paint.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn note_transcript(&mut self, change: transcript::Change) {
        match change {
            transcript::Change::Reset => {
                self.items.clear();
                (self.reset, self.order, self.queue, self.facts) = (true, true, true, true);
            }
            transcript::Change::Inserted { id, .. } => {
                self.order = true;
                self.items.insert(id);
            }
            transcript::Change::Removed { id, .. } => {
                self.order = true;
                self.items.remove(&id);
            }
            transcript::Change::Updated { id } => {
                self.items.insert(id);
            }
            transcript::Change::Queue => self.queue = true,
            transcript::Change::Facts => self.facts = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_protocol::session::ResetReason;
    use transcript::Change as Moved;

    #[test]
    fn many_updates_of_one_item_are_one_paint() {
        let mut dirty = Dirty::default();
        for _ in 0..100 {
            dirty.note(&Change::Transcript(Moved::Updated { id: ItemId(3) }));
        }
        assert_eq!((dirty.items.len(), dirty.order), (1, false));
    }

    #[test]
    fn what_is_gone_again_before_the_paint_is_not_painted() {
        let mut dirty = Dirty::default();
        dirty.note(&Change::Transcript(Moved::Inserted { index: 0, id: ItemId(1) }));
        dirty.note(&Change::Transcript(Moved::Removed { index: 0, id: ItemId(1) }));
        assert!(dirty.items.is_empty() && dirty.order);
        dirty.note(&Change::Transcript(Moved::Updated { id: ItemId(2) }));
        dirty.note(&Change::Transcript(Moved::Reset));
        assert!(dirty.items.is_empty() && dirty.reset);
    }

    #[test]
    fn history_that_came_in_is_no_other_transcript() {
        let mut dirty = Dirty::default();
        dirty.note(&Change::Transcript(Moved::Reset));
        assert!(dirty.reset && !dirty.anew);
        dirty.note(&Change::LogReset(ResetReason::Epoch));
        assert!(dirty.anew);
    }

    #[test]
    fn an_answer_to_a_control_request_paints_nothing() {
        let mut dirty = Dirty::default();
        dirty.note(&Change::Reply { request_id: "r".into(), event: None, error: None });
        assert!(dirty.is_empty());
    }
}
