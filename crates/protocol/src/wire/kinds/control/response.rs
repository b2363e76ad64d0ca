//! What is answered. An answer does not say what it answers: [`Reply`] types its payload by the request's subtype.

use super::ControlRequest;
use super::asked::{DialogResult, ElicitationResult};
use super::hook::{HookOutput, McpReply};
use super::listing::{HooksListing, OutputStyles, PluginsReloaded};
use super::permission::{Behavior, Mode, PermissionResult};
use crate::wire::kinds::macros::{named, record, tagged};
use crate::wire::kinds::tools::output::{McpContents, McpResult};
use crate::wire::kinds::value::{Any, Count, Field, Flag, List, Text};

tagged! {
    /// The `response` of a `control_response` (PROTOCOL 8.1, captured).
    pub enum Response by "subtype" {
        /// It was done.
        "success" => Success(Success),
        /// It was not.
        "error" => Error(Failure),
    }
}

record! {
    /// It was done (PROTOCOL 8.1, captured).
    pub struct Success ["subtype" = "success"] {
        /// The request; missing when it had none.
        request_id: Text,
        /// The payload; absent or `{}` for a bare acknowledgement. See [`Reply`].
        response: Any,
        /// On `initialize`: approvals that wait, each a whole request.
        pending_permission_requests: List<ControlRequest>,
        /// On `initialize`: dialogues that wait.
        pending_user_dialog_requests: List<ControlRequest>,
        /// On `initialize`: questions of MCP servers that wait.
        pending_elicitation_requests: List<ControlRequest>,
    }
}

record! {
    /// It was not done (PROTOCOL 8.1, captured).
    pub struct Failure ["subtype" = "error"] {
        /// The request; missing when it had none.
        request_id: Text,
        /// What went wrong, for a person.
        error: Text,
        /// `unsupported_request`, `invalid_mode`, `bypass_not_launched`, … (captured).
        error_code: Text,
        /// On `initialize`: approvals that wait, each a whole request.
        pending_permission_requests: List<ControlRequest>,
        /// On `initialize`: dialogues that wait.
        pending_user_dialog_requests: List<ControlRequest>,
        /// On `initialize`: questions of MCP servers that wait.
        pending_elicitation_requests: List<ControlRequest>,
    }
}

named! {
    /// The payload of a successful answer, by the subtype of what was asked (PROTOCOL 8.2 to 8.4).
    pub enum Reply {
        /// Whether a tool may run.
        "can_use_tool" => Permission(PermissionResult),
        /// What a hook says.
        "hook_callback" => Hook(HookOutput),
        /// What an MCP server says.
        "mcp_message" => Mcp(McpReply),
        /// What a person told an MCP server.
        "elicitation" => Elicitation(ElicitationResult),
        /// What a person said in a dialogue.
        "request_user_dialog" => Dialog(DialogResult),
        /// What the agent is and has.
        "initialize" => Initialize(Initialized),
        /// What still waits.
        "interrupt" => Interrupt(Interrupted),
        /// The new mode.
        "set_permission_mode" => PermissionMode(PermissionModeSet),
        /// The new model.
        "set_model" => Model(ModelSet),
        /// Whether the prompt was taken back.
        "cancel_async_message" => Cancelled(MessageCancelled),
        /// What the task wrote.
        "get_task_output" => TaskOutput(TaskOutputText),
        /// What was undone.
        "rewind_files" => Rewound(FilesRewound),
        /// How the MCP servers are.
        "mcp_status" => McpStatus(McpServers),
        /// What was spent.
        "get_session_cost" => Cost(SessionCost),
        /// Which program it is.
        "get_binary_version" => Version(BinaryVersion),
        /// Models to choose from.
        "list_models" => Models(Models),
        /// Rules in force.
        "list_permission_rules" => Rules(PermissionRules),
        /// Files to choose from.
        "file_suggestions" => Files(FileNames),
        /// A file.
        "read_file" => File(FileContents),
        /// Skills after a reload.
        "reload_skills" => Skills(Skills),
        /// What a session has after a reload of its plugins.
        "reload_plugins" => Plugins(PluginsReloaded),
        /// How it could write.
        "reload_output_styles" => OutputStyles(OutputStyles),
        /// Its hooks.
        "get_hooks_listing" => Hooks(HooksListing),
        /// A resource of an MCP server.
        "mcp_read_resource" => McpContents(McpContents),
        /// What a tool of an MCP server gave; no source describes it further.
        "mcp_call" => McpCalled(McpResult),
        /// A title.
        "generate_session_title" => Title(SessionTitle),
        /// How full the context is.
        "get_context_usage" => Context(ContextUsage),
        /// What was used.
        "get_usage" => Usage(UsageReport),
        /// Settings in force.
        "get_settings" => Settings(Settings),
        /// Nothing more to say, or nothing a source describes.
        "set_max_thinking_tokens" | "stop_task" | "background_tasks" | "mcp_set_servers" | "mcp_reconnect"
        | "mcp_toggle" | "rename_session" | "seed_read_state" | "register_repo_root" | "apply_flag_settings"
        | "update_settings" | "set_has_subscribers" | "set_color" | "end_session" => Done(Done),
    }
}

