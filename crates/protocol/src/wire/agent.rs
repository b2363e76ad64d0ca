//! What agents write, as far as a client draws it. A typed view is made from the raw event and thrown away after the
//! fold: the raw text stays the truth, so unknown types, fields and enum values survive by never being touched. A
//! field of another shape than expected reads as absent, so that one odd field never hides a whole line.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::json::{JsonError, RawJson, lenient_bool, lenient_string};

/// One event of an agent.
#[derive(Clone, Debug)]
pub enum Message {
    /// A prompt, its replay, a tool's result, a marker.
    User(Box<User>),
    /// One finished content block (or several).
    Assistant(Box<Assistant>),
    /// A piece of a message while it is made.
    Stream(Box<Stream>),
    /// The end of a turn.
    Result(Box<TurnResult>),
    /// Everything around it.
    System(Box<System>),
    /// What became of a prompt.
    Lifecycle(Lifecycle),
    /// A tool still runs.
    ToolProgress(ToolProgress),
    /// A request, its answer, or its withdrawal.
    Control(Box<Control>),
    /// One of the small kinds at the top level that are a line of text or a fact.
    Aside(Box<Aside>),
    /// Known or unknown, nothing a transcript shows.
    Other(String),
}

impl Message {
    /// Reads one event.
    ///
    /// # Errors
    /// [`JsonError`] when it has no `type`, or a known type with a shape that cannot be drawn.
    pub fn parse(event: &RawJson) -> Result<Self, JsonError> {
        #[derive(Deserialize)]
        struct Kind<'a> {
            #[serde(rename = "type", borrow)]
            kind: Cow<'a, str>,
        }
        let Kind { kind } = serde_json::from_str(event.as_str()).map_err(|_| JsonError::NoType)?;
        Ok(match kind.as_ref() {
            "user" => Self::User(event.read()?),
            "assistant" => Self::Assistant(event.read()?),
            "stream_event" => Self::Stream(event.read()?),
            "result" => Self::Result(event.read()?),
            "system" => Self::System(event.read()?),
            "command_lifecycle" => Self::Lifecycle(event.read()?),
            "tool_progress" => Self::ToolProgress(event.read()?),
            "control_request" | "control_response" | "control_cancel_request" => Self::Control(event.read()?),
            "auth_status"
            | "conversation_reset"
            | "prompt_suggestion"
            | "rate_limit_event"
            | "streamlined_text"
            | "streamlined_tool_use_summary"
            | "tool_use_summary" => Self::Aside(event.read()?),
            _ => Self::Other(kind.into_owned()),
        })
    }
}

/// Reads a `T`, and anything of another shape as "none".
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(RawJson::deserialize(deserializer)?.read().ok())
}

/// A `user` line.
#[derive(Clone, Debug, Deserialize)]
pub struct User {
    /// What was said.
    pub message: UserMessage,
    /// The line's own id; a prompt's id when it repeats one.
    #[serde(default, deserialize_with = "lenient_string")]
    pub uuid: Option<String>,
    /// Set on lines of a sub-agent.
    #[serde(default, deserialize_with = "lenient_string")]
    pub parent_tool_use_id: Option<String>,
    /// Repeats a prompt.
    #[serde(default, rename = "isReplay", deserialize_with = "lenient_bool")]
    pub is_replay: bool,
    /// Written by the agent itself.
    #[serde(default, rename = "isSynthetic", deserialize_with = "lenient_bool")]
    pub is_synthetic: bool,
    /// A tool's structured output, or a plain string on failure.
    #[serde(default)]
    pub tool_use_result: Option<RawJson>,
    /// Tells "denied" from "ran and failed".
    #[serde(default, deserialize_with = "lenient")]
    pub tool_result_meta: Option<Vec<ToolResultMeta>>,
    /// An inner call of a wrapping tool: never shown.
    #[serde(default, rename = "isVirtual", deserialize_with = "lenient_bool")]
    pub is_virtual: bool,
    /// Who said it, when it was not a person.
    #[serde(default, deserialize_with = "lenient")]
    pub origin: Option<Origin>,
}

/// Who began something.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Origin {
    /// `human`, `task-notification`, `peer`, …
    #[serde(default, deserialize_with = "lenient_string")]
    pub kind: Option<String>,
}

/// The message of a `user` line.
#[derive(Clone, Debug, Deserialize)]
pub struct UserMessage {
    /// A string or blocks.
    pub content: Content,
}

