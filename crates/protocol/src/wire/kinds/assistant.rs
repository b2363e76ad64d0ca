//! `assistant`: one line per finished content block (PROTOCOL 3).

use super::block::Content;
use super::macros::{record, words};
use super::value::{Any, Count, Field, Flag, List, Text};

record! {
    /// An `assistant` line (PROTOCOL 3, captured and typed).
    pub struct Assistant ["type" = "assistant"] {
        /// The API message with the block that was finished.
        message: ApiMessage,
        /// The call of the sub-agent it belongs to, `null` on the main thread.
        parent_tool_use_id: Text,
        /// The line's own id.
        uuid: Text,
        /// The agent's session.
        session_id: Text,
        /// ISO 8601, for display.
        timestamp: Text,
        /// The API's request; no correlation id.
        request_id: Text,
        /// The line tells of an error.
        error: Field<ApiError>,
        /// The text is an error of the API (captured).
        is_api_error_message: Flag,
        /// Its HTTP status (captured).
        api_error_status: Count,
        /// Its type (captured).
        api_error_type: Text,
        /// Cut by an interrupt.
        aborted: Flag,
        /// The prompt it answers, on the first line of a turn.
        user_message_uuid: Text,
        /// All prompts it answers.
        user_message_uuids: List<String>,
        /// Earlier lines that this one replaces.
        supersedes: List<String>,
        /// The sub-agent, by its task.
        agent_id: Text,
        /// Its kind.
        subagent_type: Text,
        /// What it was asked to do, in short.
        task_description: Text,
        /// Why the turn was taken up again (typed).
        resume_reason: Text,
        /// It goes on from thinking that was cut (typed).
        resumed_from_incomplete_thinking: Flag,
        /// How full the context is (typed).
        context_usage: Any,
        /// Usage for a report (typed).
        usage_report: Any,
        /// How long it thought, in ms (captured).
        thinking_duration_ms: Count,
        /// How thinking is shown (captured).
        thinking_display: Text,
        /// The slash command whose output this is (captured).
        local_command_source: Text,
    }
}

record! {
    /// A message of the Messages API (PROTOCOL 3, captured; docs).
    pub struct ApiMessage [] {
        /// Shared by all lines of one response; a UUID on synthetic lines.
        id: Text,
        /// `message`.
        kind as "type": Text,
        /// `assistant`.
        role: Text,
        /// The model; `<synthetic>` when none was asked.
        model: Text,
        /// The finished block as a list of one; or all blocks.
        content: Content,
        /// Why it stopped; `null` while more lines may come.
        stop_reason: Field<StopReason>,
        /// The sequence that stopped it.
        stop_sequence: Text,
        /// Tokens so far, not final.
        usage: Field<Usage>,
        /// What was cut from the context.
        context_management: Any,
        /// The container of code execution.
        container: Any,
        /// For the API's makers.
        diagnostics: Any,
        /// More about the stop.
        stop_details: Any,
    }
}

record! {
    /// Tokens of one response or one turn (PROTOCOL 3 and 5, captured; docs).
    pub struct Usage [] {
        /// Tokens read, without the cache.
        input_tokens: Count,
        /// Tokens written.
        output_tokens: Count,
        /// Tokens put into the cache.
        cache_creation_input_tokens: Count,
        /// Tokens read from the cache.
        cache_read_input_tokens: Count,
        /// The same by life of the cache.
        cache_creation: Field<CacheCreation>,
        /// What the output was spent on.
        output_tokens_details: Field<OutputTokensDetails>,
        /// Calls of the API's own tools.
        server_tool_use: Field<ServerToolUse>,
        /// `standard`, `priority`, ….
        service_tier: Text,
        /// Where it ran.
        inference_geo: Text,
        /// Usage by iteration.
        iterations: Any,
        /// How fast.
        speed: Text,
        /// Credit for a fallback.
        fallback_credit: Any,
    }
}

record! {
    /// Tokens put into the cache (PROTOCOL 5, captured).
    pub struct CacheCreation [] {
        /// Kept for an hour.
        ephemeral_1h_input_tokens: Count,
        /// Kept for five minutes.
        ephemeral_5m_input_tokens: Count,
    }
}

record! {
    /// What output tokens were spent on (PROTOCOL 5, captured).
    pub struct OutputTokensDetails [] {
        /// Tokens of thinking.
        thinking_tokens: Count,
    }
}

record! {
    /// Calls of the API's own tools (PROTOCOL 5, captured).
    pub struct ServerToolUse [] {
        /// Searches.
        web_search_requests: Count,
        /// Pages fetched.
        web_fetch_requests: Count,
    }
}

words! {
    /// What went wrong (PROTOCOL 3, typed). A plain HTTP 400 gave `unknown` (captured).
    pub enum ApiError {
        /// The credentials were not taken.
        AuthenticationFailed = "authentication_failed",
        /// The organisation may not log in that way.
        OauthOrgNotAllowed = "oauth_org_not_allowed",
        /// The account is on hold.
        AccountOnHold = "account_on_hold",
        /// The account has to be verified.
        VerificationRequired = "verification_required",
        /// Money.
        BillingError = "billing_error",
        /// Too many requests.
        RateLimit = "rate_limit",
        /// The API is busy.
        Overloaded = "overloaded",
        /// The request was wrong.
        InvalidRequest = "invalid_request",
        /// No such model.
        ModelNotFound = "model_not_found",
        /// The API failed.
        ServerError = "server_error",
        /// Nobody knows.
        Unknown = "unknown",
        /// The answer was cut at its limit.
        MaxOutputTokens = "max_output_tokens",
        /// The credentials of a cloud were not taken.
        CloudCredentialError = "cloud_credential_error",
    }
}

words! {
    /// Why a response stopped (PROTOCOL 4, docs).
    pub enum StopReason {
        /// By itself.
        EndTurn = "end_turn",
        /// At its limit.
        MaxTokens = "max_tokens",
        /// At a given sequence.
        StopSequence = "stop_sequence",
        /// For a tool.
        ToolUse = "tool_use",
        /// To be continued.
        PauseTurn = "pause_turn",
        /// To be compacted.
        Compaction = "compaction",
        /// It will not.
        Refusal = "refusal",
        /// The context is full.
        ModelContextWindowExceeded = "model_context_window_exceeded",
    }
}
