//! What agents write, as far as a client draws it. A typed view is made from the raw event and thrown away after the
//! fold: the raw text stays the truth, so unknown types, fields and enum values survive by never being touched. A
//! field of another shape than expected reads as absent, so that one odd field never hides a whole line.
//!
//! Beside it stands [`wire::kinds`](super::kinds), and both are needed: that one is whole and gives back every line as
//! it came, this one is on the way of every event to the screen, so it walks a text once and copies only what is kept.

mod around;
mod block;
mod view;

use std::borrow::Cow;

pub use around::{
    Aside, CompactMetadata, Control, ControlBody, Denial, Lifecycle, ListedTask, RateLimit, System,
    TaskPatch, TaskUsage, ToolProgress, TurnResult, Usage,
};
pub use block::{Block, Content};

use crate::json::{JsonError, JsonRef, RawJson, Twice};
use view::view;

/// One event of an agent.
#[derive(Clone, Debug)]
pub enum Message<'a> {
    /// A prompt, its replay, a tool's result, a marker.
    User(Box<User<'a>>),
    /// One finished content block (or several).
    Assistant(Box<Assistant<'a>>),
    /// A piece of a message while it is made.
    Stream(Stream<'a>),
    /// The end of a turn.
    Result(Box<TurnResult<'a>>),
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

impl<'a> Message<'a> {
    /// Reads one event.
    ///
    /// # Errors
    /// [`JsonError`] when it has no `type`, or a known type with a shape that cannot be drawn.
    pub fn parse(event: &'a RawJson) -> Result<Self, JsonError> {
        let line = event.look();
        let kind = line.get("type").text().ok_or(JsonError::NoType)?;
        Ok(match kind.as_ref() {
            "user" => {
                let user = User::read(line)?;
                drawable(line, user.message.content)?;
                Self::User(Box::new(user))
            }
            "assistant" => {
                let assistant = Assistant::read(line)?;
                drawable(line, assistant.message.content)?;
                Self::Assistant(Box::new(assistant))
            }
            "stream_event" => Self::Stream(Stream::read(line)?),
            "result" => Self::Result(Box::new(TurnResult::read(line)?)),
            "system" => Self::System(Box::new(System::read(line)?)),
            "command_lifecycle" => Self::Lifecycle(Lifecycle::read(line)?),
            "tool_progress" => Self::ToolProgress(ToolProgress::read(line)?),
            "control_request" | "control_response" | "control_cancel_request" => {
                Self::Control(Box::new(Control::read(line)?))
            }
            "auth_status"
            | "conversation_reset"
            | "prompt_suggestion"
            | "rate_limit_event"
            | "streamlined_text"
            | "streamlined_tool_use_summary"
            | "tool_use_summary" => Self::Aside(Box::new(Aside::read(line)?)),
            _ => Self::Other(kind.into_owned()),
        })
    }
}

/// A line that should say something, and does not, cannot be drawn.
fn drawable(line: JsonRef<'_>, content: Content<'_>) -> Result<(), JsonError> {
    if !content.is_absent() {
        return Ok(());
    }
    let name = if line.get("message").is_object() { "content" } else { "message" };
    Err(JsonError::Syntax(format!("missing field `{name}` at line 1 column {}", line.as_str().len())))
}

impl From<Twice> for JsonError {
    fn from(Twice(name): Twice) -> Self {
        Self::Syntax(format!("duplicate field `{name}`"))
    }
}

view! {
    /// A `user` line.
    pub struct User<'a> {
        /// Chose this view, and stands once.
        kind as "type": (),
        /// What was said.
        message: UserMessage<'a>,
        /// The line's own id; a prompt's id when it repeats one.
        uuid: Option<String>,
        /// Set on lines of a sub-agent.
        parent_tool_use_id: Option<Cow<'a, str>>,
        /// Repeats a prompt.
        is_replay as "isReplay": bool,
        /// Written by the agent itself.
        is_synthetic as "isSynthetic": bool,
        /// A tool's structured output, or a plain string on failure.
        tool_use_result: JsonRef<'a>,
        /// Tells "denied" from "ran and failed".
        tool_result_meta: Vec<ToolResultMeta<'a>>,
        /// An inner call of a wrapping tool: never shown.
        is_virtual as "isVirtual": bool,
        /// Who said it, when it was not a person.
        origin: Option<Origin>,
        /// When it was written.
        timestamp: Option<Cow<'a, str>>,
        /// When an agent that works should hear of it.
        priority: Option<Cow<'a, str>>,
    }
}

view! {
    /// Who began something.
    pub struct Origin {
        /// `human`, `task-notification`, `peer`, …
        kind: Option<String>,
    }
}

view! {
    /// The message of a `user` line.
    pub struct UserMessage<'a> {
        /// A string or blocks.
        content: Content<'a>,
    }
}

view! {
    /// How a tool result came about.
    pub struct ToolResultMeta<'a> {
        /// The tool call.
        id: Option<Cow<'a, str>>,
        /// Set when the tool did not run.
        non_execution_kind: Option<Cow<'a, str>>,
        /// Set when somebody, or a rule, decided.
        permission_decision: PermissionDecision<'a>,
    }
}

view! {
    /// What was decided about a tool call.
    pub struct PermissionDecision<'a> {
        /// `accept` or `reject`.
        decision: Option<Cow<'a, str>>,
    }
}

