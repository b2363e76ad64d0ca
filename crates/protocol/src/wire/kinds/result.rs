//! `result`: the end of a turn (PROTOCOL 5).

use super::assistant::{StopReason, Usage};
use super::macros::{record, tagged, words};
use super::user::Origin;
use super::value::{Any, Count, Field, Flag, List, Map, Text};

/// Puts the fields that every end of a turn has behind those of one kind.
macro_rules! turn_end {
    ($(#[$meta:meta])* $name:ident [$($tags:tt)*] { $($own:tt)* }) => {
        record! {
            $(#[$meta])*
            pub struct $name [$($tags)*] {
                $($own)*
                /// Whether something went wrong; `success` may have it too (captured).
                is_error: Flag,
                /// Length of the turn in ms.
                duration_ms: Count,
                /// Time spent in the API in ms.
                duration_api_ms: Count,
                /// 1 and the `user` lines the agent added; 0 for local commands (captured).
                num_turns: Count,
                /// Why the last response stopped.
                stop_reason: Field<StopReason>,
                /// Running total of the process in US dollars: the latest counts, never the sum.
                total_cost_usd: Count,
                /// Tokens of the main loop in this turn.
                usage: Field<Usage>,
                /// Running totals by model: the latest count, never the sum.
                model_usage as "modelUsage": Field<Map<ModelUsage>>,
                /// Calls that were not allowed, interrupted ones among them.
                permission_denials: List<PermissionDenial>,
                /// Why the turn ended; absent on local commands and failed starts.
                terminal_reason: Field<TerminalReason>,
                /// Prompts that still wait.
                queued_turn_count: Count,
                /// Which result of this process, from 0.
                result_index: Count,
                /// The prompt it answers.
                user_message_uuid: Text,
                /// All prompts it answers.
                user_message_uuids: List<String>,
                /// Whether the fast mode is on.
                fast_mode_state: Text,
                /// Why it is not.
                fast_mode_disabled_reason: Text,
                /// Who asked, when no person did.
                origin: Field<Origin>,
                /// Why the turn was taken up again (typed).
                resume_reason: Text,
                /// When the credentials end (typed).
                credential_expires_at: Any,
                /// The slash command, if it was one.
                local_command: Text,
                /// What sub-agents did (captured).
                subagent_stats: Any,
                /// Stops for safety (captured).
                safety_stops: Count,
                /// Usage by model since the last result (captured).
                model_usage_since_last_result: Field<Map<ModelUsage>>,
                /// HTTP status of the API's error; `null` when there was none.
                api_error_status: Count,
                /// Its type (captured).
                api_error_type: Text,
                /// Tokens the first request took in (captured).
                first_request_input_tokens: Count,
                /// Of those, read from the cache (captured).
                first_request_cache_read_input_tokens: Count,
                /// Time to the first token in ms.
                ttft_ms: Count,
                /// The same in the stream, in ms.
                ttft_stream_ms: Count,
                /// Time until the request went out, in ms.
                time_to_request_ms: Count,
                /// Time until the first content, in ms.
                first_content_frame_ms: Count,
                /// When the request went out, in ms since 1970.
                request_sent_wall_ms: Count,
                /// The line's own id.
                uuid: Text,
                /// The agent's session.
                session_id: Text,
            }
        }
    };
}

tagged! {
    /// The end of a turn (PROTOCOL 5, captured and typed).
    pub enum TurnResult by "subtype" {
        /// It ended by itself, or was pre-empted.
        "success" => Success(Success),
        /// It was interrupted, or the program failed.
        "error_during_execution" => ErrorDuringExecution(ErrorDuringExecution),
        /// It ran into a limit.
        "error_max_turns" | "error_max_budget_usd" | "error_max_structured_output_retries" => Limit(LimitReached),
    }
}

turn_end! {
    /// It ended by itself, or was pre-empted (PROTOCOL 5, captured).
    Success ["type" = "result", "subtype" = "success"] {
        /// The final text, or the error's.
        result: Text,
        /// What was asked for by a schema.
        structured_output: Any,
        /// A call that is left to the host.
        deferred_tool_use: Any,
    }
}

turn_end! {
    /// It was interrupted, or the program failed (PROTOCOL 5, captured).
    ErrorDuringExecution ["type" = "result", "subtype" = "error_during_execution"] {
        /// Diagnostics.
        errors: List<String>,
        /// Why the program did not start.
        startup_failure_reason: Text,
        /// The settings file that is broken.
        invalid_config_file: Text,
    }
}

turn_end! {
    /// It ran into a limit (PROTOCOL 5, typed).
    LimitReached ["type" = "result"] {
        /// Which.
        subtype: Field<Limit>,
        /// Diagnostics.
        errors: List<String>,
    }
}

record! {
    /// Usage of one model (PROTOCOL 5, captured).
    pub struct ModelUsage [] {
        /// Tokens read.
        input_tokens as "inputTokens": Count,
        /// Tokens written.
        output_tokens as "outputTokens": Count,
        /// Tokens read from the cache.
        cache_read_input_tokens as "cacheReadInputTokens": Count,
        /// Tokens put into the cache.
        cache_creation_input_tokens as "cacheCreationInputTokens": Count,
        /// Of those, kept for five minutes.
        cache_creation_ephemeral_5m_input_tokens as "cacheCreationEphemeral5mInputTokens": Count,
        /// Of those, kept for an hour.
        cache_creation_ephemeral_1h_input_tokens as "cacheCreationEphemeral1hInputTokens": Count,
        /// Tokens of thinking.
        thinking_tokens as "thinkingTokens": Count,
        /// Searches.
        web_search_requests as "webSearchRequests": Count,
        /// US dollars.
        cost_usd as "costUSD": Count,
        /// Size of the context in tokens.
        context_window as "contextWindow": Count,
        /// Most tokens of one answer.
        max_output_tokens as "maxOutputTokens": Count,
        /// The model's own name.
        canonical_model as "canonicalModel": Text,
        /// Who runs it.
        provider: Text,
        /// What the cost is based on.
        cost_basis as "costBasis": Text,
    }
}

record! {
    /// A call that was not allowed (PROTOCOL 5, captured).
    pub struct PermissionDenial [] {
        /// Name of the tool.
        tool_name: Text,
        /// The call.
        tool_use_id: Text,
        /// Its input, as it was written.
        tool_input: Any,
    }
}

words! {
    /// The limit a turn ran into (PROTOCOL 5, typed).
    pub enum Limit {
        /// Turns.
        MaxTurns = "error_max_turns",
        /// Money.
        MaxBudgetUsd = "error_max_budget_usd",
        /// Tries at an answer that fits its schema.
        MaxStructuredOutputRetries = "error_max_structured_output_retries",
    }
}

words! {
    /// Why a turn ended (PROTOCOL 5, typed).
    pub enum TerminalReason {
        /// By itself.
        Completed = "completed",
        /// Somebody stopped it while it streamed.
        AbortedStreaming = "aborted_streaming",
        /// Somebody stopped it while tools ran or waited.
        AbortedTools = "aborted_tools",
        /// A limit that blocks.
        BlockingLimit = "blocking_limit",
        /// Compacted too often.
        RapidRefillBreaker = "rapid_refill_breaker",
        /// The prompt is too long.
        PromptTooLong = "prompt_too_long",
        /// An image was not taken.
        ImageError = "image_error",
        /// The model failed.
        ModelError = "model_error",
        /// The API failed.
        ApiError = "api_error",
        /// The model wrote calls that cannot be read, too often.
        MalformedToolUseExhausted = "malformed_tool_use_exhausted",
        /// A hook kept it from stopping.
        StopHookPrevented = "stop_hook_prevented",
        /// A hook stopped it.
        HookStopped = "hook_stopped",
        /// A call is left to the host.
        ToolDeferred = "tool_deferred",
        /// Too many turns.
        MaxTurns = "max_turns",
        /// It goes on in the background.
        BackgroundRequested = "background_requested",
        /// The money is spent.
        BudgetExhausted = "budget_exhausted",
        /// No answer fits its schema.
        StructuredOutputRetryExhausted = "structured_output_retry_exhausted",
        /// A call was to be left to a host that cannot.
        ToolDeferredUnavailable = "tool_deferred_unavailable",
        /// It did not begin.
        TurnSetupFailed = "turn_setup_failed",
    }
}
