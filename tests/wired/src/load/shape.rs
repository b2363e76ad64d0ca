//! What a talkative agent prints, kind by kind, in pieces of whole lines.

use std::ops::Range;

use portcullis_protocol::limits::EVENT_BYTES_MAX;

/// Bytes of a piece that is made of short lines.
const PIECE_BYTES: usize = 64 * 1024;
/// Text of one large message.
const MESSAGE_BYTES: usize = 64 * 1024;
/// The digits that make each durable line another one.
const DIGITS: usize = 12;
/// Where they stand.
const MARK: &str = "NNNNNNNNNNNN";

/// A kind of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Nothing but the requests.
    Idle,
    /// Pieces of a message that is being streamed, about 200 bytes each.
    Deltas,
    /// Messages of 64 KiB.
    Messages,
    /// Lines of 8 MiB, the longest that is taken as one event.
    Huge,
    /// Short lines that are no JSON.
    Garbage,
    /// All of it on stderr.
    Stderr,
    /// All of that in turns.
    Mix,
}

impl Shape {
    /// Those that are measured.
    pub const FLOODS: [Self; 6] =
        [Self::Deltas, Self::Messages, Self::Huge, Self::Garbage, Self::Stderr, Self::Mix];

    /// Its name in a table and in a prompt.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Deltas => "deltas",
            Self::Messages => "messages",
            Self::Huge => "huge",
            Self::Garbage => "garbage",
            Self::Stderr => "stderr",
            Self::Mix => "mix",
        }
    }

    /// The shape of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::FLOODS.into_iter().chain([Self::Idle]).find(|shape| shape.name() == name)
    }
}

/// Makes the pieces of one shape.
#[derive(Debug)]
pub struct Source {
    parts: Vec<Part>,
    next: usize,
    lines: u64,
}

/// A piece, and where its numbers stand.
#[derive(Debug)]
struct Part {
    bytes: Vec<u8>,
    numbers: Vec<Range<usize>>,
    is_for_stderr: bool,
}

impl Source {
    /// A source that never ends.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        let parts = match shape {
            Shape::Idle | Shape::Deltas => vec![repeated(&delta(), PIECE_BYTES)],
            Shape::Messages => vec![repeated(&message(MESSAGE_BYTES), 1)],
            Shape::Huge => vec![repeated(&message(EVENT_BYTES_MAX - 1_024), 1)],
            Shape::Garbage => vec![repeated(&garbage(), PIECE_BYTES)],
            Shape::Stderr => vec![Part { is_for_stderr: true, ..repeated(&garbage(), PIECE_BYTES) }],
            Shape::Mix => vec![
                repeated(&delta(), 16 * PIECE_BYTES),
                repeated(&message(MESSAGE_BYTES), 16 * PIECE_BYTES),
                repeated(&garbage(), PIECE_BYTES),
                Part { is_for_stderr: true, ..repeated(&garbage(), PIECE_BYTES) },
                repeated(&message(EVENT_BYTES_MAX - 1_024), 1),
            ],
        };
        Self { parts, next: 0, lines: 0 }
    }

    /// The next piece, and whether it belongs on stderr.
    pub fn next_piece(&mut self) -> (&[u8], bool) {
        self.next = (self.next + 1) % self.parts.len();
        let part = &mut self.parts[self.next];
        for place in &part.numbers {
            self.lines += 1;
            part.bytes[place.clone()].copy_from_slice(format!("{:0DIGITS$x}", self.lines).as_bytes());
        }
        (&part.bytes, part.is_for_stderr)
    }
}

/// `line` as often as it takes for `bytes`.
fn repeated(line: &str, bytes: usize) -> Part {
    let times = bytes.div_ceil(line.len());
    let bytes = line.repeat(times).into_bytes();
    let mark = line.find(MARK);
    let numbers = (0..times).filter_map(|time| {
        let start = time * line.len() + mark?;
        Some(start..start + DIGITS)
    });
    Part { numbers: numbers.collect(), bytes, is_for_stderr: false }
}

fn delta() -> String {
    let event = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"some more words, "}}"#;
    format!(
        r#"{{"type":"stream_event","event":{event},"parent_tool_use_id":null,"session_id":"fountain","uuid":"d"}}"#
    ) + "\n"
}

fn message(bytes: usize) -> String {
    // Line ends and quotes as code has them: text without escapes would be cheaper to read than any real one.
    let line = r#"    let word = \"a line of code\";\n"#;
    let text = line.repeat(bytes / line.len());
    let content = format!(r#"[{{"type":"text","text":"{text}"}}]"#);
    let message = format!(r#"{{"id":"msg_1","type":"message","role":"assistant","content":{content}}}"#);
    format!(
        r#"{{"type":"assistant","message":{message},"parent_tool_use_id":null,"session_id":"fountain","uuid":"00000000-0000-4000-8000-{MARK}"}}"#
    ) + "\n"
}

fn garbage() -> String {
    "warning: a library that knows no protocol prints what it likes ".repeat(3) + "\n"
}

#[cfg(test)]
mod tests {
    use portcullis_protocol::RawJson;

    use super::*;

    #[test]
    fn every_piece_is_made_of_whole_lines_that_are_events_unless_they_are_garbage() {
        for shape in Shape::FLOODS {
            let mut source = Source::new(shape);
            for _ in 0..5 {
                let piece = std::str::from_utf8(source.next_piece().0).unwrap();
                assert!(piece.ends_with('\n'));
                let line = piece.lines().next().unwrap();
                assert_eq!(RawJson::parse(line).is_err(), line.starts_with("warning"), "{shape:?}");
            }
        }
    }

    #[test]
    fn no_durable_line_is_printed_twice() {
        let mut source = Source::new(Shape::Messages);
        let first = source.next_piece().0.to_vec();
        assert_ne!(source.next_piece().0, first);
    }
}