record! {
    /// Nothing more to say (PROTOCOL 8.1, captured).
    pub struct Done [] {}
}

record! {
    /// What the agent is and has (PROTOCOL 8.2, captured). A bridge may answer with a stub.
    pub struct Initialized [] {
        /// Slash commands.
        commands: List<SlashCommand>,
        /// Sub-agents.
        agents: List<AgentInfo>,
        /// How it writes.
        output_style: Text,
        /// How it could.
        available_output_styles: List<String>,
        /// Models to choose from.
        models: List<ModelInfo>,
        /// Whose account it is.
        account: Field<Account>,
        /// Its version.
        claude_code_version: Text,
        /// Whether the hooks were taken.
        hooks_applied: Flag,
        /// Whether the fast mode is on.
        fast_mode_state: Text,
        /// Its process (captured).
        pid: Count,
        /// What it does (captured).
        session_state: Text,
        /// Its permission mode (captured).
        current_permission_mode: Field<Mode>,
        /// What it can, by name (captured).
        capabilities: List<String>,
    }
}

record! {
    /// A slash command (PROTOCOL 8.2, captured).
    pub struct SlashCommand [] {
        /// Its name, without the slash.
        name: Text,
        /// What it does.
        description: Text,
        /// What to write behind it.
        argument_hint as "argumentHint": Text,
        /// Other names.
        aliases: List<String>,
        /// It is the agent's own.
        builtin: Flag,
    }
}

record! {
    /// A sub-agent (PROTOCOL 8.2, captured).
    pub struct AgentInfo [] {
        /// Its name.
        name: Text,
        /// What it is for.
        description: Text,
        /// Its model.
        model: Text,
    }
}

record! {
    /// A model (PROTOCOL 8.2, captured).
    pub struct ModelInfo [] {
        /// For `set_model`.
        value: Text,
        /// What that means now.
        resolved_model as "resolvedModel": Text,
        /// For people.
        display_name as "displayName": Text,
        /// What it is for.
        description: Text,
        /// Whether it can try harder.
        supports_effort as "supportsEffort": Flag,
        /// How hard.
        supported_effort_levels as "supportedEffortLevels": List<String>,
        /// Whether it thinks as it sees fit.
        supports_adaptive_thinking as "supportsAdaptiveThinking": Flag,
        /// Whether it has a fast mode.
        supports_fast_mode as "supportsFastMode": Flag,
        /// Whether it has the mode `auto`.
        supports_auto_mode as "supportsAutoMode": Flag,
    }
}

record! {
    /// An account (PROTOCOL 8.2, captured).
    pub struct Account [] {
        /// Whose.
        email: Text,
        /// Of which organisation.
        organization: Text,
        /// Which subscription.
        subscription_type as "subscriptionType": Text,
        /// Where the token is from.
        token_source as "tokenSource": Text,
        /// Where the key is from.
        api_key_source as "apiKeySource": Text,
        /// Whose API.
        api_provider as "apiProvider": Text,
    }
}

record! {
    /// What an interrupt left (PROTOCOL 8.3, captured; older agents say nothing).
    pub struct Interrupted [] {
        /// Prompts that still wait.
        still_queued: List<String>,
        /// Prompts that were taken back.
        cancelled: List<String>,
    }
}

record! {
    /// The new mode (PROTOCOL 8.3, captured).
    pub struct PermissionModeSet [] {
        /// It.
        mode: Field<Mode>,
    }
}

record! {
    /// The new model (PROTOCOL 8.3, captured).
    pub struct ModelSet [] {
        /// It.
        model: Text,
    }
}

record! {
    /// Whether a prompt was taken back (PROTOCOL 8.3, captured).
    pub struct MessageCancelled [] {
        /// It was.
        cancelled: Flag,
        /// The prompt.
        message_uuid: Text,
    }
}

record! {
    /// The end of what a task wrote (PROTOCOL 8.3, captured).
    pub struct TaskOutputText [] {
        /// At most the last 8 KiB.
        output: Text,
        /// Bytes of all of it.
        total_bytes: Count,
        /// Whether there is more.
        truncated: Flag,
    }
}

