//! What is said around the messages: ends of turns, states, tasks, requests, facts.

use super::Origin;
use super::view::view;
use crate::json::{JsonRef, RawJson};

view! {
    /// A `result` line.
    pub struct TurnResult<'a> {
        /// Chose this view, and stands once.
        kind as "type": (),
        /// `success`, `error_during_execution`, `error_max_turns`, …
        subtype: String,
        /// May be set on `success` too.
        is_error: bool,
        /// Duration in ms.
        duration_ms: Option<f64>,
        /// Running total in US dollars: the latest counts, never the sum.
        total_cost_usd: Option<f64>,
        /// Steps of the turn.
        num_turns: Option<f64>,
        /// Why the turn ended.
        terminal_reason: Option<String>,
        /// The final text, or the error's.
        result: Option<String>,
        /// Diagnostics.
        errors: Vec<String>,
        /// Tokens of the main loop in this turn.
        usage: Usage,
        /// Running totals by model, unread.
        model_usage as "modelUsage": JsonRef<'a>,
        /// Turns that follow by themselves.
        queued_turn_count: Option<f64>,
        /// Who began the turn, when it was not a prompt.
        origin: Option<Origin>,
        /// Calls that were not allowed to run.
        permission_denials: Vec<Denial>,
    }
}

view! {
    /// Tokens.
    pub struct Usage {
        /// Went in.
        input_tokens: Option<u64>,
        /// Went in from the cache.
        cache_read_input_tokens: Option<u64>,
        /// Went in, and into the cache.
        cache_creation_input_tokens: Option<u64>,
        /// Came out.
        output_tokens: Option<u64>,
    }
}

view! {
    /// A call that was not allowed to run.
    pub struct Denial {
        /// The call.
        tool_use_id: Option<String>,
    }
}

impl TurnResult<'_> {
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

    /// All tokens that went into the turn, from anywhere.
    #[must_use]
    pub fn input_tokens(&self) -> Option<u64> {
        let Usage { input_tokens, cache_read_input_tokens, cache_creation_input_tokens, .. } = self.usage;
        let parts = [input_tokens, cache_read_input_tokens, cache_creation_input_tokens];
        parts.into_iter().flatten().reduce(u64::saturating_add)
    }

    /// The largest context among the models that were used, in tokens.
    #[must_use]
    pub fn context_window(&self) -> Option<u64> {
        self.model_usage.entries().filter_map(|(_, usage)| usage.get("contextWindow").whole()).max()
    }
}

view! {
    /// A `system` line: the fields that are shown, of all subtypes together.
    pub struct System {
        /// Chose this view, and stands once.
        kind as "type": (),
        /// Which one.
        subtype: String,
        /// `input_edited`, written by the bridge: what ran in the place of the agent's input.
        input: Option<RawJson>,
        /// `input_edited`: who put it there.
        edited_by: Option<String>,
        /// `init`: the model.
        model: Option<String>,
        /// `init`, `status`: the permission mode.
        permission_mode as "permissionMode": Option<String>,
        /// `init`: the directory.
        cwd: Option<String>,
        /// `status`: `requesting`, `compacting`; task states.
        status: Option<String>,
        /// Text for people.
        content: Option<String>,
        /// `informational`: how loud.
        level: Option<String>,
        /// `notification`.
        text: Option<String>,
        /// `permission_denied`.
        message: Option<String>,
        /// `task_notification`.
        summary: Option<String>,
        /// `task_*`: the call it belongs to.
        tool_use_id: Option<String>,
        /// `session_title_changed`.
        title: Option<String>,
        /// `api_retry`: which try.
        attempt: Option<u64>,
        /// `api_retry`: of how many.
        max_retries: Option<u64>,
        /// `api_retry`: next one in ms.
        retry_delay_ms: Option<f64>,
        /// `api_retry`: status of the answer, absent when the connection was cut.
        error_status: Option<u64>,
        /// `api_retry` and others: what went wrong.
        error: Option<String>,
        /// `model_refusal_fallback`: lines to take back.
        retracted_message_uuids: Vec<String>,
        /// `delivery_unknown`: the prompt.
        message_uuid: Option<String>,
        /// `event_too_large`: how large.
        bytes: Option<u64>,
        /// The agent's own id of the conversation.
        session_id: Option<String>,
        /// `session_state_changed`: `idle`, `running`, `requires_action`.
        state: Option<String>,
        /// `status`: how compaction ended.
        compact_result: Option<String>,
        /// `status`: why it failed.
        compact_error: Option<String>,
        /// `compact_boundary`.
        compact_metadata: Option<CompactMetadata>,
        /// `task_*`: the task.
        task_id: Option<String>,
        /// `task_started`: `local_bash`, `local_agent`, …
        task_type: Option<String>,
        /// `task_*`: what it does.
        description: Option<String>,
        /// `task_started`: runs on while the agent does something else.
        is_backgrounded: bool,
        /// `task_*`: of the agent's own making, nothing a person waits for.
        ambient: bool,
        /// `task_*`: not for the transcript.
        skip_transcript: bool,
        /// `task_updated`: what is different.
        patch: Option<TaskPatch>,
        /// `task_progress`, `task_notification`: what it took so far.
        usage: Option<TaskUsage>,
        /// `task_progress`: the tool it used last.
        last_tool_name: Option<String>,
        /// `background_tasks_changed`: all of them.
        tasks: Vec<ListedTask>,
    }
}

