//! Finished messages whose lines may go on: which item each of their blocks became.

use std::collections::{HashMap, VecDeque};

use super::ItemId;
use crate::limits::MERGED_MESSAGES_MAX;

/// The items of a message's blocks, in order; `None` for a block that shows nothing.
pub(super) type Made = Vec<Option<ItemId>>;

/// The newest messages, by their id.
#[derive(Debug, Default)]
pub(super) struct Merges {
    made: HashMap<String, Made>,
    ring: VecDeque<String>,
}

impl Merges {
    /// Takes what is known of a message, to put it back with [`Self::put`].
    pub(super) fn take(&mut self, message: &str) -> Made {
        self.made.get_mut(message).map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn put(&mut self, message: &str, made: Made) {
        if message.is_empty() {
            return;
        }
        if let Some(place) = self.made.get_mut(message) {
            *place = made;
            return;
        }
        if self.ring.len() == MERGED_MESSAGES_MAX
            && let Some(oldest) = self.ring.pop_front()
        {
            self.made.remove(&oldest);
        }
        self.ring.push_back(message.to_owned());
        self.made.insert(message.to_owned(), made);
    }
}
