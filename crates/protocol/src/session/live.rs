//! Volatile events on their way to the transcript: drawn only once the log stands where they belong, and a stream
//! with a hole stays frozen until its message is sealed.

use std::collections::{HashMap, VecDeque};

use crate::limits::STREAM_EVENTS_MAX;
use crate::wire::client::LiveEvent;

/// Streams remembered at once.
const STREAMS_MAX: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Live {
    next: HashMap<String, Position>,
    names: VecDeque<String>,
    waiting: VecDeque<LiveEvent>,
}

#[derive(Clone, Copy, Debug)]
enum Position {
    Next(u64),
    Frozen,
}

impl Live {
    /// A new socket replays what matters: positions and what waits are forgotten.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    pub(super) fn push(&mut self, event: LiveEvent) {
        if self.waiting.len() == STREAM_EVENTS_MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back(event);
    }

    /// The next event that may be drawn when the log stands at `applied`.
    pub(super) fn pop(&mut self, applied: u64) -> Option<LiveEvent> {
        while self.waiting.front()?.after_seq <= applied {
            let event = self.waiting.pop_front()?;
            if self.admit(&event) {
                return Some(event);
            }
        }
        None
    }

    /// Whether the event is the next of its stream. A repeated one is skipped, a hole freezes the stream.
    fn admit(&mut self, event: &LiveEvent) -> bool {
        let position = match self.next.get(&event.stream) {
            Some(position) => *position,
            None => {
                if self.names.len() == STREAMS_MAX
                    && let Some(oldest) = self.names.pop_front()
                {
                    self.next.remove(&oldest);
                }
                self.names.push_back(event.stream.clone());
                Position::Next(event.n)
            }
        };
        let (position, admitted) = match position {
            Position::Next(next) if event.n == next => (Position::Next(next + 1), true),
            Position::Next(next) if event.n < next => (Position::Next(next), false),
            Position::Next(_) | Position::Frozen => (Position::Frozen, false),
        };
        self.next.insert(event.stream.clone(), position);
        admitted
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::json::RawJson;

    fn drawn(script: &[(u64, u64)], applied: u64) -> Vec<u64> {
        let mut live = Live::default();
        for (n, after_seq) in script {
            live.push(LiveEvent { stream: "m".into(), n: *n, after_seq: *after_seq, event: RawJson::null() });
        }
        std::iter::from_fn(|| live.pop(applied)).map(|event| event.n).collect()
    }

    #[test]
    fn draws_in_order_once_and_freezes_at_a_hole() {
        assert_eq!(drawn(&[(0, 0), (1, 0), (1, 0), (2, 0), (4, 0), (5, 0)], 0), [0, 1, 2]);
    }

    #[test]
    fn starts_anywhere() {
        assert_eq!(drawn(&[(7, 0), (8, 0)], 0), [7, 8]);
    }

    #[test]
    fn waits_for_the_log() {
        assert_eq!(drawn(&[(0, 3), (1, 5)], 3), [0]);
    }
}
