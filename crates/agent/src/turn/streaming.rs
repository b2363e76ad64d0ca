//! Streams one reply: message start, blocks with their deltas, one `assistant` line per finished block before its
//! stop event, message end. When it is cut short, what was said so far is kept as an aborted block.

use serde_json::{Value, json, value::RawValue};

use super::{TurnContext, TurnEvent};
use crate::{
    model::{Gap, Part, prose},
    wire::{
        object::Object,
        scribe::{Block, Usage},
    },
};

/// What every request of the scripted model costs on the way in, so that people see a number.
const INPUT_TOKENS: u64 = 1_200;
/// Rule of thumb for what text costs on the way out.
const BYTES_PER_TOKEN: u64 = 4;
/// Pieces a tool's input is streamed in; more would only be noise.
const INPUT_PIECES: usize = 2;
/// Stands where a real model signs its thinking.
const SIGNATURE: &str = "c2NyaXB0ZWQ=";

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
    pub(super) stop_reason: Option<&'static str>,
}

/// A reply that was cut short, and what has to be closed.
#[derive(Debug, Default)]
pub(super) struct Cut {
    /// Calls that were made and will not run.
    pub(super) calls: Vec<ToolCall>,
    pub(super) text: Option<String>,
    message: Option<OpenMessage>,
}

#[derive(Debug, Clone)]
struct OpenMessage {
    id: String,
    request_id: String,
    /// Index of the block that is open or comes next.
    index: u64,
    /// Whether the open block's partial text was kept.
    kept_partial: bool,
    output_bytes: u64,
}

impl OpenMessage {
    fn usage(&self) -> Usage {
        Usage { input_tokens: INPUT_TOKENS, output_tokens: self.output_bytes / BYTES_PER_TOKEN + 1 }
    }
}

/// Marker: the engine wants this turn to stop streaming.
struct Wanted;

/// A reply on its way out.
struct Stream<'a> {
    context: &'a TurnContext,
    /// Whether this reply binds the turn to its prompts.
    binds_prompts: bool,
    bound_line: bool,
    message: Option<OpenMessage>,
    calls: Vec<ToolCall>,
    text: Option<String>,
}

pub(super) async fn stream(
    context: &TurnContext,
    parts: Vec<Part>,
    binds_prompts: bool,
) -> Result<Streamed, Cut> {
    let mut stream =
        Stream { context, binds_prompts, bound_line: false, message: None, calls: Vec::new(), text: None };
    for part in parts {
        let said = match part {
            Part::Text { deltas, .. } | Part::Thinking { deltas } if deltas.is_empty() => Ok(()),
            Part::Text { deltas, gap } => stream.text(&deltas, gap).await,
            Part::Thinking { deltas } => stream.thinking(&deltas).await,
            Part::Call { name, input } => stream.call(name, input).await,
            Part::Pause { ms } => stream.pause(ms).await,
            Part::Raw(line) => {
                context.line(line).await;
                Ok(())
            }
        };
        if said.is_err() {
            stream.report_usage().await;
            return Err(Cut { calls: stream.calls, text: stream.text, message: stream.message });
        }
    }
    Ok(stream.finish().await)
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
    fn shows_partials(&self) -> bool {
        self.partial && self.scribe.delegate.is_none()
    }

    /// Whether text is wanted from this speaker at all.
    fn shows_text(&self) -> bool {
        self.scribe.delegate.is_none() || self.forward_subagent_text
    }

    fn gap_ms(&self, gap: Gap) -> u64 {
        match gap {
            Gap::Pace => self.pace.delta_ms,
            Gap::Ms(ms) => ms,
        }
    }
}

