//! Asks the model's API and passes its answer on while it comes. What fails in passing is asked again after a while,
//! also in the middle of an answer: what was said of it is then taken back.

use serde_json::{Value, json, value::RawValue};

use super::{
    TurnContext,
    streaming::{Cut, Stream, Streamed, Wanted},
};
use crate::{
    model::messages::{Answer, MessagesClient, failure::ApiFailure, jitter_ms},
    wire::{
        object::raw,
        scribe::{Block, Usage},
    },
};

/// How often a failed request is repeated.
pub(super) const RETRIES_MAX: u64 = 10;
/// No wait between two attempts grows longer, in milliseconds.
const RETRY_DELAY_MAX_MS: u64 = 32_000;
/// Longest answer, in bytes of text, thought and input; far above what any model says at once.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a block costs us beside its text, in bytes.
const BLOCK_BYTES: usize = 256;

/// Why there is no reply.
#[derive(Debug)]
pub(super) enum Broken {
    /// The engine wanted it cut.
    Cut(Box<Cut>),
    Failed(ApiFailure),
}

enum Interruption {
    Wanted,
    Failed(ApiFailure),
}

impl From<Wanted> for Interruption {
    fn from(_: Wanted) -> Self {
        Self::Wanted
    }
}

impl From<ApiFailure> for Interruption {
    fn from(failure: ApiFailure) -> Self {
        Self::Failed(failure)
    }
}

/// Asks until there is an answer, the failures are not passing ones, or they are too many.
pub(super) async fn listen(
    context: &TurnContext,
    client: &MessagesClient,
    body: &Value,
    binds_prompts: bool,
) -> Result<Streamed, Broken> {
    let mut stream = Stream::new(context, binds_prompts);
    let mut attempt = 0;
    loop {
        match hear(&mut stream, client, body).await {
            Ok(stop_reason) => return Ok(stream.finish(stop_reason).await),
            Err(Interruption::Wanted) => return Err(Broken::Cut(Box::new(stream.cut().await))),
            Err(Interruption::Failed(failure)) => {
                if !stream.is_silent() {
                    stream.abandon().await;
                }
                attempt += 1;
                if !failure.is_passing() || attempt > RETRIES_MAX {
                    let taken_back = stream.take_back_rest();
                    context.say_failure(&failure, &taken_back, binds_prompts).await;
                    return Err(Broken::Failed(failure));
                }
                if !retry(context, &failure, attempt).await {
                    return Err(Broken::Cut(Box::new(stream.cut().await)));
                }
            }
        }
    }
}

/// Announces the next attempt and waits for its time; false if the turn is stopped meanwhile.
async fn retry(context: &TurnContext, failure: &ApiFailure, attempt: u64) -> bool {
    let doublings = u32::try_from(attempt - 1).unwrap_or(u32::MAX);
    let base_ms =
        context.pace.retry_ms.saturating_mul(2_u64.saturating_pow(doublings)).min(RETRY_DELAY_MAX_MS);
    let own_ms = base_ms + jitter_ms(base_ms / 4, &context.scribe.world.token(8));
    let delay_ms = failure.retry_after_ms.unwrap_or(0).max(own_ms);
    context.report_retry(attempt, delay_ms, failure.status, failure.name()).await;
    context.pause(delay_ms).await
}

/// One attempt; gives the model's reason to stop.
async fn hear(
    stream: &mut Stream<'_>,
    client: &MessagesClient,
    body: &Value,
) -> Result<Option<String>, Interruption> {
    let context = stream.context;
    let mut answer = context.until_cut(client.ask(body)).await??;
    let mut ear = Ear { block: None, heard_bytes: 0, stop_reason: None };
    loop {
        let event = match context.until_cut(answer.next()).await {
            Ok(event) => event?,
            Err(wanted) => {
                if let Some(Building::Text(text)) = ear.block.take() {
                    stream.keep_partial(text).await;
                }
                return Err(wanted.into());
            }
        };
        match event {
            Some(event) if ear.take(stream, &answer, &event).await? => return Ok(ear.stop_reason),
            Some(_) => {}
            None => return Err(ApiFailure::connection("the answer broke off").into()),
        }
    }
}

/// What was heard of the block that is being said.
enum Building {
    Text(String),
    Thinking { thinking: String, signature: String },
    Call { id: String, name: String, json: String },
    Other(Value),
}

struct Ear {
    block: Option<Building>,
    heard_bytes: usize,
    stop_reason: Option<String>,
}

