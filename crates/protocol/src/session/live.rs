//! Volatile events on their way to the transcript: drawn only once the log stands where they belong, and a stream
//! with a hole stays frozen until its message is sealed.

use std::collections::{HashMap, VecDeque};

use crate::limits::{FOREIGN_ID_BYTES_MAX, STREAM_BYTES_MAX, STREAM_EVENTS_MAX, STREAMS_MAX};
use crate::wire::client::LiveEvent;

#[derive(Debug, Default)]
pub(super) struct Live {
    next: HashMap<String, Position>,
    names: VecDeque<String>,
    waiting: VecDeque<LiveEvent>,
    waiting_bytes: usize,
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

    /// Keeps an event until the log stands where it belongs. Above [`STREAM_EVENTS_MAX`] or [`STREAM_BYTES_MAX`] the
    /// oldest go, which freezes their streams: what is lost was volatile.
    pub(super) fn push(&mut self, event: LiveEvent) {
        if event.stream.len() > FOREIGN_ID_BYTES_MAX || event.event.byte_len() > STREAM_BYTES_MAX {
            return;
        }
        self.waiting_bytes += event.event.byte_len();
        self.waiting.push_back(event);
        while self.waiting.len() > STREAM_EVENTS_MAX || self.waiting_bytes > STREAM_BYTES_MAX {
            self.take_first();
        }
    }

    fn take_first(&mut self) -> Option<LiveEvent> {
        let event = self.waiting.pop_front()?;
        self.waiting_bytes -= event.event.byte_len();
        Some(event)
    }

    /// The next event that may be drawn when the log stands at `applied`.
    pub(super) fn pop(&mut self, applied: u64) -> Option<LiveEvent> {
        while self.waiting.front()?.after_seq <= applied {
            let event = self.take_first()?;
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
            Position::Next(next) if event.n == next => (Position::Next(next.saturating_add(1)), true),
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
    fn holds_as_many_events_as_the_limit_and_then_drops_the_oldest() {
        let script: Vec<(u64, u64)> = (0..STREAM_EVENTS_MAX as u64).map(|n| (n, 1)).collect();
        assert_eq!(drawn(&script, 1).len(), STREAM_EVENTS_MAX);
        let beyond: Vec<(u64, u64)> = (0..=STREAM_EVENTS_MAX as u64).map(|n| (n, 1)).collect();
        assert_eq!(drawn(&beyond, 1).first(), Some(&1));
    }

    #[test]
    fn holds_as_many_bytes_as_the_limit_and_then_drops_the_oldest() {
        let half = "x".repeat(STREAM_BYTES_MAX / 2 - 2);
        let event = |n| LiveEvent { stream: "m".into(), n, after_seq: 1, event: RawJson::from_value(&half) };
        let mut live = Live::default();
        live.push(event(0));
        live.push(event(1));
        assert_eq!((live.waiting.len(), live.waiting_bytes), (2, STREAM_BYTES_MAX));
        live.push(event(2));
        assert_eq!((live.waiting.len(), live.waiting_bytes), (2, STREAM_BYTES_MAX));
    }

    #[test]
    fn remembers_as_many_streams_as_the_limit() {
        let mut live = Live::default();
        for stream in 0..=STREAMS_MAX {
            live.push(LiveEvent { stream: stream.to_string(), n: 0, after_seq: 0, event: RawJson::null() });
            assert!(live.pop(0).is_some());
        }
        assert_eq!((live.next.len(), live.names.len()), (STREAMS_MAX, STREAMS_MAX));
    }

    #[test]
    fn the_last_number_there_is_overflows_nothing() {
        assert_eq!(drawn(&[(u64::MAX, 0), (u64::MAX, 0)], 0).first(), Some(&u64::MAX));
    }

    #[test]
    fn waits_for_the_log() {
        assert_eq!(drawn(&[(0, 3), (1, 5)], 3), [0]);
    }
}
