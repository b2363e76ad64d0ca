//! `system`: everything around the conversation (PROTOCOL 6).

use super::assistant::ApiError;
use super::control::permission::Mode;
use super::control::response::SlashCommand;
use super::macros::{record, tagged, words};
use super::value::{Any, Count, Field, Flag, List, Text};

mod task;

pub use task::{
    BackgroundTask, BackgroundTasksChanged, TaskEnd, TaskNotification, TaskPatch, TaskProgress, TaskStarted,
    TaskState, TaskUpdated, TaskUsage,
};

/// Puts the discriminators and the ids that every `system` line has around its own fields.
macro_rules! system {
    ($(#[$meta:meta])* $name:ident $subtype:literal { $($own:tt)* }) => {
        $crate::wire::kinds::macros::record! {
            $(#[$meta])*
            pub struct $name ["type" = "system", "subtype" = $subtype] {
                $($own)*
                /// The line's own id.
                uuid: $crate::wire::kinds::value::Text,
                /// The agent's session.
                session_id: $crate::wire::kinds::value::Text,
            }
        }
    };
}

use system;

tagged! {
    /// A `system` line (PROTOCOL 6).
    pub enum System by "subtype" {
        /// What the agent is and has.
        "init" => Init(Init),
        /// What it does, or its mode changed.
        "status" => Status(Status),
        /// The conversation above was summed up.
        "compact_boundary" => CompactBoundary(CompactBoundary),
        /// The API is tried again.
        "api_retry" => ApiRetry(ApiRetry),
        /// Idle, running or waiting.
        "session_state_changed" => SessionStateChanged(SessionStateChanged),
        /// A task began.
        "task_started" => TaskStarted(TaskStarted),
        /// A task goes on.
        "task_progress" => TaskProgress(TaskProgress),
        /// A task changed.
        "task_updated" => TaskUpdated(TaskUpdated),
        /// A task ended.
        "task_notification" => TaskNotification(TaskNotification),
        /// All background tasks.
        "background_tasks_changed" => BackgroundTasksChanged(BackgroundTasksChanged),
        /// How much it thought.
        "thinking_tokens" => ThinkingTokens(ThinkingTokens),
        /// A call was denied without a question.
        "permission_denied" => PermissionDenied(PermissionDenied),
        /// A hook began.
        "hook_started" => HookStarted(HookStarted),
        /// A hook goes on.
        "hook_progress" => HookProgress(HookProgress),
        /// A hook ended.
        "hook_response" => HookResponse(HookResponse),
        /// What a slash command said.
        "local_command_output" => LocalCommandOutput(LocalCommandOutput),
        /// A banner.
        "informational" => Informational(Informational),
        /// A toast.
        "notification" => Notification(Notification),
        /// All slash commands.
        "commands_changed" => CommandsChanged(CommandsChanged),
        /// Files were kept.
        "files_persisted" => FilesPersisted(FilesPersisted),
        /// A question of an MCP server is settled.
        "elicitation_complete" => ElicitationComplete(ElicitationComplete),
        /// What it remembered.
        "memory_recall" => MemoryRecall(MemoryRecall),
        /// A model declined and another took over.
        "model_refusal_fallback" => ModelRefusalFallback(ModelRefusalFallback),
        /// A model declined.
        "model_refusal_no_fallback" => ModelRefusalNoFallback(ModelRefusalNoFallback),
        /// A plugin is installed.
        "plugin_install" => PluginInstall(PluginInstall),
        /// A copy of the transcript failed.
        "mirror_error" => MirrorError(MirrorError),
        /// A control request goes on.
        "control_request_progress" => ControlRequestProgress(ControlRequestProgress),
        /// The agent's program ends.
        "worker_shutting_down" => WorkerShuttingDown(WorkerShuttingDown),
        /// The disk is full.
        "session_writes_lost" => SessionWritesLost(SessionWritesLost),
        /// The title changed.
        "session_title_changed" => SessionTitleChanged(SessionTitleChanged),
        /// The bridge's own: an event above the limits was left out.
        "event_too_large" => EventTooLarge(EventTooLarge),
        /// The bridge's own: nobody knows whether a prompt arrived.
        "delivery_unknown" => DeliveryUnknown(DeliveryUnknown),
        /// The bridge's own: a person put another input in the place of the agent's.
        "input_edited" => InputEdited(InputEdited),
    }
}

system! {
    /// What the agent is and has, at the start of every turn: the newest wins (PROTOCOL 6, captured).
    Init "init" {
        /// Its directory.
        cwd: Text,
        /// Its model.
        model: Text,
        /// Its permission mode.
        permission_mode as "permissionMode": Field<Mode>,
        /// Names of its tools.
        tools: List<String>,
        /// Its MCP servers.
        mcp_servers: List<McpServer>,
        /// Names of its slash commands.
        slash_commands: List<String>,
        /// Those that need a terminal.
        terminal_slash_commands: List<String>,
        /// Where its key is from.
        api_key_source as "apiKeySource": Text,
        /// Its version.
        claude_code_version: Text,
        /// How it writes.
        output_style: Text,
        /// Names of its skills.
        skills: List<String>,
        /// Its plugins.
        plugins: List<Plugin>,
        /// Plugins that failed.
        plugin_errors: Any,
        /// Names of its sub-agents.
        agents: List<String>,
        /// Betas of the API.
        betas: List<String>,
        /// What it can, by name.
        capabilities: List<String>,
        /// How hard it tries.
        effort: Any,
        /// How it is viewed.
        view_mode: Text,
        /// Whether the fast mode is on.
        fast_mode_state: Text,
        /// Why it is not.
        fast_mode_disabled_reason: Text,
        /// Further directories (captured).
        additional_directories: List<String>,
        /// The directory it began in (captured).
        original_cwd: Text,
        /// Where it remembers (captured).
        memory_paths: Any,
        /// Where other programs reach it (captured).
        messaging_socket_path: Text,
        /// The prompts of the turn (captured).
        user_message_uuids: List<String>,
    }
}

record! {
    /// An MCP server (PROTOCOL 6, typed).
    pub struct McpServer [] {
        /// Its name.
        name: Text,
        /// `connected`, `failed`, ….
        status: Text,
        /// Where it is set up.
        source: Text,
    }
}

record! {
    /// A plugin (PROTOCOL 6, captured).
    pub struct Plugin [] {
        /// Its name.
        name: Text,
        /// Where it is.
        path: Text,
        /// Its version.
        version: Text,
        /// Where it is from.
        source: Text,
    }
}

system! {
    /// What the agent does, or its mode changed (PROTOCOL 6, captured).
    Status "status" {
        /// `requesting` before every call of the API; `null` when something else changed or ended.
        status: Field<Activity>,
        /// The new permission mode.
        permission_mode as "permissionMode": Field<Mode>,
        /// How a compaction ended.
        compact_result: Field<CompactResult>,
        /// What went wrong with it.
        compact_error: Text,
        /// The prompts of the turn.
        user_message_uuids: List<String>,
    }
}

words! {
    /// What the agent does (PROTOCOL 6, captured).
    pub enum Activity {
        /// It asks the API.
        Requesting = "requesting",
        /// It sums up the conversation.
        Compacting = "compacting",
    }
}

words! {
    /// How a compaction ended (PROTOCOL 6, captured).
    pub enum CompactResult {
        /// Well.
        Success = "success",
        /// Not well.
        Failed = "failed",
    }
}

system! {
    /// The conversation above was summed up; a synthetic `user` line with the summary follows (PROTOCOL 6, captured).
    CompactBoundary "compact_boundary" {
        /// By what, and how much.
        compact_metadata: Field<CompactMetadata>,
        /// The line it stands behind.
        logical_parent_uuid: Text,
    }
}

record! {
    /// What was summed up (PROTOCOL 6, captured).
    pub struct CompactMetadata [] {
        /// `manual` or `auto`.
        trigger: Text,
        /// Tokens before.
        pre_tokens: Count,
        /// Tokens after.
        post_tokens: Count,
        /// Tokens dropped so far.
        cumulative_dropped_tokens: Count,
        /// How long it took, in ms.
        duration_ms: Count,
        /// The lines that stayed, by their ends.
        preserved_segment: Field<PreservedSegment>,
        /// The lines that stayed.
        preserved_messages: Field<PreservedMessages>,
    }
}

record! {
    /// Lines that stayed, by their ends (PROTOCOL 6, captured).
    pub struct PreservedSegment [] {
        /// The first.
        head_uuid: Text,
        /// The one they hang on.
        anchor_uuid: Text,
        /// The last.
        tail_uuid: Text,
    }
}

record! {
    /// Lines that stayed (PROTOCOL 6, captured).
    pub struct PreservedMessages [] {
        /// The one they hang on.
        anchor_uuid: Text,
        /// They.
        uuids: List<String>,
        /// They, and what was hidden among them.
        all_uuids: List<String>,
    }
}

system! {
    /// The API is tried again (PROTOCOL 6, captured).
    ApiRetry "api_retry" {
        /// Which try.
        attempt: Count,
        /// Of how many.
        max_retries: Count,
        /// Next one in ms.
        retry_delay_ms: Count,
        /// HTTP status; `null` when the connection was cut.
        error_status: Count,
        /// What went wrong.
        error: Field<ApiError>,
        /// Set when nothing came at all.
        no_response: Field<NoResponse>,
    }
}

record! {
    /// How long nothing came (PROTOCOL 6, typed).
    pub struct NoResponse [] {
        /// Waited so far, in ms.
        waited_ms: Count,
        /// To wait before the next try, in ms.
        retry_wait_ms: Count,
    }
}

system! {
    /// Idle, running or waiting: the authoritative sign that a turn is over, where it is on (PROTOCOL 6, captured).
    SessionStateChanged "session_state_changed" {
        /// Which.
        state: Field<SessionState>,
    }
}

words! {
    /// What a session does (PROTOCOL 6, captured).
    pub enum SessionState {
        /// Nothing.
        Idle = "idle",
        /// It works.
        Running = "running",
        /// It waits for a person.
        RequiresAction = "requires_action",
    }
}

system! {
    /// How much it thought, for a spinner (PROTOCOL 6, captured). Volatile.
    ThinkingTokens "thinking_tokens" {
        /// Tokens so far, as a guess.
        estimated_tokens: Count,
        /// Of those, new.
        estimated_tokens_delta: Count,
        /// The prompt it thinks about.
        user_message_uuid: Text,
    }
}

system! {
    /// A call was denied without a question (PROTOCOL 6, captured).
    PermissionDenied "permission_denied" {
        /// Name of the tool.
        tool_name: Text,
        /// The call.
        tool_use_id: Text,
        /// The sub-agent.
        agent_id: Text,
        /// What denied it.
        decision_reason_type: Text,
        /// Why.
        decision_reason: Text,
        /// For a person.
        message: Text,
    }
}

system! {
    /// A hook began (PROTOCOL 6, captured).
    HookStarted "hook_started" {
        /// This run of it.
        hook_id: Text,
        /// `PreToolUse:Bash`, ….
        hook_name: Text,
        /// `PreToolUse`, ….
        hook_event: Text,
    }
}

system! {
    /// A hook goes on (PROTOCOL 6, typed).
    HookProgress "hook_progress" {
        /// This run of it.
        hook_id: Text,
        /// `PreToolUse:Bash`, ….
        hook_name: Text,
        /// `PreToolUse`, ….
        hook_event: Text,
        /// What it wrote.
        stdout: Text,
        /// What it wrote to stderr.
        stderr: Text,
        /// Both.
        output: Text,
    }
}

system! {
    /// A hook ended (PROTOCOL 6, captured).
    HookResponse "hook_response" {
        /// This run of it.
        hook_id: Text,
        /// `PreToolUse:Bash`, ….
        hook_name: Text,
        /// `PreToolUse`, ….
        hook_event: Text,
        /// What it wrote, both.
        output: Text,
        /// What it wrote.
        stdout: Text,
        /// What it wrote to stderr.
        stderr: Text,
        /// Its exit code.
        exit_code: Count,
        /// `success`, `error` or `cancelled`.
        outcome: Text,
    }
}

system! {
    /// What a slash command said (PROTOCOL 6, typed).
    LocalCommandOutput "local_command_output" {
        /// The text.
        content: Text,
    }
}

system! {
    /// A banner (PROTOCOL 6, captured).
    Informational "informational" {
        /// The text.
        content: Text,
        /// `info`, `notice`, `suggestion` or `warning`.
        level: Text,
        /// The call it is about.
        tool_use_id: Text,
        /// Whether the agent stops there.
        prevent_continuation: Flag,
        /// What it is about.
        tag: Text,
    }
}

system! {
    /// A toast (PROTOCOL 6, typed).
    Notification "notification" {
        /// A later one of the same key replaces it.
        key: Text,
        /// The text.
        text: Text,
        /// `low`, `medium`, `high` or `immediate`.
        priority: Text,
        /// Its colour.
        color: Text,
        /// Gone after this many ms.
        timeout_ms: Count,
    }
}

system! {
    /// All slash commands: replaces the list (PROTOCOL 6, typed).
    CommandsChanged "commands_changed" {
        /// They.
        commands: List<SlashCommand>,
    }
}

system! {
    /// Files were kept (PROTOCOL 6, typed).
    FilesPersisted "files_persisted" {
        /// Those that were.
        files: List<PersistedFile>,
        /// Those that were not.
        failed: List<PersistedFile>,
        /// ISO 8601.
        processed_at: Text,
    }
}

record! {
    /// A file that was kept, or not (PROTOCOL 6, typed).
    pub struct PersistedFile [] {
        /// Its name.
        filename: Text,
        /// Its id, when it was.
        file_id: Text,
        /// Why it was not.
        error: Text,
    }
}

system! {
    /// A question of an MCP server is settled (PROTOCOL 6, typed).
    ElicitationComplete "elicitation_complete" {
        /// The server.
        mcp_server_name: Text,
        /// The question.
        elicitation_id: Text,
    }
}

system! {
    /// What it remembered (PROTOCOL 6, typed).
    MemoryRecall "memory_recall" {
        /// `select` or `synthesize`.
        mode: Text,
        /// The memories.
        memories: List<Memory>,
    }
}

record! {
    /// A memory (PROTOCOL 6, typed).
    pub struct Memory [] {
        /// Where it is.
        path: Text,
        /// Whose it is.
        scope: Text,
        /// What it says.
        content: Text,
    }
}

system! {
    /// A model declined and another took over (PROTOCOL 6, typed).
    ModelRefusalFallback "model_refusal_fallback" {
        /// What did it.
        trigger: Text,
        /// Where it goes.
        direction: Text,
        /// For how long.
        scope: Text,
        /// The model that declined.
        original_model: Text,
        /// The one that took over.
        fallback_model: Text,
        /// The API's request.
        request_id: Text,
        /// Category of the refusal.
        api_refusal_category: Text,
        /// Why.
        api_refusal_explanation: Text,
        /// Lines to take back.
        retracted_message_uuids: List<String>,
        /// The prompt that was refused.
        refused_user_message_uuid: Text,
        /// For a person.
        content: Text,
    }
}

system! {
    /// A model declined (PROTOCOL 6, typed).
    ModelRefusalNoFallback "model_refusal_no_fallback" {
        /// The model.
        original_model: Text,
        /// The API's request.
        request_id: Text,
        /// Category of the refusal.
        api_refusal_category: Text,
        /// The prompt that was refused.
        refused_user_message_uuid: Text,
        /// For a person.
        content: Text,
    }
}

system! {
    /// A plugin is installed (PROTOCOL 6, typed).
    PluginInstall "plugin_install" {
        /// `started`, `installed`, `failed` or `completed`.
        status: Text,
        /// The plugin.
        name: Text,
        /// What went wrong.
        error: Text,
    }
}

system! {
    /// A copy of the transcript failed (PROTOCOL 6, typed).
    MirrorError "mirror_error" {
        /// What went wrong.
        error: Text,
        /// Whose copy.
        key: Field<MirrorKey>,
    }
}

record! {
    /// Names a transcript (PROTOCOL 6, typed).
    pub struct MirrorKey [] {
        /// The project.
        project_key as "projectKey": Text,
        /// The session.
        session_id as "sessionId": Text,
        /// The file in it.
        subpath: Text,
    }
}

system! {
    /// A control request goes on (PROTOCOL 6, typed).
    ControlRequestProgress "control_request_progress" {
        /// The request.
        request_id: Text,
        /// `started` or `api_retry`.
        status: Text,
        /// Which try.
        attempt: Count,
    }
}

system! {
    /// The agent's program ends; without meaning if anything follows (PROTOCOL 6, typed).
    WorkerShuttingDown "worker_shutting_down" {
        /// Why, in snake case.
        reason: Text,
    }
}

system! {
    /// The disk is full (PROTOCOL 6, typed).
    SessionWritesLost "session_writes_lost" {
        /// `ENOSPC` or `EDQUOT`.
        error_code: Text,
        /// What was lost.
        lost: List<String>,
        /// Whose.
        transcript_session_ids: List<String>,
    }
}

system! {
    /// The title changed (PROTOCOL 6, captured, in no type file).
    SessionTitleChanged "session_title_changed" {
        /// The new one.
        title: Text,
    }
}

system! {
    /// An event above the limits was left out; ours, written by bridge and ingress.
    EventTooLarge "event_too_large" {
        /// Its size in bytes.
        bytes: Count,
        /// SHA-256 over it, in lower-case hex.
        sha256: Text,
        /// Its type.
        original_type: Text,
        /// The limit it broke.
        reason: Text,
    }
}

system! {
    /// A tool ran with another input than the agent had asked for; ours, written by the bridge.
    InputEdited "input_edited" {
        /// The call.
        tool_use_id: Text,
        /// What ran.
        input: Field<crate::RawJson>,
        /// Who put it there.
        edited_by: Text,
    }
}

system! {
    /// Nobody knows whether a prompt arrived; ours, written by the bridge after a crash.
    DeliveryUnknown "delivery_unknown" {
        /// The prompt.
        message_uuid: Text,
        /// For a person.
        content: Text,
        /// How loud.
        level: Text,
    }
}
