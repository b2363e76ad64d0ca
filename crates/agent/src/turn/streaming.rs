//! Writes one reply as it is said: message start, blocks with their deltas, one `assistant` line per finished block
//! before its stop event, message end. A reply that is cut short keeps what was said as an aborted block; one that
//! broke off and is said anew takes its lines back.

use serde_json::{Value, json, value::RawValue};

use super::{TurnContext, TurnEvent};
use crate::wire::{
    object::Object,
    scribe::{Block, MessageHead, Usage},
};

/// What every request of the scripted model costs on the way in, so that people see a number.
const INPUT_TOKENS: u64 = 1_200;
/// Rule of thumb for what text costs on the way out.
const BYTES_PER_TOKEN: u64 = 4;

/// A tool call the model made.
#[derive(Debug, Clone)]
pub(super) struct ToolCall {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) input: Box<RawValue>,
}

/// A reply that was said in full.
#[derive(Debug, Default)]
pub(super) struct Streamed {
    pub(super) calls: Vec<ToolCall>,
    /// The last text block.
    pub(super) text: Option<String>,
    /// `None` if nothing was said at all.
    pub(super) stop_reason: Option<String>,
    /// The blocks as the model's API wants them back.
    pub(super) said: Vec<Value>,
}

/// A reply that was cut short, and what has to be closed.
#[derive(Debug, Default)]
pub(super) struct Cut {
    /// Calls that were made and will not run.
    pub(super) calls: Vec<ToolCall>,
    pub(super) text: Option<String>,
    pub(super) said: Vec<Value>,
    message: Option<OpenMessage>,
}

#[derive(Debug, Clone)]
struct OpenMessage {
    id: String,
    request_id: String,
    model: String,
    /// Index of the block that is open or comes next.
    index: u64,
    /// Whether a block was begun and not ended.
    in_block: bool,
    /// Whether the open block's partial text was kept.
    kept_partial: bool,
    output_bytes: u64,
    /// What the API counted; without it, an estimate stands in.
    counted: Option<Usage>,
}

impl OpenMessage {
    fn usage(&self) -> Usage {
        let estimate = || Usage {
            input_tokens: INPUT_TOKENS,
            output_tokens: self.output_bytes / BYTES_PER_TOKEN + 1,
            ..Usage::default()
        };
        self.counted.unwrap_or_else(estimate)
    }

    fn head(&self) -> MessageHead<'_> {
        MessageHead { id: &self.id, request_id: &self.request_id, model: &self.model, usage: self.usage() }
    }
}

/// Marker: the engine wants this turn to stop streaming.
pub(super) struct Wanted;

/// A reply on its way out.
pub(super) struct Stream<'a> {
    pub(super) context: &'a TurnContext,
    /// Whether this reply binds the turn to its prompts.
    binds_prompts: bool,
    bound_line: bool,
    message: Option<OpenMessage>,
    calls: Vec<ToolCall>,
    text: Option<String>,
    said: Vec<Value>,
    /// The uuids of the lines of this message.
    lines: Vec<String>,
    /// Lines of an earlier attempt, which the next line takes back.
    taken_back: Vec<String>,
}

/// Writes the events that end a cut stream.
pub(super) async fn close(context: &TurnContext, cut: &Cut) {
    let Some(message) = cut.message.as_ref().filter(|_| context.shows_partials()) else {
        return;
    };
    let event = |event: Value| context.scribe.stream_event(&message.id, &event);
    if message.kept_partial {
        let stop = json!({"type": "content_block_stop", "index": message.index});
        context.line(event(stop).to_line()).await;
    }
    let delta = json!({"stop_reason": null, "stop_sequence": null});
    let end = json!({"type": "message_delta", "delta": delta, "usage": message.usage().to_json()});
    context.line(event(end).to_line()).await;
    let from = message.index + u64::from(message.kept_partial);
    let abandoned = json!({"api_message_id": message.id, "from_block_index": from});
    context.line(event(json!({"type": "message_stop"})).with("abandoned_blocks", &abandoned).to_line()).await;
}

impl TurnContext {
    /// Sub-agents never stream.
    pub(super) fn shows_partials(&self) -> bool {
        self.partial && self.scribe.delegate.is_none()
    }

