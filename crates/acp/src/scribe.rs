//! Writes the lines the host reads. Every line gets its own uuid here, and nowhere else.

use serde_json::{Map, Value, json};

use crate::outside::Outside;

/// Bytes of one piece of streamed text: a chunk of any size is told in pieces.
const DELTA_BYTES_MAX: usize = 64 * 1024;
/// Bytes of one finished block: what an agent says without end is several blocks, each well below an event's limit.
const BLOCK_BYTES_MAX: usize = 512 * 1024;

/// What is being said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    Text,
    Thought,
}

/// The block that grows.
#[derive(Debug)]
struct Growing {
    voice: Voice,
    message_id: String,
    /// The agent's own id of the message, where it gives one.
    theirs: Option<String>,
    text: String,
}

/// The writer of one session's lines.
#[derive(Debug)]
pub(crate) struct Scribe {
    pub(crate) session_id: String,
    pub(crate) model: String,
    streams: bool,
    growing: Option<Growing>,
}

impl Scribe {
    pub(crate) fn new(streams: bool) -> Self {
        Self { session_id: String::new(), model: "acp".to_owned(), streams, growing: None }
    }

    /// A line of `kind` with `fields`, under a fresh uuid.
    pub(crate) fn line(&self, outside: &dyn Outside, kind: &str, fields: Value) -> String {
        self.line_as(&outside.uuid(), kind, fields)
    }

    fn line_as(&self, uuid: &str, kind: &str, fields: Value) -> String {
        let mut line = Map::new();
        line.insert("type".to_owned(), json!(kind));
        if let Value::Object(fields) = fields {
            line.extend(fields);
        }
        line.insert("uuid".to_owned(), json!(uuid));
        // Before there is a session nothing names one: an empty name would be remembered.
        if !self.session_id.is_empty() {
            line.insert("session_id".to_owned(), json!(self.session_id));
        }
        Value::Object(line).to_string()
    }

    pub(crate) fn system(&self, outside: &dyn Outside, subtype: &str, fields: Value) -> String {
        let mut all = Map::new();
        all.insert("subtype".to_owned(), json!(subtype));
        if let Value::Object(fields) = fields {
            all.extend(fields);
        }
        self.line(outside, "system", Value::Object(all))
    }

    /// A banner.
    pub(crate) fn informational(&self, outside: &dyn Outside, level: &str, content: &str) -> String {
        self.system(outside, "informational", json!({"content": content, "level": level}))
    }

    /// The echo of a prompt under its own uuid.
    pub(crate) fn replay(&self, outside: &dyn Outside, uuid: Option<&str>, content: &Value) -> String {
        let fields = json!({"message": {"role": "user", "content": content}, "parent_tool_use_id": null, "isReplay": true});
        self.line_as(&uuid.map_or_else(|| outside.uuid(), str::to_owned), "user", fields)
    }

    pub(crate) fn user(&self, outside: &dyn Outside, content: Value, more: Value) -> String {
        let mut fields = json!({"message": {"role": "user", "content": content}, "parent_tool_use_id": null});
        if let (Some(fields), Value::Object(more)) = (fields.as_object_mut(), more) {
            fields.extend(more);
        }
        self.line(outside, "user", fields)
    }

    pub(crate) fn assistant(
        &self,
        outside: &dyn Outside,
        message_id: &str,
        block: Value,
        aborted: bool,
    ) -> String {
        let message = json!({
            "id": message_id, "type": "message", "role": "assistant", "model": self.model, "content": [block],
            "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 0, "output_tokens": 0},
        });
        let mut fields = json!({"message": message, "parent_tool_use_id": null});
        if let (true, Some(fields)) = (aborted, fields.as_object_mut()) {
            fields.insert("aborted".to_owned(), json!(true));
        }
        self.line(outside, "assistant", fields)
    }

    fn stream(&self, outside: &dyn Outside, message_id: &str, event: &Value) -> String {
        self.line(
            outside,
            "stream_event",
            json!({"event": event, "parent_tool_use_id": null, "api_message_id": message_id}),
        )
    }