/// How a tool result came about.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ToolResultMeta {
    /// The tool call.
    #[serde(default)]
    pub id: String,
    /// Set when the tool did not run.
    #[serde(default, deserialize_with = "lenient_string")]
    pub non_execution_kind: Option<String>,
    /// Set when somebody, or a rule, decided.
    #[serde(default, deserialize_with = "lenient")]
    pub permission_decision: Option<PermissionDecision>,
}

/// What was decided about a tool call.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct PermissionDecision {
    /// `accept` or `reject`.
    #[serde(default, deserialize_with = "lenient_string")]
    pub decision: Option<String>,
}

/// A string, or blocks.
#[derive(Clone, Debug)]
pub enum Content {
    /// Plain text.
    Text(String),
    /// Blocks, unread.
    Blocks(Vec<RawJson>),
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawJson::deserialize(deserializer)?;
        Ok(match raw.as_str().as_bytes().first() {
            Some(b'"') => Self::Text(raw.read().map_err(serde::de::Error::custom)?),
            Some(b'[') => Self::Blocks(raw.read().map_err(serde::de::Error::custom)?),
            _ => Self::Blocks(vec![]),
        })
    }
}

impl Content {
    /// The blocks, a plain string as one text block. Blocks that cannot be read are kept as [`Block::Other`].
    #[must_use]
    pub fn blocks(&self) -> Vec<Block> {
        match self {
            Self::Text(text) => vec![Block::Text { text: text.clone() }],
            Self::Blocks(blocks) => blocks.iter().map(Block::parse).collect(),
        }
    }

