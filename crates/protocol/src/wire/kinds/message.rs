//! One message, of any kind, in either direction.

use super::assistant::Assistant;
use super::control::{CancelRequest, ControlRequest, ControlResponse};
use super::macros::tagged;
use super::other::{
    ActiveGoal, Auth, AuthStatus, CommandLifecycle, ConversationReset, KeepAlive, PromptSuggestion,
    RateLimitEvent, StreamlinedText, StreamlinedToolUseSummary, ToolProgress, ToolUseSummary,
    UpdateEnvironmentVariables,
};
use super::result::TurnResult;
use super::shape::Shape as _;
use super::stream::StreamEvent;
use super::system::System;
use super::user::User;
use crate::json::{JsonError, RawJson};

tagged! {
    /// One message: a line on stdio, a frame on a plain socket, an event of the log (PROTOCOL 1).
    pub enum Message by "type" {
        /// A prompt, its replay, a tool's result, a marker.
        "user" => User(User),
        /// One finished content block.
        "assistant" => Assistant(Assistant),
        /// A piece of a message while it is made.
        "stream_event" => StreamEvent(StreamEvent),
        /// The end of a turn.
        "result" => Result(TurnResult),
        /// Everything around it.
        "system" => System(System),
        /// A tool still runs.
        "tool_progress" => ToolProgress(ToolProgress),
        /// What a row of tool calls did.
        "tool_use_summary" => ToolUseSummary(ToolUseSummary),
        /// A login in progress.
        "auth_status" => AuthStatus(AuthStatus),
        /// A limit of the account.
        "rate_limit_event" => RateLimitEvent(RateLimitEvent),
        /// What one might say next.
        "prompt_suggestion" => PromptSuggestion(PromptSuggestion),
        /// The conversation begins anew.
        "conversation_reset" => ConversationReset(ConversationReset),
        /// The goal the agent works towards.
        "active_goal" => ActiveGoal(ActiveGoal),
        /// What became of a prompt.
        "command_lifecycle" => CommandLifecycle(CommandLifecycle),
        /// Nothing; the line is alive.
        "keep_alive" => KeepAlive(KeepAlive),
        /// Assistant text in a reduced output mode.
        "streamlined_text" => StreamlinedText(StreamlinedText),
        /// Tool calls in a reduced output mode.
        "streamlined_tool_use_summary" => StreamlinedToolUseSummary(StreamlinedToolUseSummary),
        /// Variables for the agent's process.
        "update_environment_variables" => UpdateEnvironmentVariables(UpdateEnvironmentVariables),
        /// Who a client is.
        "auth" => Auth(Auth),
        /// One side asks.
        "control_request" => ControlRequest(ControlRequest),
        /// The other answers.
        "control_response" => ControlResponse(ControlResponse),
        /// The asking side takes it back.
        "control_cancel_request" => CancelRequest(CancelRequest),
    }
}

impl Message {
    /// Reads one message. An unknown kind, or a known one that does not fit its type, is kept in [`Message::Other`].
    ///
    /// # Errors
    /// [`JsonError`] when this is above the limits of one event, or no object with a string `type`.
    pub fn parse(raw: &RawJson) -> Result<Self, JsonError> {
        // Measured again: text that came inside another one was only skipped over.
        RawJson::parse(raw.as_str())?.header()?;
        Self::read(raw.as_str()).map_err(|_| JsonError::NoType)
    }

    /// The message as JSON: what was read, in the order it was read.
    #[must_use]
    pub fn to_json(&self) -> RawJson {
        super::shape::Shape::to_json(self)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::wire::kinds::shape::Piece as _;
    use crate::wire::kinds::tools::ToolOutput;

    #[test]
    fn what_does_not_fit_its_kind_is_kept_whole() {
        let raw = RawJson::parse(r#"{"type":"user","content":[1.0]}"#).unwrap();
        let message = Message::parse(&raw).unwrap();
        assert_eq!((message.is_typed(), message.to_json()), (false, raw.clone()));
        assert_eq!(message, Message::Other(raw));
    }

    #[test]
    fn text_that_was_only_skipped_over_is_measured() {
        let block = r#"{"type":"tool_result","tool_use_id":"t","content":["#;
        let deep = format!("{}{}", block.repeat(100_000), "]}".repeat(100_000));
        let line = format!(r#"{{"type":"user","message":{{"role":"user","content":[{deep}]}}}}"#);
        let skipped: RawJson = serde_json::from_str(&line).unwrap();
        assert_eq!(Message::parse(&skipped), Err(JsonError::TooDeep));
        let output: RawJson = serde_json::from_str(&format!(r#"{{"content":[{deep}]}}"#)).unwrap();
        assert_eq!(ToolOutput::parse("Agent", &output), ToolOutput::Other(output));
    }
}
