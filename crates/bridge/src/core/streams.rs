//! Which stream a volatile event belongs to, and its dense position there. Losing one of them shows as a missing
//! `n`, and the preview freezes until its durable event arrives.

use std::collections::VecDeque;

use portcullis_protocol::RawJson;
use portcullis_protocol::json::Header;
use portcullis_protocol::limits::FOREIGN_ID_BYTES_MAX;
use serde::Deserialize;

/// Streams whose position is remembered: one main message at a time, and a few stragglers.
const STREAMS_MAX: usize = 16;
/// The stream of volatile events that belong to no message.
const MISC: &str = "misc";

#[derive(Debug, Default)]
pub(crate) struct Streams {
    current: Option<String>,
    misc_next_n: u64,
    positions: VecDeque<(String, u64)>,
}

impl Streams {
    /// The stream of `event` and its position there.
    pub(crate) fn place(&mut self, header: &Header, event: &RawJson) -> (String, u64) {
        if header.kind != "stream_event" {
            return self.misc();
        }
        if let Some(started) = started_message(event) {
            self.current = Some(started);
        }
        let named = header.api_message_id.clone().filter(|id| is_usable(id));
        let Some(stream) = named.or_else(|| self.current.clone()) else { return self.misc() };
        let n = self.next_n(&stream);
        (stream, n)
    }

    /// The process is gone: its messages will not go on.
    pub(crate) fn forget_messages(&mut self) {
        self.current = None;
        self.positions.clear();
    }

    fn misc(&mut self) -> (String, u64) {
        let n = self.misc_next_n;
        self.misc_next_n += 1;
        (MISC.to_owned(), n)
    }

    fn next_n(&mut self, stream: &str) -> u64 {
        if let Some((_, next)) = self.positions.iter_mut().find(|(known, _)| known == stream) {
            *next += 1;
            return *next - 1;
        }
        if self.positions.len() == STREAMS_MAX {
            self.positions.pop_front();
        }
        self.positions.push_back((stream.to_owned(), 1));
        0
    }
}

fn is_usable(id: &str) -> bool {
    (1..=FOREIGN_ID_BYTES_MAX).contains(&id.len())
}

/// The id of the message that `event` starts, if it starts one.
fn started_message(event: &RawJson) -> Option<String> {
    #[derive(Deserialize)]
    struct Line {
        event: Event,
    }
    #[derive(Deserialize)]
    struct Event {
        #[serde(rename = "type")]
        kind: String,
        message: Option<Message>,
    }
    #[derive(Deserialize)]
    struct Message {
        id: String,
    }
    let Line { event } = event.read().ok()?;
    let started = event.message.filter(|_| event.kind == "message_start")?;
    Some(started.id).filter(|id| is_usable(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(lines: &[&str]) -> Vec<(String, u64)> {
        let mut streams = Streams::default();
        let place = |line: &&str| {
            let event = RawJson::parse(line).unwrap();
            streams.place(&event.header().unwrap(), &event)
        };
        lines.iter().map(place).collect()
    }

    #[test]
    fn counts_each_message_on_its_own() {
        let start = r#"{"type":"stream_event","event":{"type":"message_start","message":{"id":"m1"}}}"#;
        let delta = r#"{"type":"stream_event","event":{"type":"content_block_delta"}}"#;
        let named = r#"{"type":"stream_event","event":{"type":"content_block_delta"},"api_message_id":"m2"}"#;
        let progress = r#"{"type":"tool_progress"}"#;
        let expected = [("m1", 0), ("m1", 1), ("m2", 0), ("misc", 0), ("m1", 2), ("misc", 1)];
        assert_eq!(
            placed(&[start, delta, named, progress, delta, progress]),
            expected.map(|(stream, n)| (stream.to_owned(), n))
        );
    }

    #[test]
    fn a_delta_without_a_message_is_no_message() {
        let delta = r#"{"type":"stream_event","event":7}"#;
        assert_eq!(placed(&[delta]), [("misc".to_owned(), 0)]);
    }
}