impl Stream<'_> {
    /// The message's state; starts the message if this is its first block.
    async fn open(&mut self) -> &mut OpenMessage {
        if self.message.is_none() {
            let world = &self.context.scribe.world;
            let message = OpenMessage {
                id: format!("msg_{}", world.token(24)),
                request_id: format!("req_{}", world.token(24)),
                index: 0,
                kept_partial: false,
                output_bytes: 0,
            };
            let start = self.context.scribe.message_start(&message.id, message.usage());
            let line = self.context.scribe.stream_event(&message.id, &start).with("ttft_ms", &0);
            self.message = Some(message);
            let line = self.bind(line);
            self.partial(line).await;
        }
        self.message.as_mut().expect("opened just above")
    }

    /// The prompts this turn answers, on the first lines of the turn.
    fn bind(&self, line: Object) -> Object {
        let prompts = &self.context.prompt_uuids;
        match prompts.last().filter(|_| self.binds_prompts) {
            Some(last) => line.with("user_message_uuid", last).with("user_message_uuids", prompts),
            None => line,
        }
    }

    async fn partial(&self, line: Object) {
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

    async fn start_block(&mut self, block: Value) -> u64 {
        let index = self.open().await.index;
        self.event(json!({"type": "content_block_start", "index": index, "content_block": block})).await;
        index
    }

    async fn delta(&mut self, index: u64, delta: Value, bytes: usize) {
        self.open().await.output_bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
        self.event(json!({"type": "content_block_delta", "index": index, "delta": delta})).await;
    }

    /// The committed block, then its stop event: readers rely on this order.
    async fn end_block(&mut self, block: &Block) {
        self.commit(block, false).await;
        let index = self.open().await.index;
        self.event(json!({"type": "content_block_stop", "index": index})).await;
        self.open().await.index += 1;
    }

    async fn commit(&mut self, block: &Block, aborted: bool) {
        let message = self.open().await.clone();
        let mut line =
            self.context.scribe.assistant(&message.id, &message.request_id, block, message.usage());
        if aborted {
            line = line.with("aborted", &true);
        }
        if !self.bound_line {
            self.bound_line = true;
            line = self.bind(line);
        }
        let shown = matches!(block, Block::ToolUse { .. }) || self.context.shows_text();
        if shown {
            self.context.line(line.to_line()).await;
        }
    }

    async fn text(&mut self, deltas: &[String], gap: Gap) -> Result<(), Wanted> {
        let index = self.start_block(json!({"type": "text", "text": ""})).await;
        let gap_ms = self.context.gap_ms(gap);
        let mut text = String::new();
        for delta in deltas {
            if !self.context.pause(gap_ms).await {
                return self.keep_partial(text).await;
            }
            text.push_str(delta);
            self.delta(index, json!({"type": "text_delta", "text": delta}), delta.len()).await;
        }
        self.text = Some(text.clone());
        self.end_block(&Block::Text { text }).await;
        Ok(())
    }

    async fn keep_partial(&mut self, text: String) -> Result<(), Wanted> {
        if !text.is_empty() {
            self.text = Some(text.clone());
            self.commit(&Block::Text { text }, true).await;
            self.open().await.kept_partial = true;
        }
        Err(Wanted)
    }

    async fn thinking(&mut self, deltas: &[String]) -> Result<(), Wanted> {
        let index = self.start_block(json!({"type": "thinking", "thinking": "", "signature": ""})).await;
        let mut bytes = 0;
        for delta in deltas {
            self.pause(self.context.pace.delta_ms).await?;
            let before = bytes / BYTES_PER_TOKEN;
            bytes += u64::try_from(delta.len()).unwrap_or(u64::MAX);
            let tokens = bytes / BYTES_PER_TOKEN;
            let estimate = self.context.scribe.system("thinking_tokens");
            self.partial(
                estimate.with("estimated_tokens", &tokens).with("estimated_tokens_delta", &(tokens - before)),
            )
            .await;
            self.delta(index, json!({"type": "thinking_delta", "thinking": delta}), delta.len()).await;
        }
        self.delta(index, json!({"type": "signature_delta", "signature": SIGNATURE}), 0).await;
        self.end_block(&Block::Thinking { thinking: deltas.concat(), signature: SIGNATURE }).await;
        Ok(())
    }

    async fn call(&mut self, name: String, input: Box<RawValue>) -> Result<(), Wanted> {
        self.pause(0).await?;
        let id = format!("toolu_{}", self.context.scribe.world.token(24));
        let index = self.start_block(json!({"type": "tool_use", "id": id, "name": name, "input": {}})).await;
        let pieces = std::iter::once("").chain(pieces(input.get()));
        for piece in pieces {
            self.delta(index, json!({"type": "input_json_delta", "partial_json": piece}), piece.len()).await;
        }
        let block = Block::ToolUse { id: id.clone(), name: name.clone(), input: input.clone() };
        self.end_block(&block).await;
        self.calls.push(ToolCall { id, name, input });
        Ok(())
    }

    async fn pause(&mut self, ms: u64) -> Result<(), Wanted> {
        if self.context.pause(ms).await { Ok(()) } else { Err(Wanted) }
    }

    async fn finish(mut self) -> Streamed {
        let stop_reason = match (&self.message, self.calls.is_empty()) {
            (None, _) => None,
            (Some(_), true) => Some("end_turn"),
            (Some(_), false) => Some("tool_use"),
        };
        if let Some(usage) = self.message.as_ref().map(OpenMessage::usage) {
            let delta = json!({"stop_reason": stop_reason, "stop_sequence": null});
            self.event(json!({"type": "message_delta", "delta": delta, "usage": usage.to_json()})).await;
            self.event(json!({"type": "message_stop"})).await;
        }
        self.report_usage().await;
        Streamed { calls: self.calls, text: self.text, stop_reason }
    }

    async fn report_usage(&self) {
        if let Some(message) = &self.message {
            self.context.tell(TurnEvent::Used(message.usage())).await;
        }
    }
}

/// A tool's input in a few pieces, cut at characters.
fn pieces(input: &str) -> impl Iterator<Item = &str> {
    let middle = prose::boundary(input, input.len() / INPUT_PIECES);
    let (head, tail) = input.split_at(middle);
    [head, tail].into_iter().filter(|piece| !piece.is_empty())
}