view! {
    /// An `assistant` line.
    pub struct Assistant<'a> {
        /// Chose this view, and stands once.
        kind as "type": (),
        /// The API message, with the finished block.
        message: AssistantMessage<'a>,
        /// The line's own id.
        uuid: Option<Cow<'a, str>>,
        /// Set on lines of a sub-agent.
        parent_tool_use_id: Option<Cow<'a, str>>,
        /// The line tells of an error of the model's API.
        error: Option<Cow<'a, str>>,
        /// Cut by an interrupt.
        aborted: bool,
        /// Prompts this answers, on the first line of a turn.
        user_message_uuids: Vec<String>,
        /// Earlier lines that this one replaces.
        supersedes: Vec<String>,
        /// An inner call of a wrapping tool: never shown.
        is_virtual as "isVirtual": bool,
        /// When it was written.
        timestamp: Option<Cow<'a, str>>,
        /// How long the thought in it took, in ms.
        thinking_duration_ms: Option<f64>,
    }
}

view! {
    /// The API message of an `assistant` line.
    pub struct AssistantMessage<'a> {
        /// Shared by all lines of one response.
        id: Cow<'a, str>,
        /// The block, as an array of one; or several.
        content: Content<'a>,
    }
}

view! {
    /// A `stream_event` line. Nothing of it is copied.
    pub struct Stream<'a> {
        /// Chose this view, and stands once.
        kind as "type": (),
        /// The event of the Messages API.
        event: StreamEvent<'a>,
        /// The message it belongs to.
        api_message_id: Option<Cow<'a, str>>,
        /// Set on a sub-agent's stream.
        parent_tool_use_id: Option<Cow<'a, str>>,
        /// On a closing event: blocks that will never be finished.
        abandoned_blocks: AbandonedBlocks,
    }
}

view! {
    /// Blocks that will never be finished.
    pub struct AbandonedBlocks {
        /// This one and all after it.
        from_block_index: Option<usize>,
    }
}

view! {
    /// An event of the Messages API.
    pub struct StreamEvent<'a> {
        /// `message_start`, `content_block_delta`, …
        kind as "type": Cow<'a, str>,
        /// Index of the block.
        index: Option<usize>,
        /// With `message_start`.
        message: Option<StreamMessage<'a>>,
        /// With `content_block_start`.
        content_block: JsonRef<'a>,
        /// With `content_block_delta`.
        delta: Option<Delta<'a>>,
    }
}

view! {
    /// The message that starts.
    pub struct StreamMessage<'a> {
        /// Its id.
        id: Cow<'a, str>,
    }
}

view! {
    /// A piece of a block.
    pub struct Delta<'a> {
        /// With `text_delta`.
        text: Option<Cow<'a, str>>,
        /// With `thinking_delta`.
        thinking: Option<Cow<'a, str>>,
        /// With `input_json_delta`: a fragment; parse only when joined.
        partial_json: Option<Cow<'a, str>>,
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn keeps_the_text_of_a_tools_input() {
        let event = r#"{"type":"assistant","message":{"id":"m","content":[{"type":"tool_use","id":"t","name":"X","input":{"z":1.0,"a":12345678901234567890123}}]}}"#;
        let event = RawJson::parse(event).unwrap();
        let Ok(Message::Assistant(line)) = Message::parse(&event) else { panic!("no assistant") };
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
        assert!(matches!(Block::read(RawJson::parse("5").unwrap().look()), Block::Other(_)));
    }
}