    /// Whether text is wanted from this speaker at all.
    fn shows_text(&self) -> bool {
        self.scribe.delegate.is_none() || self.charter.forward_subagent_text
    }
}

impl<'a> Stream<'a> {
    pub(super) fn new(context: &'a TurnContext, binds_prompts: bool) -> Self {
        Self {
            context,
            binds_prompts,
            bound_line: false,
            message: None,
            calls: Vec::new(),
            text: None,
            said: Vec::new(),
            lines: Vec::new(),
            taken_back: Vec::new(),
        }
    }

    /// Starts the message the API announced.
    pub(super) async fn start(&mut self, id: &str, request_id: &str, model: &str, usage: Usage) {
        self.begin(id.to_owned(), request_id.to_owned(), model.to_owned(), Some(usage)).await;
    }

    /// The message's state; starts a message of its own if none was announced.
    async fn open(&mut self) -> &mut OpenMessage {
        if self.message.is_none() {
            let world = &self.context.scribe.world;
            let (id, request_id) = (format!("msg_{}", world.token(24)), format!("req_{}", world.token(24)));
            self.begin(id, request_id, self.context.scribe.model.to_string(), None).await;
        }
        self.message.as_mut().expect("opened just above")
    }

    async fn begin(&mut self, id: String, request_id: String, model: String, counted: Option<Usage>) {
        let message = OpenMessage {
            id,
            request_id,
            model,
            index: 0,
            in_block: false,
            kept_partial: false,
            output_bytes: 0,
            counted,
        };
        let start = self.context.scribe.message_start(&message.head());
        let line = self.context.scribe.stream_event(&message.id, &start).with("ttft_ms", &0);
        self.message = Some(message);
        let line = self.bind(line);
        self.partial(line).await;
    }

    /// Takes over what the API counted so far.
    pub(super) fn count(&mut self, usage: &Value) {
        if let Some(message) = &mut self.message {
            message.counted.get_or_insert_default().update(usage);
        }
    }

    /// The prompts this turn answers, on the first lines of the turn.
    pub(super) fn bind(&self, line: Object) -> Object {
        let prompts = &self.context.prompt_uuids;
        match prompts.last().filter(|_| self.binds_prompts) {
            Some(last) => line.with("user_message_uuid", last).with("user_message_uuids", prompts),
            None => line,
        }
    }

    pub(super) async fn partial(&self, line: Object) {
        if self.context.shows_partials() {
            self.context.line(line.to_line()).await;
        }
    }

    async fn event(&mut self, event: Value) {
        if self.context.shows_partials() {
            let id = self.open().await.id.clone();
            self.context.line(self.context.scribe.stream_event(&id, &event).to_line()).await;
        }
    }

    pub(super) async fn start_block(&mut self, block: Value) -> u64 {
        let message = self.open().await;
        message.in_block = true;
        let index = message.index;
        self.event(json!({"type": "content_block_start", "index": index, "content_block": block})).await;
        index
    }

    pub(super) async fn delta(&mut self, index: u64, delta: Value, bytes: usize) {
        self.open().await.output_bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
        self.event(json!({"type": "content_block_delta", "index": index, "delta": delta})).await;
    }

    /// A delta of the block that is open.
    pub(super) async fn delta_of_open_block(&mut self, delta: Value, bytes: usize) {
        let index = self.open().await.index;
        self.delta(index, delta, bytes).await;
    }

