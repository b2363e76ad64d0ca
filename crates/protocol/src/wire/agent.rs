//! What agents write, as far as a client draws it. A typed view is made from the raw event and thrown away after the
//! fold: the raw text stays the truth, so unknown types, fields and enum values survive by never being touched.

use serde::Deserialize;
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
    /// Known or unknown, nothing a transcript shows.
    Other(String),
}

impl Message {
    /// Reads one event.
    ///
    /// # Errors
    /// [`JsonError`] when it has no `type`, or a known type with a shape that cannot be drawn.
    pub fn parse(event: &RawJson) -> Result<Self, JsonError> {
        let header = event.header()?;
        Ok(match header.kind.as_str() {
            "user" => Self::User(event.read()?),
            "assistant" => Self::Assistant(event.read()?),
            "stream_event" => Self::Stream(event.read()?),
            "result" => Self::Result(event.read()?),
            "system" => Self::System(event.read()?),
            "command_lifecycle" => Self::Lifecycle(event.read()?),
            _ => Self::Other(header.kind),
        })
    }
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
    #[serde(default)]
    pub tool_result_meta: Option<Vec<ToolResultMeta>>,
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
    #[serde(default)]
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
    #[serde(default)]
    pub user_message_uuids: Option<Vec<String>>,
    /// Earlier lines that this one replaces.
    #[serde(default)]
    pub supersedes: Option<Vec<String>>,
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
    /// On a closing event: blocks that will never be finished.
    #[serde(default)]
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
    #[serde(default)]
    pub duration_ms: Option<f64>,
    /// Running total in US dollars: the latest counts, never the sum.
    #[serde(default)]
    pub total_cost_usd: Option<f64>,
    /// Why the turn ended.
    #[serde(default, deserialize_with = "lenient_string")]
    pub terminal_reason: Option<String>,
    /// The final text, or the error's.
    #[serde(default, deserialize_with = "lenient_string")]
    pub result: Option<String>,
    /// Diagnostics.
    #[serde(default)]
    pub errors: Option<Vec<String>>,
    /// Tokens of the main loop in this turn.
    #[serde(default)]
    pub usage: Option<Value>,
    /// Running totals by model.
    #[serde(default, rename = "modelUsage")]
    pub model_usage: Option<Value>,
}

impl TurnResult {
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
    #[serde(default)]
    pub attempt: Option<u32>,
    /// `api_retry`: of how many.
    #[serde(default)]
    pub max_retries: Option<u32>,
    /// `api_retry`: next one in ms.
    #[serde(default)]
    pub retry_delay_ms: Option<f64>,
    /// `api_retry`: status of the answer, absent when the connection was cut.
    #[serde(default)]
    pub error_status: Option<u16>,
    /// `api_retry` and others: what went wrong.
    #[serde(default, deserialize_with = "lenient_string")]
    pub error: Option<String>,
    /// `model_refusal_fallback`: lines to take back.
    #[serde(default)]
    pub retracted_message_uuids: Option<Vec<String>>,
    /// `delivery_unknown`: the prompt.
    #[serde(default, deserialize_with = "lenient_string")]
    pub message_uuid: Option<String>,
    /// `event_too_large`: how large.
    #[serde(default)]
    pub bytes: Option<u64>,
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