view! {
    /// What a compaction did.
    pub struct CompactMetadata {
        /// `manual` or `auto`.
        trigger: Option<String>,
        /// Tokens before.
        pre_tokens: Option<u64>,
        /// Tokens after.
        post_tokens: Option<u64>,
    }
}

view! {
    /// What is different about a task.
    pub struct TaskPatch {
        /// `pending`, `running`, `completed`, `failed`, `killed`, `paused`.
        status: Option<String>,
        /// What it does.
        description: Option<String>,
        /// Why it failed.
        error: Option<String>,
        /// Was sent to the background, or fetched back.
        is_backgrounded: Option<bool>,
    }
}

view! {
    /// What a task took.
    #[derive(Copy, PartialEq, Eq)]
    pub struct TaskUsage {
        /// Tokens.
        total_tokens: Option<u64>,
        /// Tool calls.
        tool_uses: Option<u64>,
        /// Time in ms.
        duration_ms: Option<u64>,
    }
}

view! {
    /// A task in the list of those in the background.
    pub struct ListedTask {
        /// Its id.
        task_id: String,
        /// `local_bash`, `local_agent`, …
        task_type: Option<String>,
        /// What it does.
        description: Option<String>,
        /// Of the agent's own making, nothing a person waits for.
        ambient: bool,
    }
}

view! {
    /// A `tool_progress` line.
    pub struct ToolProgress {
        /// Chose this view, and stands once.
        kind as "type": (),
        /// The call; of a heartbeat an id made from it.
        tool_use_id: Option<String>,
        /// The sub-agent's call; of a heartbeat the call itself.
        parent_tool_use_id: Option<String>,
        /// Whether it only says that the tool still runs.
        heartbeat: bool,
        /// Running for so long, in s.
        elapsed_time_seconds: Option<f64>,
    }
}

view! {
    /// A `control_request`, `control_response` or `control_cancel_request`, as far as the working state needs it.
    pub struct Control {
        /// Which of the three.
        kind as "type": String,
        /// Correlation id of a request or a cancel.
        request_id: Option<String>,
        /// What is asked.
        request: Option<ControlBody>,
        /// What was answered.
        response: Option<ControlBody>,
    }
}

view! {
    /// Ids inside a control message.
    pub struct ControlBody {
        /// What kind of request.
        subtype: Option<String>,
        /// Correlation id of an answer.
        request_id: Option<String>,
        /// The call that waits.
        tool_use_id: Option<String>,
    }
}

view! {
    /// The small kinds at the top level, their fields together.
    pub struct Aside {
        /// Which one.
        kind as "type": String,
        /// `prompt_suggestion`.
        suggestion: Option<String>,
        /// `streamlined_text`.
        text: Option<String>,
        /// `tool_use_summary`.
        summary: Option<String>,
        /// `streamlined_tool_use_summary`.
        tool_summary: Option<String>,
        /// `auth_status`: what went wrong.
        error: Option<String>,
        /// `rate_limit_event`.
        rate_limit_info: Option<RateLimit>,
    }
}

view! {
    /// Where an account stands.
    pub struct RateLimit {
        /// `allowed`, `allowed_warning` or `rejected`.
        status: Option<String>,
    }
}

view! {
    /// What became of a prompt.
    pub struct Lifecycle {
        /// Chose this view, and stands once.
        kind as "type": (),
        /// The prompt.
        command_uuid: String,
        /// `queued`, `started`, `completed` or `cancelled`.
        state: String,
    }
}
