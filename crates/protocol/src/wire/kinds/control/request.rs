//! What is asked: by a client of its agent (PROTOCOL 8.2 and 8.3), and by an agent of its client (8.4).

use super::asked::{CanUseTool, Elicitation, RequestUserDialog};
use super::hook::{HookCallback, McpMessage};
use super::permission::Mode;
use crate::wire::kinds::macros::{record, tagged};
use crate::wire::kinds::value::{Any, Count, Field, Flag, List, Map, Text};

tagged! {
    /// The `request` of a `control_request` (PROTOCOL 8.2 to 8.4). An unknown one is answered with an error, never
    /// left open.
    pub enum Request by "subtype" {
        /// An agent asks whether a tool may run.
        "can_use_tool" => CanUseTool(CanUseTool),
        /// An agent runs a hook at its host.
        "hook_callback" => HookCallback(HookCallback),
        /// A message to or from an MCP server.
        "mcp_message" => McpMessage(McpMessage),
        /// An MCP server has a question.
        "elicitation" => Elicitation(Elicitation),
        /// An agent wants a dialogue shown.
        "request_user_dialog" => RequestUserDialog(RequestUserDialog),
        /// A client begins, or begins again.
        "initialize" => Initialize(Initialize),
        /// Stop what runs.
        "interrupt" => Interrupt(Interrupt),
        /// Change the mode.
        "set_permission_mode" => SetPermissionMode(SetPermissionMode),
        /// Change the model.
        "set_model" => SetModel(SetModel),
        /// Change how much it thinks.
        "set_max_thinking_tokens" => SetMaxThinkingTokens(SetMaxThinkingTokens),
        /// Take a queued prompt back.
        "cancel_async_message" => CancelAsyncMessage(CancelAsyncMessage),
        /// Stop a task.
        "stop_task" => StopTask(StopTask),
        /// Put what runs into the background.
        "background_tasks" => BackgroundTasks(BackgroundTasks),
        /// What a task wrote.
        "get_task_output" => GetTaskOutput(GetTaskOutput),
        /// Undo changes of files.
        "rewind_files" => RewindFiles(RewindFiles),
        /// How the MCP servers are.
        "mcp_status" => McpStatus(McpStatus),
        /// Replace the MCP servers.
        "mcp_set_servers" => McpSetServers(McpSetServers),
        /// Connect an MCP server again.
        "mcp_reconnect" => McpReconnect(McpReconnect),
        /// Switch an MCP server.
        "mcp_toggle" => McpToggle(McpToggle),
        /// Call a tool of an MCP server.
        "mcp_call" => McpCall(McpCall),
        /// Read a resource of an MCP server.
        "mcp_read_resource" => McpReadResource(McpReadResource),
        /// Complete a file name.
        "file_suggestions" => FileSuggestions(FileSuggestions),
        /// Read a file.
        "read_file" => ReadFile(ReadFile),
        /// Change the title.
        "rename_session" => RenameSession(RenameSession),
        /// A file counts as read.
        "seed_read_state" => SeedReadState(SeedReadState),
        /// Whether anybody watches.
        "set_has_subscribers" => SetHasSubscribers(SetHasSubscribers),
        /// Change the colour.
        "set_color" => SetColor(SetColor),
        /// End the session.
        "end_session" => EndSession(EndSession),
        /// Make a title.
        "generate_session_title" => GenerateSessionTitle(GenerateSessionTitle),
        /// What was used.
        "get_usage" => GetUsage(GetUsage),
        /// Read the plugins again.
        "reload_plugins" => ReloadPlugins(ReloadPlugins),
        /// Work in a further directory.
        "register_repo_root" => RegisterRepoRoot(RegisterRepoRoot),
        /// Change settings: for the session, or in a file.
        "apply_flag_settings" | "update_settings" => ChangeSettings(ChangeSettings),
        /// One of those that only ask, or whose fields no source describes: told apart by their `subtype`.
        "get_settings" | "get_session_cost" | "get_context_usage" | "get_binary_version" | "list_models"
        | "list_permission_rules" | "reload_skills" | "reload_output_styles" | "get_hooks_listing" => Plain(Plain),
    }
}

record! {
    /// A request without fields of its own that are documented (PROTOCOL 8.3, captured).
    pub struct Plain [] {
        /// Which.
        subtype: String,
    }
}