    /// All text in it, blocks joined by line breaks.
    #[must_use]
    pub fn text(&self) -> String {
        let texts = self.blocks().into_iter().filter_map(|block| match block {
            Block::Text { text } => Some(text),
            Block::Thinking { .. }
            | Block::RedactedThinking
            | Block::ToolUse { .. }
            | Block::ToolResult { .. } => None,
            Block::Image | Block::Other(_) => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }
}

/// One content block.
#[derive(Clone, Debug)]
pub enum Block {
    /// Text.
    Text { text: String },
    /// Thinking; the text may be empty.
    Thinking { thinking: String },
    /// Thinking nobody may read.
    RedactedThinking,
    /// A tool call, of a client's or a server's tool.
    ToolUse { id: String, name: String, input: RawJson },
    /// A tool's result.
    ToolResult { tool_use_id: String, content: Option<Content>, is_error: bool },
    /// An image.
    Image,
    /// Anything else, by its type.
    Other(String),
}

impl Block {
    /// Reads one block; what cannot be read becomes [`Block::Other`].
    #[must_use]
    pub fn parse(raw: &RawJson) -> Self {
        #[derive(Deserialize)]
        struct Fields {
            #[serde(rename = "type")]
            kind: String,
            #[serde(default, deserialize_with = "lenient_string")]
            text: Option<String>,
            #[serde(default, deserialize_with = "lenient_string")]
            thinking: Option<String>,
            #[serde(default, deserialize_with = "lenient_string")]
            id: Option<String>,
            #[serde(default, deserialize_with = "lenient_string")]
            name: Option<String>,
            #[serde(default)]
            input: Option<RawJson>,
            #[serde(default, deserialize_with = "lenient_string")]
            tool_use_id: Option<String>,
            #[serde(default)]
            content: Option<RawJson>,
            #[serde(default, deserialize_with = "lenient_bool")]
            is_error: bool,
        }
        let Ok(fields) = raw.read::<Fields>() else { return Self::Other(String::new()) };
        match (fields.kind.as_str(), fields.id, fields.name, fields.tool_use_id) {
            ("text", ..) => Self::Text { text: fields.text.unwrap_or_default() },
            ("thinking", ..) => Self::Thinking { thinking: fields.thinking.unwrap_or_default() },
            ("redacted_thinking", ..) => Self::RedactedThinking,
            ("image", ..) => Self::Image,
            ("tool_use" | "server_tool_use" | "mcp_tool_use", Some(id), Some(name), _) => {
                Self::ToolUse { id, name, input: fields.input.unwrap_or_else(RawJson::null) }
            }
            (kind, _, _, Some(tool_use_id)) if kind.ends_with("tool_result") => Self::ToolResult {
                tool_use_id,
                content: fields.content.and_then(|content| content.read().ok()),
                is_error: fields.is_error,
            },
            (kind, ..) => Self::Other(kind.to_owned()),
        }
    }
}

/// An `assistant` line.
#[derive(Clone, Debug, Deserialize)]
pub struct Assistant {
    /// The API message, with the finished block.
    pub message: AssistantMessage,
    /// The line's own id.
    #[serde(default, deserialize_with = "lenient_string")]
    pub uuid: Option<String>,
    /// Set on lines of a sub-agent.
    #[serde(default, deserialize_with = "lenient_string")]
    pub parent_tool_use_id: Option<String>,
    /// The line tells of an error of the model's API.
    #[serde(default, deserialize_with = "lenient_string")]
    pub error: Option<String>,
    /// Cut by an interrupt.
    #[serde(default, deserialize_with = "lenient_bool")]
    pub aborted: bool,
    /// Prompts this answers, on the first line of a turn.
    #[serde(default, deserialize_with = "lenient")]
    pub user_message_uuids: Option<Vec<String>>,
    /// Earlier lines that this one replaces.
    #[serde(default, deserialize_with = "lenient")]
    pub supersedes: Option<Vec<String>>,
    /// An inner call of a wrapping tool: never shown.
    #[serde(default, rename = "isVirtual", deserialize_with = "lenient_bool")]
    pub is_virtual: bool,
}

/// The API message of an `assistant` line.
#[derive(Clone, Debug, Deserialize)]
pub struct AssistantMessage {
    /// Shared by all lines of one response.
    #[serde(default)]
    pub id: String,
    /// The block, as an array of one; or several.
    pub content: Content,
}

/// A `stream_event` line.
#[derive(Clone, Debug, Deserialize)]
pub struct Stream {
    /// The event of the Messages API.
    pub event: StreamEvent,
    /// The message it belongs to.
    #[serde(default, deserialize_with = "lenient_string")]
    pub api_message_id: Option<String>,
    /// Set on a sub-agent's stream.
    #[serde(default, deserialize_with = "lenient_string")]
    pub parent_tool_use_id: Option<String>,
    /// On a closing event: blocks that will never be finished.
    #[serde(default, deserialize_with = "lenient")]
    pub abandoned_blocks: Option<AbandonedBlocks>,
}

/// Blocks that will never be finished.
#[derive(Clone, Debug, Deserialize)]
pub struct AbandonedBlocks {
    /// This one and all after it.
    pub from_block_index: usize,
}

/// An event of the Messages API.
#[derive(Clone, Debug, Deserialize)]
pub struct StreamEvent {
    /// `message_start`, `content_block_delta`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// Index of the block.
    #[serde(default)]
    pub index: Option<usize>,
    /// With `message_start`.
    #[serde(default)]
    pub message: Option<StreamMessage>,
    /// With `content_block_start`.
    #[serde(default)]
    pub content_block: Option<RawJson>,
    /// With `content_block_delta`.
    #[serde(default)]
    pub delta: Option<Delta>,
}

/// The message that starts.
#[derive(Clone, Debug, Deserialize)]
pub struct StreamMessage {
    /// Its id.
    #[serde(default)]
    pub id: String,
}

/// A piece of a block.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Delta {
    /// With `text_delta`.
    #[serde(default, deserialize_with = "lenient_string")]
    pub text: Option<String>,
    /// With `thinking_delta`.
    #[serde(default, deserialize_with = "lenient_string")]
    pub thinking: Option<String>,
    /// With `input_json_delta`: a fragment; parse only when joined.
    #[serde(default, deserialize_with = "lenient_string")]
    pub partial_json: Option<String>,
}

/// A `result` line.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct TurnResult {
    /// `success`, `error_during_execution`, `error_max_turns`, …
    #[serde(default)]
    pub subtype: String,
    /// May be set on `success` too.
    #[serde(default, deserialize_with = "lenient_bool")]
    pub is_error: bool,
    /// Duration in ms.
    #[serde(default, deserialize_with = "lenient")]
    pub duration_ms: Option<f64>,
    /// Running total in US dollars: the latest counts, never the sum.
    #[serde(default, deserialize_with = "lenient")]
    pub total_cost_usd: Option<f64>,
    /// Steps of the turn.
    #[serde(default, deserialize_with = "lenient")]
    pub num_turns: Option<f64>,
    /// Why the turn ended.
    #[serde(default, deserialize_with = "lenient_string")]
    pub terminal_reason: Option<String>,
    /// The final text, or the error's.
    #[serde(default, deserialize_with = "lenient_string")]
    pub result: Option<String>,
    /// Diagnostics.
    #[serde(default, deserialize_with = "lenient")]
    pub errors: Option<Vec<String>>,
    /// Tokens of the main loop in this turn.
    #[serde(default, deserialize_with = "lenient")]
    pub usage: Option<Value>,
    /// Running totals by model.
    #[serde(default, rename = "modelUsage")]
    pub model_usage: Option<Value>,
    /// Turns that follow by themselves.
    #[serde(default, deserialize_with = "lenient")]
    pub queued_turn_count: Option<f64>,
    /// Who began the turn, when it was not a prompt.
    #[serde(default, deserialize_with = "lenient")]
    pub origin: Option<Origin>,
    /// Calls that were not allowed to run.
    #[serde(default, deserialize_with = "lenient")]
    pub permission_denials: Option<Vec<Denial>>,
}