    /// Goes on saying `text`; another voice or another message of the agent's ends what was said before.
    pub(crate) fn say(
        &mut self,
        outside: &dyn Outside,
        voice: Voice,
        theirs: Option<&str>,
        text: &str,
        out: &mut Vec<String>,
    ) {
        let goes_on = |growing: &Growing| {
            growing.voice == voice && (theirs.is_none() || growing.theirs.as_deref() == theirs)
        };
        if self.growing.as_ref().is_some_and(|growing| !goes_on(growing)) {
            self.fall_silent(outside, false, out);
        }
        for piece in pieces(text) {
            if self.growing.as_ref().is_some_and(|growing| growing.text.len() + piece.len() > BLOCK_BYTES_MAX)
            {
                self.fall_silent(outside, false, out);
            }
            self.grow(outside, voice, theirs, piece, out);
        }
    }

    fn grow(
        &mut self,
        outside: &dyn Outside,
        voice: Voice,
        theirs: Option<&str>,
        piece: &str,
        out: &mut Vec<String>,
    ) {
        let (empty, kind) = match voice {
            Voice::Text => (json!({"type": "text", "text": ""}), "text"),
            Voice::Thought => (json!({"type": "thinking", "thinking": "", "signature": ""}), "thinking"),
        };
        if self.growing.is_none() {
            let message_id = format!("msg_acp_{}", outside.uuid());
            if self.streams {
                let message = json!({
                    "id": message_id, "type": "message", "role": "assistant", "model": self.model, "content": [],
                    "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 0, "output_tokens": 0},
                });
                out.push(self.stream(
                    outside,
                    &message_id,
                    &json!({"type": "message_start", "message": message}),
                ));
                let start = json!({"type": "content_block_start", "index": 0, "content_block": empty});
                out.push(self.stream(outside, &message_id, &start));
            }
            let theirs = theirs.map(str::to_owned);
            self.growing = Some(Growing { voice, message_id, theirs, text: String::new() });
        }
        let Some(growing) = &mut self.growing else { return };
        growing.text.push_str(piece);
        if self.streams {
            let message_id = growing.message_id.clone();
            let delta = json!({"type": format!("{kind}_delta"), kind: piece});
            let event = json!({"type": "content_block_delta", "index": 0, "delta": delta});
            out.push(self.stream(outside, &message_id, &event));
        }
    }

    /// Ends what is being said, if anything. Returns what it was, where it was text.
    pub(crate) fn fall_silent(
        &mut self,
        outside: &dyn Outside,
        aborted: bool,
        out: &mut Vec<String>,
    ) -> Option<String> {
        let Growing { voice, message_id, text, .. } = self.growing.take()?;
        let block = match voice {
            Voice::Text => json!({"type": "text", "text": text}),
            Voice::Thought => json!({"type": "thinking", "thinking": text, "signature": ""}),
        };
        out.push(self.assistant(outside, &message_id, block, aborted));
        if self.streams {
            let delta = json!({"stop_reason": null, "stop_sequence": null});
            for event in [
                json!({"type": "content_block_stop", "index": 0}),
                json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 0}}),
                json!({"type": "message_stop"}),
            ] {
                out.push(self.stream(outside, &message_id, &event));
            }
        }
        (voice == Voice::Text).then_some(text)
    }
}

/// `text` in pieces of bounded size, each ending between characters. None for an empty text.
fn pieces(mut text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    while text.len() > DELTA_BYTES_MAX {
        let end = (0..=DELTA_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        let (piece, rest) = text.split_at(end);
        pieces.push(piece);
        text = rest;
    }
    if !text.is_empty() {
        pieces.push(text);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_of_any_size_is_told_whole_in_pieces() {
        let text = format!("x{}", "ä".repeat(DELTA_BYTES_MAX));
        let pieces = pieces(&text);
        assert!(pieces.len() == 3 && pieces.iter().all(|piece| piece.len() <= DELTA_BYTES_MAX));
        assert_eq!(pieces.concat(), text);
    }
}