record! {
    /// A client begins; all fields may be missing (PROTOCOL 8.2, captured and typed).
    pub struct Initialize ["subtype" = "initialize"] {
        /// Hooks at the host, by event.
        hooks: Field<Map<Vec<HookMatcher>>>,
        /// MCP servers at the host.
        sdk_mcp_servers as "sdkMcpServers": List<String>,
        /// Their settings.
        sdk_mcp_server_configs as "sdkMcpServerConfigs": Any,
        /// MCP servers.
        mcp_servers as "mcpServers": Any,
        /// JSON schema of the answer.
        json_schema as "jsonSchema": Any,
        /// Replaces the system prompt.
        system_prompt as "systemPrompt": Any,
        /// Stands behind it.
        append_system_prompt as "appendSystemPrompt": Text,
        /// Sub-agents, by name.
        agents: Any,
        /// The session's title.
        title: Text,
        /// Skills.
        skills: Any,
        /// Plugins.
        plugins: Any,
        /// Suggest prompts.
        prompt_suggestions as "promptSuggestions": Flag,
        /// Sum up what sub-agents do.
        agent_progress_summaries as "agentProgressSummaries": Flag,
        /// Pass on what sub-agents say.
        forward_subagent_text as "forwardSubagentText": Flag,
        /// Dialogues the client can show.
        supported_dialog_kinds as "supportedDialogKinds": List<String>,
        /// Each task can be stopped.
        per_task_stop_affordance as "perTaskStopAffordance": Flag,
        /// How to plan.
        plan_mode_instructions as "planModeInstructions": Text,
        /// Other names of tools.
        tool_aliases as "toolAliases": Any,
        /// Leave out what changes.
        exclude_dynamic_sections as "excludeDynamicSections": Any,
    }
}

record! {
    /// Hooks for some tools (PROTOCOL 8.2, captured).
    pub struct HookMatcher [] {
        /// Which tools.
        matcher: Text,
        /// The hooks.
        hook_callback_ids as "hookCallbackIds": List<String>,
        /// They have this long.
        timeout: Count,
        /// What if they fail.
        on_failure as "onFailure": Text,
    }
}

record! {
    /// Stop what runs (PROTOCOL 8.3, captured).
    pub struct Interrupt ["subtype" = "interrupt"] {
        /// What waits too.
        cancel_queued: Flag,
    }
}

record! {
    /// Change the mode; requests that are open stay open (PROTOCOL 8.3, captured).
    pub struct SetPermissionMode ["subtype" = "set_permission_mode"] {
        /// The new one.
        mode: Field<Mode>,
    }
}

record! {
    /// Change the model (PROTOCOL 8.3, captured).
    pub struct SetModel ["subtype" = "set_model"] {
        /// The new one; `default`, `null` and absent reset it.
        model: Text,
    }
}

record! {
    /// Change how much it thinks (PROTOCOL 8.3, captured).
    pub struct SetMaxThinkingTokens ["subtype" = "set_max_thinking_tokens"] {
        /// Tokens at most; `null` and absent differ.
        max_thinking_tokens: Count,
        /// How thinking is shown.
        thinking_display: Text,
    }
}

record! {
    /// Take a queued prompt back (PROTOCOL 8.3, captured).
    pub struct CancelAsyncMessage ["subtype" = "cancel_async_message"] {
        /// The prompt.
        message_uuid: Text,
    }
}

record! {
    /// Stop a task; unknown ones are no error (PROTOCOL 8.3, captured).
    pub struct StopTask ["subtype" = "stop_task"] {
        /// The task.
        task_id: Text,
    }
}

record! {
    /// Put what runs into the background (PROTOCOL 8.3, captured).
    pub struct BackgroundTasks ["subtype" = "background_tasks"] {
        /// Only this call.
        tool_use_id: Text,
    }
}

record! {
    /// What a task wrote (PROTOCOL 8.3, captured).
    pub struct GetTaskOutput ["subtype" = "get_task_output"] {
        /// The task.
        task_id: Text,
    }
}

record! {
    /// Undo changes of files (PROTOCOL 8.3, captured).
    pub struct RewindFiles ["subtype" = "rewind_files"] {
        /// Back to this prompt.
        user_message_id: Text,
        /// Only say what would change.
        dry_run: Flag,
    }
}

record! {
    /// How the MCP servers are (PROTOCOL 8.3, captured).
    pub struct McpStatus ["subtype" = "mcp_status"] {
        /// Ask them now.
        live_reply as "liveReply": Flag,
    }
}

