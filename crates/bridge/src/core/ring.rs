//! A bounded memory of keys that were seen: what falls out at the far end is forgotten.

use std::collections::{HashSet, VecDeque};

/// Remembers the newest `capacity` keys.
#[derive(Debug)]
pub(crate) struct Ring {
    capacity: usize,
    order: VecDeque<String>,
    known: HashSet<String>,
}

impl Ring {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, order: VecDeque::new(), known: HashSet::new() }
    }

    /// Remembers `key`. Returns `false` when it was known already.
    pub(crate) fn insert(&mut self, key: String) -> bool {
        if !self.known.insert(key.clone()) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    pub(crate) fn contains(&self, key: &str) -> bool {
        self.known.contains(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_the_oldest_key_and_no_other() {
        let mut ring = Ring::new(2);
        assert!(ring.insert("a".into()) && ring.insert("b".into()) && !ring.insert("a".into()));
        assert!(ring.insert("c".into()));
        assert!(!ring.contains("a") && ring.contains("b") && ring.contains("c"));
    }
}
