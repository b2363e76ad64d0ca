//! Hooks that run at the host, and MCP messages that pass through (PROTOCOL 8.4).

use crate::wire::kinds::macros::record;
use crate::wire::kinds::value::{Any, Count, Field, Flag, Text};

record! {
    /// A hook runs at the host (PROTOCOL 8.4, captured).
    pub struct HookCallback ["subtype" = "hook_callback"] {
        /// The hook, by the id `initialize` gave it.
        callback_id: Text,
        /// What happened.
        input: Field<HookInput>,
        /// The call.
        tool_use_id: Text,
    }
}

record! {
    /// What happened: the fields of all events together, in snake case (PROTOCOL 8.4, captured).
    pub struct HookInput [] {
        /// `PreToolUse`, `PostToolUse`, `UserPromptSubmit`, `Stop`, ….
        hook_event_name: Text,
        /// The agent's session.
        session_id: Text,
        /// Its transcript file.
        transcript_path: Text,
        /// Its directory.
        cwd: Text,
        /// The prompt's id.
        prompt_id: Text,
        /// Its permission mode.
        permission_mode: Field<super::permission::Mode>,
        /// How hard it tries.
        effort: Any,
        /// What was said (`UserPromptSubmit`).
        prompt: Text,
        /// Name of the tool.
        tool_name: Text,
        /// Its input, as it was written.
        tool_input: Any,
        /// What came of it (`PostToolUse`).
        tool_response: Any,
        /// The call.
        tool_use_id: Text,
        /// How long it took, in ms.
        duration_ms: Count,
        /// A stop hook is the reason it still runs (`Stop`).
        stop_hook_active: Flag,
        /// What it said last (`Stop`).
        last_assistant_message: Text,
        /// What runs in the background (`Stop`).
        background_tasks: Any,
        /// What is to run at a time (`Stop`).
        session_crons: Any,
    }
}

record! {
    /// What a hook answers; `{}` goes on (PROTOCOL 8.4, captured).
    pub struct HookOutput [] {
        /// `false` stops the agent.
        proceed as "continue": Flag,
        /// Its output is not shown.
        suppress_output as "suppressOutput": Flag,
        /// Why the agent stops.
        stop_reason as "stopReason": Text,
        /// `approve` or `block`.
        decision: Text,
        /// For a person.
        system_message as "systemMessage": Text,
        /// Why.
        reason: Text,
        /// What only this event has.
        hook_specific_output as "hookSpecificOutput": Field<HookSpecific>,
        /// It goes on later.
        deferred as "async": Flag,
        /// And no longer than this, in ms.
        async_timeout as "asyncTimeout": Count,
    }
}

record! {
    /// What only one event's hooks answer (PROTOCOL 8.4, captured).
    pub struct HookSpecific [] {
        /// The event.
        hook_event_name as "hookEventName": Text,
        /// `allow`, `deny`, `ask` or `defer`.
        permission_decision as "permissionDecision": Text,
        /// Why.
        permission_decision_reason as "permissionDecisionReason": Text,
        /// Replaces the input, as it is written.
        updated_input as "updatedInput": Any,
        /// The model is told.
        additional_context as "additionalContext": Text,
    }
}

record! {
    /// A JSON-RPC message to or from an MCP server (PROTOCOL 8.3 and 8.4, captured).
    pub struct McpMessage ["subtype" = "mcp_message"] {
        /// The server.
        server_name: Text,
        /// The message, as it was written.
        message: Any,
    }
}

record! {
    /// The answer to an MCP message; notifications need one too (PROTOCOL 8.4, captured).
    pub struct McpReply [] {
        /// The JSON-RPC response.
        mcp_response: Any,
    }
}
