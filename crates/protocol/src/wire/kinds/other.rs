//! The other top-level kinds (PROTOCOL 7).

use super::assistant::ApiError;
use super::macros::{record, words};
use super::value::{Any, Count, Field, Flag, List, Map, Text};

record! {
    /// A tool still runs (PROTOCOL 7, captured at 30 s and 60 s). Volatile.
    pub struct ToolProgress ["type" = "tool_progress"] {
        /// The call; a heartbeat has `…-heartbeat-N` here and the call in `parent_tool_use_id` (captured).
        tool_use_id: Text,
        /// Name of the tool.
        tool_name: Text,
        /// The call of the sub-agent, or see `tool_use_id`.
        parent_tool_use_id: Text,
        /// How long it runs, in s.
        elapsed_time_seconds: Count,
        /// The task it became.
        task_id: Text,
        /// Nothing else to say.
        heartbeat: Flag,
        /// Kind of the sub-agent.
        subagent_type: Text,
        /// A sub-agent tries again.
        subagent_retry: Field<SubagentRetry>,
        /// The line's own id.
        uuid: Text,
        /// The agent's session.
        session_id: Text,
    }
}

record! {
    /// A sub-agent tries again (PROTOCOL 7, typed).
    pub struct SubagentRetry [] {
        /// The sub-agent.
        agent_id: Text,
        /// Which try.
        attempt: Count,
        /// Of how many.
        max_retries: Count,
        /// Next one in ms.
        retry_delay_ms: Count,
        /// HTTP status; `null` when the connection was cut.
        error_status: Count,
        /// What went wrong.
        error_category: Field<ApiError>,
    }
}

record! {
    /// What a row of tool calls did (PROTOCOL 7, captured).
    pub struct ToolUseSummary ["type" = "tool_use_summary"] {
        /// In a few words.
        summary: Text,
        /// The calls.
        preceding_tool_use_ids: List<String>,
        /// The line's own id.
        uuid: Text,
        /// The agent's session.
        session_id: Text,
    }
}

record! {
    /// A login in progress (PROTOCOL 7, typed).
    pub struct AuthStatus ["type" = "auth_status"] {
        /// Whether it still goes on.
        is_authenticating as "isAuthenticating": Flag,
        /// What it said.
        output: List<String>,
        /// What went wrong.
        error: Text,
        /// The line's own id.
        uuid: Text,
        /// The agent's session.
        session_id: Text,
    }
}

record! {
    /// A limit of the account (PROTOCOL 7, typed).
    pub struct RateLimitEvent ["type" = "rate_limit_event"] {
        /// The limit.
        rate_limit_info: Field<RateLimitInfo>,
        /// The line's own id.
        uuid: Text,
        /// The agent's session.
        session_id: Text,
    }
}

record! {
    /// How much of a limit is used (PROTOCOL 7, typed).
    pub struct RateLimitInfo [] {
        /// Whether one may go on.
        status: Field<RateLimitStatus>,
        /// When it begins anew, in s since 1970.
        resets_at as "resetsAt": Count,
        /// Which limit.
        rate_limit_type as "rateLimitType": Text,
        /// Used share, 0 to 1.
        utilization: Count,
        /// Whether one may go on above it.
        overage_status as "overageStatus": Text,
        /// When that begins anew, in s since 1970.
        overage_resets_at as "overageResetsAt": Count,
        /// Why one may not.
        overage_disabled_reason as "overageDisabledReason": Text,
        /// Whether one does.
        is_using_overage as "isUsingOverage": Flag,
        /// The threshold that was passed.
        surpassed_threshold as "surpassedThreshold": Count,
        /// What the limit covers.
        limit_scope as "limitScope": Text,
        /// Stable code of the error.
        error_code as "errorCode": Text,
    }
}

words! {
    /// Whether one may go on (PROTOCOL 7, typed).
    pub enum RateLimitStatus {
        /// Yes.
        Allowed = "allowed",
        /// Yes, not for long.
        AllowedWarning = "allowed_warning",
        /// No.
        Rejected = "rejected",
    }
}