/// A call that was not allowed to run.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Denial {
    /// The call.
    #[serde(default, deserialize_with = "lenient_string")]
    pub tool_use_id: Option<String>,
}

impl TurnResult {
    /// Whether the agent failed before it did anything, so that its totals are zeros that mean nothing.
    #[must_use]
    pub fn never_ran(&self) -> bool {
        self.subtype == "error_during_execution"
            && self.num_turns == Some(0.0)
            && self.total_cost_usd == Some(0.0)
    }

    /// Whether somebody stopped the turn.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        matches!(self.terminal_reason.as_deref(), Some("aborted_streaming" | "aborted_tools"))
    }
}

/// A `system` line: the fields that are shown, of all subtypes together.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct System {
    /// Which one.
    #[serde(default)]
    pub subtype: String,
    /// `input_edited`, written by the bridge: what ran in the place of the agent's input.
    #[serde(default)]
    pub input: Option<RawJson>,
    /// `input_edited`: who put it there.
    #[serde(default, deserialize_with = "lenient_string")]
    pub edited_by: Option<String>,
    /// `init`: the model.
    #[serde(default, deserialize_with = "lenient_string")]
    pub model: Option<String>,
    /// `init`, `status`: the permission mode.
    #[serde(default, rename = "permissionMode", deserialize_with = "lenient_string")]
    pub permission_mode: Option<String>,
    /// `init`: the directory.
    #[serde(default, deserialize_with = "lenient_string")]
    pub cwd: Option<String>,
    /// `status`: `requesting`, `compacting`; task states.
    #[serde(default, deserialize_with = "lenient_string")]
    pub status: Option<String>,
    /// Text for people.
    #[serde(default, deserialize_with = "lenient_string")]
    pub content: Option<String>,
    /// `informational`: how loud.
    #[serde(default, deserialize_with = "lenient_string")]
    pub level: Option<String>,
    /// `notification`.
    #[serde(default, deserialize_with = "lenient_string")]
    pub text: Option<String>,
    /// `permission_denied`.
    #[serde(default, deserialize_with = "lenient_string")]
    pub message: Option<String>,
    /// `task_notification`.
    #[serde(default, deserialize_with = "lenient_string")]
    pub summary: Option<String>,
    /// `task_*`: the call it belongs to.
    #[serde(default, deserialize_with = "lenient_string")]
    pub tool_use_id: Option<String>,
    /// `session_title_changed`.
    #[serde(default, deserialize_with = "lenient_string")]
    pub title: Option<String>,
    /// `api_retry`: which try.
    #[serde(default, deserialize_with = "lenient")]
    pub attempt: Option<u32>,
    /// `api_retry`: of how many.
    #[serde(default, deserialize_with = "lenient")]
    pub max_retries: Option<u32>,
    /// `api_retry`: next one in ms.
    #[serde(default, deserialize_with = "lenient")]
    pub retry_delay_ms: Option<f64>,
    /// `api_retry`: status of the answer, absent when the connection was cut.
    #[serde(default, deserialize_with = "lenient")]
    pub error_status: Option<u16>,
    /// `api_retry` and others: what went wrong.
    #[serde(default, deserialize_with = "lenient_string")]
    pub error: Option<String>,
    /// `model_refusal_fallback`: lines to take back.
    #[serde(default, deserialize_with = "lenient")]
    pub retracted_message_uuids: Option<Vec<String>>,
    /// `delivery_unknown`: the prompt.
    #[serde(default, deserialize_with = "lenient_string")]
    pub message_uuid: Option<String>,
    /// `event_too_large`: how large.
    #[serde(default, deserialize_with = "lenient")]
    pub bytes: Option<u64>,
    /// The agent's own id of the conversation.
    #[serde(default, deserialize_with = "lenient_string")]
    pub session_id: Option<String>,
    /// `session_state_changed`: `idle`, `running`, `requires_action`.
    #[serde(default, deserialize_with = "lenient_string")]
    pub state: Option<String>,
    /// `status`: how compaction ended.
    #[serde(default, deserialize_with = "lenient_string")]
    pub compact_result: Option<String>,
    /// `status`: why it failed.
    #[serde(default, deserialize_with = "lenient_string")]
    pub compact_error: Option<String>,
    /// `compact_boundary`.
    #[serde(default, deserialize_with = "lenient")]
    pub compact_metadata: Option<CompactMetadata>,
    /// `task_*`: the task.
    #[serde(default, deserialize_with = "lenient_string")]
    pub task_id: Option<String>,
    /// `task_started`: `local_bash`, `local_agent`, …
    #[serde(default, deserialize_with = "lenient_string")]
    pub task_type: Option<String>,
    /// `task_*`: what it does.
    #[serde(default, deserialize_with = "lenient_string")]
    pub description: Option<String>,
    /// `task_started`: runs on while the agent does something else.
    #[serde(default, deserialize_with = "lenient_bool")]
    pub is_backgrounded: bool,
    /// `task_*`: of the agent's own making, nothing a person waits for.
    #[serde(default, deserialize_with = "lenient_bool")]
    pub ambient: bool,
    /// `task_*`: not for the transcript.
    #[serde(default, deserialize_with = "lenient_bool")]
    pub skip_transcript: bool,
    /// `task_updated`: what is different.
    #[serde(default, deserialize_with = "lenient")]
    pub patch: Option<TaskPatch>,
    /// `task_progress`, `task_notification`: what it took so far.
    #[serde(default, deserialize_with = "lenient")]
    pub usage: Option<TaskUsage>,
    /// `task_progress`: the tool it used last.
    #[serde(default, deserialize_with = "lenient_string")]
    pub last_tool_name: Option<String>,
    /// `background_tasks_changed`: all of them.
    #[serde(default, deserialize_with = "lenient")]
    pub tasks: Option<Vec<ListedTask>>,
}