impl Ear {
    /// Takes one event; true at the end of the message.
    async fn take(
        &mut self,
        stream: &mut Stream<'_>,
        answer: &Answer,
        event: &Value,
    ) -> Result<bool, ApiFailure> {
        match event["type"].as_str() {
            Some("message_start") if stream.is_silent() => start(stream, answer, &event["message"]).await,
            Some("content_block_start") if !stream.is_silent() => {
                self.hear(event["content_block"].to_string().len() + BLOCK_BYTES)?;
                self.end_block(stream).await?;
                self.block = Building::of(&event["content_block"]);
                // A block that is none is passed over with all that is said of it.
                if self.block.is_some() {
                    stream.start_block(event["content_block"].clone()).await;
                }
            }
            Some("content_block_delta") => self.take_delta(stream, event).await?,
            Some("content_block_stop") => self.end_block(stream).await?,
            Some("message_delta") => {
                stream.count(&event["usage"]);
                self.stop_reason =
                    event["delta"]["stop_reason"].as_str().map(str::to_owned).or(self.stop_reason.take());
            }
            Some("message_stop") => {
                self.end_block(stream).await?;
                return Ok(true);
            }
            Some("error") => return Err(ApiFailure::from_body(None, event.to_string().as_bytes())),
            // Pings, and what later versions of the API add.
            Some(_) | None => {}
        }
        Ok(false)
    }

    /// Counts what was heard. An answer without end is not asked for again.
    fn hear(&mut self, bytes: usize) -> Result<(), ApiFailure> {
        self.heard_bytes += bytes;
        if self.heard_bytes <= ANSWER_BYTES_MAX {
            return Ok(());
        }
        let kind = Some("invalid_answer".to_owned());
        Err(ApiFailure { kind, ..ApiFailure::connection("the answer is too long") })
    }

    async fn take_delta(&mut self, stream: &mut Stream<'_>, event: &Value) -> Result<(), ApiFailure> {
        let delta = &event["delta"];
        let text = |key: &str| delta[key].as_str().unwrap_or_default();
        let piece = match delta["type"].as_str() {
            Some("text_delta") => text("text"),
            Some("input_json_delta") => text("partial_json"),
            Some("thinking_delta") => text("thinking"),
            Some("signature_delta") => text("signature"),
            Some(_) | None => "",
        };
        let before = self.heard_bytes;
        self.hear(piece.len())?;
        let is_thought = match (&mut self.block, delta["type"].as_str()) {
            (Some(Building::Text(text)), Some("text_delta")) => {
                text.push_str(piece);
                false
            }
            (Some(Building::Call { json, .. }), Some("input_json_delta")) => {
                json.push_str(piece);
                false
            }
            (Some(Building::Thinking { thinking, .. }), Some("thinking_delta")) => {
                thinking.push_str(piece);
                true
            }
            (Some(Building::Thinking { signature, .. }), Some("signature_delta")) => {
                signature.push_str(piece);
                false
            }
            (Some(_), _) => false,
            // A delta of no block has nowhere to go.
            (None, _) => return Ok(()),
        };
        if is_thought {
            stream.thought(before, self.heard_bytes).await;
        }
        stream.delta_of_open_block(delta.clone(), piece.len()).await;
        Ok(())
    }

    async fn end_block(&mut self, stream: &mut Stream<'_>) -> Result<(), ApiFailure> {
        let block = match self.block.take() {
            None => return Ok(()),
            Some(Building::Text(text)) => Block::Text { text },
            Some(Building::Thinking { thinking, signature }) => Block::Thinking { thinking, signature },
            Some(Building::Call { id, name, json }) => Block::ToolUse { id, name, input: input_of(json) },
            Some(Building::Other(block)) => Block::Other(block),
        };
        stream.end_block(block).await;
        Ok(())
    }
}

impl Building {
    /// `None` for a block without a type, and for a call that names no tool or has no id to answer under.
    fn of(block: &Value) -> Option<Self> {
        let text = |key: &str| block[key].as_str().unwrap_or_default().to_owned();
        let named = |key: &str| block[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        Some(match block["type"].as_str()? {
            "text" => Self::Text(text("text")),
            "thinking" => Self::Thinking { thinking: text("thinking"), signature: text("signature") },
            "tool_use" => Self::Call { id: named("id")?, name: named("name")?, json: String::new() },
            _ => Self::Other(block.clone()),
        })
    }
}

async fn start(stream: &mut Stream<'_>, answer: &Answer, message: &Value) {
    let world = &stream.context.scribe.world;
    let text = |key: &str| message[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let id = text("id").unwrap_or_else(|| format!("msg_{}", world.token(24)));
    let request_id = answer.request_id.clone().unwrap_or_else(|| format!("req_{}", world.token(24)));
    let model = text("model").unwrap_or_else(|| stream.context.scribe.model.to_string());
    let mut usage = Usage::default();
    usage.update(&message["usage"]);
    stream.start(&id, &request_id, &model, usage).await;
}

/// A tool's input as the model wrote it. What is no JSON object is kept as text, for the tool to refuse.
fn input_of(json: String) -> Box<RawValue> {
    let text = if json.trim().is_empty() { "{}".to_owned() } else { json };
    match RawValue::from_string(text) {
        Ok(input) => input,
        Err(_) => raw(&json!({"unreadable_input": "the model's input was no JSON"})),
    }
}