record! {
    /// What one might say next (PROTOCOL 7, captured).
    pub struct PromptSuggestion ["type" = "prompt_suggestion"] {
        /// The prompt.
        suggestion: Text,
        /// The line's own id.
        uuid: Text,
        /// The agent's session.
        session_id: Text,
    }
}

record! {
    /// The conversation begins anew; the `session_id` changes with it (PROTOCOL 7, captured).
    pub struct ConversationReset ["type" = "conversation_reset"] {
        /// The new conversation.
        new_conversation_id: Text,
        /// `clear`, `plan_mode_exit`, `fresh_session` or `onboarding`.
        trigger: Text,
        /// The prompt that did it.
        user_message_uuid: Text,
        /// ISO 8601.
        timestamp: Text,
        /// The line's own id.
        uuid: Text,
        /// The agent's session.
        session_id: Text,
    }
}

record! {
    /// The goal the agent works towards (PROTOCOL 7, typed).
    pub struct ActiveGoal ["type" = "active_goal"] {
        /// The goal; `null` when there is none any more.
        value: Field<Goal>,
        /// The line's own id.
        uuid: Text,
        /// The agent's session.
        session_id: Text,
    }
}

record! {
    /// A goal (PROTOCOL 7, typed).
    pub struct Goal [] {
        /// When it is reached.
        condition: Text,
        /// Tries so far.
        iterations: Count,
        /// When it was set, in ms since 1970.
        set_at: Count,
        /// Tokens spent before.
        tokens_at_start: Count,
        /// Why it is not reached yet.
        last_reason: Text,
    }
}

record! {
    /// What became of a prompt (PROTOCOL 7, captured; newer agents only).
    pub struct CommandLifecycle ["type" = "command_lifecycle"] {
        /// The prompt.
        command_uuid: String,
        /// Where it stands.
        state: CommandState,
        /// The line's own id.
        uuid: Text,
        /// The agent's session.
        session_id: Text,
    }
}

words! {
    /// Where a prompt stands (PROTOCOL 7, captured).
    pub enum CommandState {
        /// It waits.
        Queued = "queued",
        /// It is worked on.
        Started = "started",
        /// Its turn ended.
        Completed = "completed",
        /// It was taken back, or interrupted.
        Cancelled = "cancelled",
    }
}

record! {
    /// Nothing; the line is alive (PROTOCOL 7, captured). Volatile.
    pub struct KeepAlive ["type" = "keep_alive"] {}
}

record! {
    /// Assistant text in a reduced output mode (PROTOCOL 7, write-ups).
    pub struct StreamlinedText ["type" = "streamlined_text"] {
        /// The text.
        text: Text,
        /// The line's own id.
        uuid: Text,
        /// The agent's session.
        session_id: Text,
    }
}

record! {
    /// Tool calls in a reduced output mode (PROTOCOL 7, write-ups).
    pub struct StreamlinedToolUseSummary ["type" = "streamlined_tool_use_summary"] {
        /// In a few words.
        tool_summary: Text,
        /// The line's own id.
        uuid: Text,
        /// The agent's session.
        session_id: Text,
    }
}

record! {
    /// Variables for the agent's process, such as a fresh token (PROTOCOL 7, write-ups; accepted, captured).
    pub struct UpdateEnvironmentVariables ["type" = "update_environment_variables"] {
        /// Values by name.
        variables: Field<Map<String>>,
        /// The line's own id.
        uuid: Any,
    }
}

record! {
    /// A client that cannot set headers says who it is, as its first frame (PROTOCOL 11.1, captured).
    pub struct Auth ["type" = "auth"] {
        /// Its credential.
        credential: Field<Credential>,
    }
}

record! {
    /// A credential (PROTOCOL 11.1, captured).
    pub struct Credential [] {
        /// `oauth`.
        kind as "type": Text,
        /// The secret.
        token: Text,
    }
}