record! {
    /// Replace the MCP servers (PROTOCOL 8.3, typed).
    pub struct McpSetServers ["subtype" = "mcp_set_servers"] {
        /// They, by name.
        servers: Any,
    }
}

record! {
    /// Connect an MCP server again (PROTOCOL 8.3, captured).
    pub struct McpReconnect ["subtype" = "mcp_reconnect"] {
        /// The server.
        server_name as "serverName": Text,
    }
}

record! {
    /// Switch an MCP server (PROTOCOL 8.3, captured).
    pub struct McpToggle ["subtype" = "mcp_toggle"] {
        /// The server.
        server_name as "serverName": Text,
        /// On or off.
        enabled: Flag,
    }
}

record! {
    /// Call a tool of an MCP server (PROTOCOL 8.3, typed).
    pub struct McpCall ["subtype" = "mcp_call"] {
        /// Name of the tool.
        tool: Text,
        /// What it is given.
        arguments: Any,
        /// Not after this.
        expires_at: Text,
    }
}

record! {
    /// Read the plugins again (PROTOCOL 8.3, typed).
    pub struct ReloadPlugins ["subtype" = "reload_plugins"] {
        /// Only if the conversation's cache survives it.
        hold_on_cache_impact: Flag,
        /// And these.
        add_plugins: Any,
        /// Only if nothing runs.
        refuse_if_busy: Flag,
    }
}

record! {
    /// Work in a further directory (PROTOCOL 8.3, typed).
    pub struct RegisterRepoRoot ["subtype" = "register_repo_root"] {
        /// Which, below one it works in.
        directory: Text,
        /// Read its memory.
        reload_claude_md: Flag,
        /// Read its plugins.
        reload_plugins: Flag,
        /// Read its skills.
        reload_skills: Flag,
    }
}

record! {
    /// Change settings (PROTOCOL 8.3, typed); told apart by its `subtype`.
    pub struct ChangeSettings [] {
        /// `apply_flag_settings` or `update_settings`.
        subtype: String,
        /// The file: `localSettings` or `userSettings`.
        source: Text,
        /// By their names.
        settings: Any,
    }
}

record! {
    /// Read a resource of an MCP server (PROTOCOL 8.3, typed).
    pub struct McpReadResource ["subtype" = "mcp_read_resource"] {
        /// The server.
        server_name as "serverName": Text,
        /// The resource.
        uri: Text,
    }
}

record! {
    /// Complete a file name (PROTOCOL 8.3, captured).
    pub struct FileSuggestions ["subtype" = "file_suggestions"] {
        /// Its beginning.
        query: Text,
    }
}

record! {
    /// Read a file (PROTOCOL 8.3, captured).
    pub struct ReadFile ["subtype" = "read_file"] {
        /// Which.
        path: Text,
        /// At most this much.
        max_bytes: Count,
        /// How it is written in the answer.
        encoding: Text,
    }
}

record! {
    /// Change the title (PROTOCOL 8.3, captured).
    pub struct RenameSession ["subtype" = "rename_session"] {
        /// The new one.
        title: Text,
        /// Who chose it.
        source: Text,
        /// Which session.
        session_id: Text,
    }
}

record! {
    /// A file counts as read (PROTOCOL 8.3, captured).
    pub struct SeedReadState ["subtype" = "seed_read_state"] {
        /// Which.
        path: Text,
        /// Its time of change.
        mtime: Count,
    }
}

record! {
    /// Whether anybody watches (PROTOCOL 8.3, captured).
    pub struct SetHasSubscribers ["subtype" = "set_has_subscribers"] {
        /// Somebody does.
        has_subscribers: Flag,
    }
}

record! {
    /// Change the colour; not on stdio (PROTOCOL 8.3, captured).
    pub struct SetColor ["subtype" = "set_color"] {
        /// The new one.
        color: Text,
    }
}

record! {
    /// End the session (PROTOCOL 8.3, captured, in no type file).
    pub struct EndSession ["subtype" = "end_session"] {
        /// Why.
        reason: Text,
    }
}

record! {
    /// Make a title (PROTOCOL 8.3, captured, in no type file).
    pub struct GenerateSessionTitle ["subtype" = "generate_session_title"] {
        /// What the session is about.
        description: Text,
    }
}

record! {
    /// What was used (PROTOCOL 8.3, captured).
    pub struct GetUsage ["subtype" = "get_usage"] {
        /// Leave out habits.
        skip_behaviors: Flag,
    }
}
