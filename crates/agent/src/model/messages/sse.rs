//! Server-sent events out of bytes, however they are cut. Only the data matters here: the Messages API repeats the
//! event's name inside it.

use serde_json::Value;

/// Longest event, in bytes: a whole tool input in one delta stays below it.
const EVENT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The stream is not what it should be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SseError {
    /// An event without end.
    #[error("an event of the model's API is longer than {EVENT_BYTES_MAX} bytes")]
    TooLong,
    /// Data that is no JSON.
    #[error("an event of the model's API is no JSON")]
    NotJson,
}

#[derive(Debug, Default)]
pub(crate) struct Events {
    /// A line whose end has not come.
    line: Vec<u8>,
    data: Vec<u8>,
}

impl Events {
    /// Takes the next bytes and gives the events that are complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Value>, SseError> {
        let mut events = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + self.data.len() + piece.len() > EVENT_BYTES_MAX {
                return Err(SseError::TooLong);
            }
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                events.extend(self.take_line(line.trim_ascii_end())?);
            }
        }
        Ok(events)
    }

    fn take_line(&mut self, line: &[u8]) -> Result<Option<Value>, SseError> {
        if !line.is_empty() {
            if let Some(data) = line.strip_prefix(b"data:") {
                self.data.extend_from_slice(data);
                self.data.push(b'\n');
            }
            return Ok(None);
        }
        let data = std::mem::take(&mut self.data);
        let data = data.trim_ascii();
        // Some servers end with a word of their own.
        if data.is_empty() || data == b"[DONE]" {
            return Ok(None);
        }
        serde_json::from_slice(data).map(Some).map_err(|_| SseError::NotJson)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const STREAM: &str = "event: a\r\ndata: {\"n\":1}\r\n\r\n: a comment\ndata: {\"n\":\ndata: 2}\n\nid: 7\n\ndata: [DONE]\n\n";

    #[test]
    fn reads_the_same_events_however_the_bytes_are_cut() {
        for size in 1..STREAM.len() {
            let mut events = Events::default();
            let read: Vec<Value> =
                STREAM.as_bytes().chunks(size).flat_map(|chunk| events.push(chunk).unwrap()).collect();
            assert_eq!(read, [json!({"n": 1}), json!({"n": 2})], "in pieces of {size}");
        }
    }

    #[test]
    fn gives_up_on_what_is_no_json_and_on_what_never_ends() {
        assert_eq!(Events::default().push(b"data: {\n\n"), Err(SseError::NotJson));
        let mut endless = Events::default();
        let piece = vec![b'x'; 1024 * 1024];
        assert!((0..7).all(|_| endless.push(&piece).is_ok()));
        assert_eq!(endless.push(&[piece.as_slice(), b"y"].concat()), Err(SseError::TooLong));
    }
}
