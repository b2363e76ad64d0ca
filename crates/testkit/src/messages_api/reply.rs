//! What the model is to say, or how its API is to fail, step by step.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// One answer of the API. Build it from top to bottom, in the order of the stream.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub(super) failure: Option<Failure>,
    pub(super) steps: Vec<Step>,
    pub(super) stop_reason: Option<String>,
    pub(super) input_tokens: Option<u64>,
    pub(super) output_tokens: Option<u64>,
}

/// An answer that is an error from the start.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) status: u16,
    pub(super) kind: String,
    pub(super) message: String,
    pub(super) headers: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Opens a block, closing the one before.
    Open(Value),
    /// Adds to the open block.
    Delta(Value),
    /// Closes the open block.
    Close,
    /// An event as it is, outside of any block.
    Event(Value),
    Pause(Duration),
    Wait(Gate),
    /// Says nothing more, and does not hang up.
    Stall,
    /// Hangs up.
    Cut,
}

/// Holds an answer until the test lets it go on.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Semaphore>);

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Lets everybody through who waits, and who comes later.
    pub fn open(&self) {
        self.0.close();
    }

    pub(super) async fn opened(&self) {
        // Closing the semaphore is what opens the gate.
        drop(self.0.acquire().await);
    }
}

impl Reply {
    /// An answer that says nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// An answer that is this HTTP error, with the API's type and text for it.
    pub fn failure(status: u16, kind: &str, message: &str) -> Self {
        let failure =
            Failure { status, kind: kind.to_owned(), message: message.to_owned(), headers: Vec::new() };
        Self { failure: Some(failure), ..Self::default() }
    }

    /// Adds a header to a failure, such as `retry-after`.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Some(failure) = &mut self.failure {
            failure.headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// A whole text block, in a few deltas.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.begin_text("").more(text).step(Step::Close)
    }

    /// Opens a text block and leaves it open, for something to happen within it.
    #[must_use]
    pub fn begin_text(self, text: &str) -> Self {
        self.step(Step::Open(json!({"type": "text", "text": ""}))).more(text)
    }

    /// More of an open text block.
    #[must_use]
    pub fn more(mut self, text: &str) -> Self {
        for piece in pieces(text) {
            self = self.step(Step::Delta(json!({"type": "text_delta", "text": piece})));
        }
        self
    }

    /// A whole thinking block, signed.
    #[must_use]
    pub fn thinking(self, text: &str) -> Self {
        self.step(Step::Open(json!({"type": "thinking", "thinking": "", "signature": ""})))
            .step(Step::Delta(json!({"type": "thinking_delta", "thinking": text})))
            .step(Step::Delta(json!({"type": "signature_delta", "signature": "dGVzdGtpdA=="})))
            .step(Step::Close)
    }

    /// A whole tool call under an id made from the reply's length; the message then stops for it.
    #[must_use]
    pub fn tool(self, name: &str, input: Value) -> Self {
        let id = format!("toolu_testkit{:02}", self.steps.len());
        self.tool_with_id(&id, name, &input)
    }

    /// A whole tool call under a chosen id.
    #[must_use]
    pub fn tool_with_id(self, id: &str, name: &str, input: &Value) -> Self {
        self.begin_tool(id, name, &input.to_string()).step(Step::Close)
    }

    /// Opens a tool call with a piece of its input's JSON, and leaves it open.
    #[must_use]
    pub fn begin_tool(mut self, id: &str, name: &str, input_piece: &str) -> Self {
        self = self.step(Step::Open(json!({"type": "tool_use", "id": id, "name": name, "input": {}})));
        for piece in pieces(input_piece) {
            self = self.step(Step::Delta(json!({"type": "input_json_delta", "partial_json": piece})));
        }
        self
    }

    /// Any event between blocks, such as a ping.
    #[must_use]
    pub fn event(self, event: Value) -> Self {
        self.step(Step::Event(event))
    }

    /// An error event in the middle of the stream, after which the API hangs up.
    #[must_use]
    pub fn error(self, kind: &str, message: &str) -> Self {
        self.event(json!({"type": "error", "error": {"type": kind, "message": message}})).step(Step::Cut)
    }

    /// Waits this long.
    #[must_use]
    pub fn pause(self, duration: Duration) -> Self {
        self.step(Step::Pause(duration))
    }

    /// Waits until the test opens the gate.
    #[must_use]
    pub fn wait_for(self, gate: &Gate) -> Self {
        self.step(Step::Wait(gate.clone()))
    }

    /// Says nothing more and keeps the connection open.
    #[must_use]
    pub fn stall(self) -> Self {
        self.step(Step::Stall)
    }

    /// Hangs up in the middle of the stream.
    #[must_use]
    pub fn cut(self) -> Self {
        self.step(Step::Cut)
    }

    /// Why the message ends; otherwise `tool_use` or `end_turn`, as it fits.
    #[must_use]
    pub fn stop_reason(mut self, reason: &str) -> Self {
        self.stop_reason = Some(reason.to_owned());
        self
    }

    /// What the request is said to have cost, in tokens.
    #[must_use]
    pub fn usage(mut self, input_tokens: u64, output_tokens: u64) -> Self {
        (self.input_tokens, self.output_tokens) = (Some(input_tokens), Some(output_tokens));
        self
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

/// A text in two pieces, cut at a character.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let middle = (text.len() / 2..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    let (head, tail) = text.split_at(middle);
    [head, tail].into_iter().filter(|piece| !piece.is_empty())
}