/// What a compaction did.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct CompactMetadata {
    /// `manual` or `auto`.
    #[serde(default, deserialize_with = "lenient_string")]
    pub trigger: Option<String>,
    /// Tokens before.
    #[serde(default, deserialize_with = "lenient")]
    pub pre_tokens: Option<u64>,
    /// Tokens after.
    #[serde(default, deserialize_with = "lenient")]
    pub post_tokens: Option<u64>,
}

/// What is different about a task.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct TaskPatch {
    /// `pending`, `running`, `completed`, `failed`, `killed`, `paused`.
    #[serde(default, deserialize_with = "lenient_string")]
    pub status: Option<String>,
    /// What it does.
    #[serde(default, deserialize_with = "lenient_string")]
    pub description: Option<String>,
    /// Why it failed.
    #[serde(default, deserialize_with = "lenient_string")]
    pub error: Option<String>,
    /// Was sent to the background, or fetched back.
    #[serde(default, deserialize_with = "lenient")]
    pub is_backgrounded: Option<bool>,
}

/// What a task took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct TaskUsage {
    /// Tokens.
    #[serde(default, deserialize_with = "lenient")]
    pub total_tokens: Option<u64>,
    /// Tool calls.
    #[serde(default, deserialize_with = "lenient")]
    pub tool_uses: Option<u64>,
    /// Time in ms.
    #[serde(default, deserialize_with = "lenient")]
    pub duration_ms: Option<u64>,
}

/// A task in the list of those in the background.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ListedTask {
    /// Its id.
    #[serde(default)]
    pub task_id: String,
    /// `local_bash`, `local_agent`, …
    #[serde(default, deserialize_with = "lenient_string")]
    pub task_type: Option<String>,
    /// What it does.
    #[serde(default, deserialize_with = "lenient_string")]
    pub description: Option<String>,
    /// Of the agent's own making, nothing a person waits for.
    #[serde(default, deserialize_with = "lenient_bool")]
    pub ambient: bool,
}