    /// How much was thought so far, for whoever shows a number.
    pub(super) async fn thought(&self, bytes_before: usize, bytes: usize) {
        let tokens = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX) / BYTES_PER_TOKEN;
        let (before, now) = (tokens(bytes_before), tokens(bytes));
        let estimate = self.context.scribe.system("thinking_tokens").with("estimated_tokens", &now);
        self.partial(estimate.with("estimated_tokens_delta", &(now - before))).await;
    }

    /// The committed block, then its stop event: readers rely on this order.
    pub(super) async fn end_block(&mut self, block: Block) {
        self.commit(&block, false).await;
        let index = self.open().await.index;
        self.event(json!({"type": "content_block_stop", "index": index})).await;
        let message = self.open().await;
        message.index += 1;
        message.in_block = false;
        match block {
            Block::Text { text } => self.text = Some(text),
            Block::ToolUse { id, name, input } => self.calls.push(ToolCall { id, name, input }),
            Block::Thinking { .. } | Block::Other(_) => {}
        }
    }

    async fn commit(&mut self, block: &Block, aborted: bool) {
        let uuid = self.context.scribe.world.uuid();
        let message = self.open().await.clone();
        let mut line = self.context.scribe.assistant(&message.head(), block, &uuid);
        if aborted {
            line = line.with("aborted", &true);
        }
        if !self.bound_line {
            self.bound_line = true;
            line = self.bind(line);
        }
        let taken_back = std::mem::take(&mut self.taken_back);
        if !taken_back.is_empty() {
            line = line.with("supersedes", &taken_back);
        }
        // An input with numbers that no value can hold is remembered as an empty one.
        self.said.push(serde_json::to_value(block).unwrap_or_else(|_| without_input(block)));
        self.lines.push(uuid);
        if let Block::ToolUse { name, .. } = block {
            self.context.report_progress(name).await;
        }
        let shown = matches!(block, Block::ToolUse { .. }) || self.context.shows_text();
        if shown {
            self.context.line(line.to_line()).await;
        }
    }

    /// Keeps the text of a block that will not be finished.
    pub(super) async fn keep_partial(&mut self, text: String) {
        if !text.trim().is_empty() {
            self.text = Some(text.clone());
            self.commit(&Block::Text { text }, true).await;
            self.open().await.kept_partial = true;
        }
    }

    /// Ends the message. Without a reason of the model's own, it stops for its calls or because all is said.
    pub(super) async fn finish(mut self, stop_reason: Option<String>) -> Streamed {
        let own_reason = match (&self.message, self.calls.is_empty()) {
            (None, _) => None,
            (Some(_), true) => Some("end_turn".to_owned()),
            (Some(_), false) => Some("tool_use".to_owned()),
        };
        let stop_reason = stop_reason.or(own_reason);
        if let Some(usage) = self.message.as_ref().map(OpenMessage::usage) {
            let delta = json!({"stop_reason": stop_reason, "stop_sequence": null});
            self.event(json!({"type": "message_delta", "delta": delta, "usage": usage.to_json()})).await;
            self.event(json!({"type": "message_stop"})).await;
        }
        self.report_usage().await;
        Streamed { calls: self.calls, text: self.text, stop_reason, said: self.said }
    }

    /// The reply was cut short; whoever cut it closes it.
    pub(super) async fn cut(self) -> Cut {
        self.report_usage().await;
        Cut { calls: self.calls, text: self.text, said: self.said, message: self.message }
    }

    /// The reply broke off: closes it as dead from its first block and starts over. What was committed of it is taken
    /// back by the next line.
    pub(super) async fn abandon(&mut self) {
        self.report_usage().await;
        if let Some(message) = self.message.take()
            && self.context.shows_partials()
        {
            let event = |event: Value| self.context.scribe.stream_event(&message.id, &event);
            if message.in_block {
                let stop = json!({"type": "content_block_stop", "index": message.index});
                self.context.line(event(stop).to_line()).await;
            }
            let abandoned = json!({"api_message_id": message.id, "from_block_index": 0});
            let stop = event(json!({"type": "message_stop"})).with("abandoned_blocks", &abandoned);
            self.context.line(stop.to_line()).await;
        }
        self.taken_back.append(&mut self.lines);
        self.bound_line = false;
        (self.calls, self.text, self.said) = (Vec::new(), None, Vec::new());
    }

    /// Whether nothing of this reply was said yet.
    pub(super) fn is_silent(&self) -> bool {
        self.message.is_none()
    }

    /// Lines of an attempt that broke off and was not made up for.
    pub(super) fn take_back_rest(&mut self) -> Vec<String> {
        std::mem::take(&mut self.taken_back)
    }

    async fn report_usage(&self) {
        if let Some(message) = &self.message {
            let model = self.context.scribe.model.clone();
            self.context.tell(TurnEvent::Used { model, usage: message.usage() }).await;
        }
    }
}

fn without_input(block: &Block) -> Value {
    match block {
        Block::ToolUse { id, name, .. } => json!({"type": "tool_use", "id": id, "name": name, "input": {}}),
        Block::Text { .. } | Block::Thinking { .. } | Block::Other(_) => Value::Null,
    }
}