record! {
    /// What was undone (PROTOCOL 8.3, captured).
    pub struct FilesRewound [] {
        /// Whether it can be.
        can_rewind as "canRewind": Flag,
        /// Why not.
        error: Text,
        /// The files.
        files_changed as "filesChanged": Any,
        /// Lines added.
        insertions: Count,
        /// Lines removed.
        deletions: Count,
        /// Links left alone.
        skipped_links as "skippedLinks": Any,
    }
}

record! {
    /// How the MCP servers are (PROTOCOL 8.3, captured).
    pub struct McpServers [] {
        /// They.
        mcp_servers as "mcpServers": List<McpServerState>,
    }
}

record! {
    /// How an MCP server is (PROTOCOL 8.3, captured).
    pub struct McpServerState [] {
        /// Its name.
        name: Text,
        /// `connected`, `failed`, ….
        status: Text,
        /// What it says about itself.
        server_info as "serverInfo": Any,
        /// How it is reached.
        transport: Any,
        /// Whose it is.
        scope: Text,
        /// Where it is set up.
        source: Text,
        /// Its tools.
        tools: Any,
        /// What went wrong.
        error: Text,
    }
}

record! {
    /// What was spent (PROTOCOL 8.3, captured).
    pub struct SessionCost [] {
        /// For a person.
        text: Text,
    }
}

record! {
    /// Which program it is (PROTOCOL 8.3, captured).
    pub struct BinaryVersion [] {
        /// Its version.
        version: Text,
        /// When it was built.
        build_time as "buildTime": Text,
    }
}

record! {
    /// Models to choose from (PROTOCOL 8.3, captured).
    pub struct Models [] {
        /// They.
        models: List<ModelInfo>,
    }
}

record! {
    /// Rules in force (PROTOCOL 8.3, captured).
    pub struct PermissionRules [] {
        /// They.
        state: Field<RuleState>,
    }
}

record! {
    /// Rules in force (PROTOCOL 8.3, captured).
    pub struct RuleState [] {
        /// The rules.
        rules: List<RuleInForce>,
        /// Directories that count as the project.
        workspace_directories as "workspaceDirectories": Any,
        /// The directory it began in.
        original_cwd as "originalCwd": Text,
        /// Only an administrator may change them.
        managed_only as "managedOnly": Flag,
    }
}

record! {
    /// A rule in force (PROTOCOL 8.3, captured).
    pub struct RuleInForce [] {
        /// What it says.
        behavior: Field<Behavior>,
        /// Where it is from.
        source: Text,
        /// The rule as a person writes it.
        rule: Text,
        /// What it covers.
        description: Any,
        /// Who may change it.
        editability: Text,
    }
}

record! {
    /// Files to choose from (PROTOCOL 8.3, captured).
    pub struct FileNames [] {
        /// They.
        suggestions: Any,
        /// Seen from here.
        cwd: Text,
    }
}

record! {
    /// A file (PROTOCOL 8.3, captured).
    pub struct FileContents [] {
        /// What is in it.
        contents: Text,
        /// Where it is.
        abs_path as "absPath": Text,
        /// Whether there is more.
        truncated: Flag,
        /// How it is written here.
        encoding: Text,
        /// Whether something was lost.
        lossy: Flag,
    }
}

record! {
    /// Skills after a reload (PROTOCOL 8.3, captured).
    pub struct Skills [] {
        /// They.
        skills: List<SlashCommand>,
    }
}

record! {
    /// A title (PROTOCOL 8.3, captured, in no type file).
    pub struct SessionTitle [] {
        /// `null` when none could be made.
        title: Text,
    }
}

record! {
    /// How full the context is (PROTOCOL 8.3, captured).
    pub struct ContextUsage [] {
        /// What fills it.
        categories: Any,
        /// Tokens in it.
        total_tokens as "totalTokens": Count,
        /// Tokens it takes.
        max_tokens as "maxTokens": Count,
        /// Share in percent.
        percentage: Count,
        /// Whose context.
        model: Text,
    }
}

record! {
    /// What was used (PROTOCOL 8.3, captured).
    pub struct UsageReport [] {
        /// In this session.
        session: Any,
        /// Which subscription.
        subscription_type: Text,
        /// Whether the limits are known.
        rate_limits_available: Flag,
        /// They.
        rate_limits: Any,
    }
}

record! {
    /// Settings in force (PROTOCOL 8.3, captured).
    pub struct Settings [] {
        /// All together.
        effective: Any,
        /// Each by its source.
        sources: Any,
        /// What was made of them.
        applied: Any,
    }
}