/// A `tool_progress` line.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ToolProgress {
    /// The call; of a heartbeat an id made from it.
    #[serde(default, deserialize_with = "lenient_string")]
    pub tool_use_id: Option<String>,
    /// The sub-agent's call; of a heartbeat the call itself.
    #[serde(default, deserialize_with = "lenient_string")]
    pub parent_tool_use_id: Option<String>,
    /// Whether it only says that the tool still runs.
    #[serde(default, deserialize_with = "lenient_bool")]
    pub heartbeat: bool,
    /// Running for so long, in s.
    #[serde(default, deserialize_with = "lenient")]
    pub elapsed_time_seconds: Option<f64>,
}

/// A `control_request`, `control_response` or `control_cancel_request`, as far as the working state needs it.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Control {
    /// Which of the three.
    #[serde(rename = "type")]
    pub kind: String,
    /// Correlation id of a request or a cancel.
    #[serde(default, deserialize_with = "lenient_string")]
    pub request_id: Option<String>,
    /// What is asked.
    #[serde(default, deserialize_with = "lenient")]
    pub request: Option<ControlBody>,
    /// What was answered.
    #[serde(default, deserialize_with = "lenient")]
    pub response: Option<ControlBody>,
}

/// Ids inside a control message.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ControlBody {
    /// What kind of request.
    #[serde(default, deserialize_with = "lenient_string")]
    pub subtype: Option<String>,
    /// Correlation id of an answer.
    #[serde(default, deserialize_with = "lenient_string")]
    pub request_id: Option<String>,
    /// The call that waits.
    #[serde(default, deserialize_with = "lenient_string")]
    pub tool_use_id: Option<String>,
}

/// The small kinds at the top level, their fields together.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Aside {
    /// Which one.
    #[serde(rename = "type")]
    pub kind: String,
    /// `prompt_suggestion`.
    #[serde(default, deserialize_with = "lenient_string")]
    pub suggestion: Option<String>,
    /// `streamlined_text`.
    #[serde(default, deserialize_with = "lenient_string")]
    pub text: Option<String>,
    /// `tool_use_summary`.
    #[serde(default, deserialize_with = "lenient_string")]
    pub summary: Option<String>,
    /// `streamlined_tool_use_summary`.
    #[serde(default, deserialize_with = "lenient_string")]
    pub tool_summary: Option<String>,
    /// `auth_status`: what went wrong.
    #[serde(default, deserialize_with = "lenient_string")]
    pub error: Option<String>,
    /// `rate_limit_event`.
    #[serde(default, deserialize_with = "lenient")]
    pub rate_limit_info: Option<RateLimit>,
}

/// Where an account stands.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct RateLimit {
    /// `allowed`, `allowed_warning` or `rejected`.
    #[serde(default, deserialize_with = "lenient_string")]
    pub status: Option<String>,
}

/// What became of a prompt.
#[derive(Clone, Debug, Deserialize)]
pub struct Lifecycle {
    /// The prompt.
    pub command_uuid: String,
    /// `queued`, `started`, `completed` or `cancelled`.
    pub state: String,
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn keeps_the_text_of_a_tools_input() {
        let event = r#"{"type":"assistant","message":{"id":"m","content":[{"type":"tool_use","id":"t","name":"X","input":{"z":1.0,"a":12345678901234567890123}}]}}"#;
        let Ok(Message::Assistant(line)) = Message::parse(&RawJson::parse(event).unwrap()) else {
            panic!("no assistant")
        };
        let [Block::ToolUse { input, .. }] = &line.message.content.blocks()[..] else {
            panic!("no tool use")
        };
        assert_eq!(input.as_str(), r#"{"z":1.0,"a":12345678901234567890123}"#);
    }

    #[test]
    fn odd_shapes_never_fail_where_the_world_is_open() {
        for text in [
            r#"{"type":"a_future_type","anything":[null]}"#,
            r#"{"type":"system","subtype":7}"#,
            r#"{"type":"user","message":{"content":null}}"#,
            r#"{"type":"assistant","message":{"content":[{"type":"hologram"},5,null,{"type":"tool_use"}]}}"#,
        ] {
            let _ = Message::parse(&RawJson::parse(text).unwrap());
        }
        assert!(matches!(Block::parse(&RawJson::parse("5").unwrap()), Block::Other(_)));
    }
}
