//! Volatile events of streams that are not sealed yet, kept for whoever joins in the middle. What is dropped here
//! costs a reader a preview, never content.

use std::collections::VecDeque;
use std::sync::Arc;

use portcullis_protocol::json::Header;
use portcullis_protocol::limits::{STREAM_BYTES_MAX, STREAM_EVENTS_MAX};
use portcullis_protocol::wire::client::LiveEvent;
use serde::Deserialize;

/// Streams kept at once: the message being streamed and the progress of tools that run beside it.
const STREAMS_MAX: usize = 64;

/// The kept streams of one session, oldest first.
#[derive(Debug, Default)]
pub(super) struct Streams {
    kept: VecDeque<Stream>,
}

#[derive(Debug)]
struct Stream {
    name: String,
    events: Vec<Arc<LiveEvent>>,
    bytes: usize,
    /// Grew beyond its bound: joiners see the preview from the next message on.
    is_spilt: bool,
}

impl Streams {
    /// Keeps `live`, unless it repeats one that is kept. Returns whether it was new.
    pub(super) fn keep(&mut self, live: &Arc<LiveEvent>) -> bool {
        let part = StreamPart::of(live);
        if part == StreamPart::Start {
            // The agent streams one message at a time: whatever did not end by itself is dead.
            self.kept.retain(|stream| stream.name == live.stream);
        }
        let stream = self.stream(&live.stream);
        if stream.events.last().is_some_and(|last| live.n <= last.n) {
            return false;
        }
        stream.bytes = stream.bytes.saturating_add(live.event.byte_len());
        if stream.events.len() >= STREAM_EVENTS_MAX || stream.bytes > STREAM_BYTES_MAX {
            stream.is_spilt = true;
            stream.events.clear();
        }
        if !stream.is_spilt || stream.events.is_empty() {
            // Of a spilt stream the newest alone stays, to tell repetitions.
            stream.events.push(Arc::clone(live));
        } else {
            stream.events[0] = Arc::clone(live);
        }
        if part == StreamPart::Stop {
            self.kept.retain(|stream| stream.name != live.stream);
        }
        true
    }

    /// Drops what a durable event made final: a `result` ends the turn and every preview with it.
    pub(super) fn seal(&mut self, event: &Header) {
        if event.kind == "result" {
            self.clear();
        }
    }

    /// Drops everything: the process that streamed is gone.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }

    /// What a joiner has to see, in order.
    pub(super) fn replay(&self) -> Vec<Arc<LiveEvent>> {
        self.kept
            .iter()
            .filter(|stream| !stream.is_spilt)
            .flat_map(|stream| stream.events.iter().cloned())
            .collect()
    }

    fn stream(&mut self, name: &str) -> &mut Stream {
        let at = match self.kept.iter().position(|stream| stream.name == name) {
            Some(at) => at,
            None => {
                if self.kept.len() >= STREAMS_MAX {
                    self.kept.pop_front();
                }
                self.kept.push_back(Stream {
                    name: name.to_owned(),
                    events: Vec::new(),
                    bytes: 0,
                    is_spilt: false,
                });
                self.kept.len() - 1
            }
        };
        &mut self.kept[at]
    }
}

/// What a volatile event does to its stream. At `message_stop` every block was sealed by its durable line, or
/// abandoned, so a joiner needs nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StreamPart {
    Start,
    Middle,
    Stop,
}

impl StreamPart {
    fn of(live: &LiveEvent) -> Self {
        #[derive(Deserialize)]
        struct Outer {
            event: Option<Inner>,
        }
        #[derive(Deserialize)]
        struct Inner {
            #[serde(rename = "type")]
            kind: String,
        }
        let kind = live.event.read::<Outer>().ok().and_then(|outer| outer.event).map(|inner| inner.kind);
        match kind.as_deref() {
            Some("message_start") => Self::Start,
            Some("message_stop") => Self::Stop,
            _ => Self::Middle,
        }
    }
}

#[cfg(test)]
mod tests {
    use portcullis_protocol::RawJson;

    use super::*;

    fn live(stream: &str, n: u64, kind: &str) -> Arc<LiveEvent> {
        let event =
            RawJson::parse(&format!(r#"{{"type":"stream_event","event":{{"type":"{kind}"}}}}"#)).unwrap();
        Arc::new(LiveEvent { stream: stream.into(), n, after_seq: 0, event })
    }

    fn replayed(streams: &Streams) -> Vec<(String, u64)> {
        streams.replay().iter().map(|live| (live.stream.clone(), live.n)).collect()
    }

    #[test]
    fn a_joiner_sees_the_stream_from_its_start_until_it_stops() {
        let mut streams = Streams::default();
        streams.keep(&live("a", 0, "message_start"));
        streams.keep(&live("a", 1, "content_block_delta"));
        assert_eq!(replayed(&streams), [("a".into(), 0), ("a".into(), 1)]);
        streams.keep(&live("a", 2, "message_stop"));
        assert_eq!(replayed(&streams), []);
    }

    #[test]
    fn a_repeated_event_is_neither_kept_nor_sent_again() {
        let mut streams = Streams::default();
        assert!(streams.keep(&live("a", 0, "message_start")));
        assert!(streams.keep(&live("a", 1, "x")));
        assert!(!streams.keep(&live("a", 1, "x")));
        assert!(!streams.keep(&live("a", 0, "x")));
    }

    #[test]
    fn a_stream_that_died_is_dropped_when_the_next_begins_or_the_turn_ends() {
        let mut streams = Streams::default();
        streams.keep(&live("a", 0, "message_start"));
        streams.keep(&live("b", 0, "message_start"));
        assert_eq!(replayed(&streams), [("b".into(), 0)]);
        streams.seal(&Header { kind: "result".into(), ..Header::default() });
        assert_eq!(replayed(&streams), []);
    }

    #[test]
    fn a_stream_beyond_its_bound_is_not_replayed() {
        let mut streams = Streams::default();
        let beyond = u64::try_from(STREAM_EVENTS_MAX).unwrap() + 5;
        for n in 0..beyond {
            assert!(streams.keep(&live("a", n, "x")));
        }
        assert_eq!(replayed(&streams), []);
        assert!(!streams.keep(&live("a", beyond - 1, "x")));
    }
}
