//! Answers that list what a session is made of: its plugins, its styles, its hooks (PROTOCOL 8.3, typed).

use super::response::{AgentInfo, McpServerState, SlashCommand};
use crate::wire::kinds::macros::record;
use crate::wire::kinds::system::Plugin;
use crate::wire::kinds::value::{Any, Count, Field, Flag, List, Text};

record! {
    /// What a session has after a reload of its plugins.
    pub struct PluginsReloaded [] {
        /// Slash commands.
        commands: List<SlashCommand>,
        /// Sub-agents.
        agents: List<AgentInfo>,
        /// Plugins.
        plugins: List<Plugin>,
        /// MCP servers.
        mcp_servers as "mcpServers": List<McpServerState>,
        /// So many could not be loaded.
        error_count: Count,
        /// Whether nothing was done, since the conversation's cache would have been lost.
        held: Flag,
        /// What would have changed.
        cache_impact: Field<CacheImpact>,
    }
}

record! {
    /// What a reload would change in the list of tools.
    pub struct CacheImpact [] {
        /// New MCP servers.
        mcp_servers_added: List<String>,
        /// Gone ones.
        mcp_servers_removed: List<String>,
        /// `adds`, `may-add`, `removes`, `may-remove` or `null`.
        lsp_tool_change: Text,
    }
}

record! {
    /// How the agent could write.
    pub struct OutputStyles [] {
        /// Names.
        available_output_styles: List<String>,
    }
}

record! {
    /// The hooks of a session, with what a menu of them shows.
    pub struct HooksListing [] {
        /// Events with hooks.
        events: List<HookEvent>,
        /// The hooks.
        hooks: List<ListedHook>,
        /// All events there are.
        event_catalog as "eventCatalog": List<HookEvent>,
        /// What an organisation allows.
        policy: Field<HookPolicy>,
        /// Set in the safe mode.
        safe_mode as "safeMode": Field<HookMode>,
        /// Set in the bare mode.
        bare_mode as "bareMode": Field<HookMode>,
        /// Settings that could not be read.
        errors: Any,
    }
}

record! {
    /// An event that hooks can be put on.
    pub struct HookEvent [] {
        /// Its name.
        name: Text,
        /// What it is.
        summary: Text,
        /// Whether a hook can be for some tools only.
        supports_matcher as "supportsMatcher": Flag,
        /// So many hooks.
        hook_count as "hookCount": Count,
    }
}

record! {
    /// A hook, its texts with control characters made visible.
    pub struct ListedHook [] {
        /// Its event.
        event: Text,
        /// For which tools; `""` for all.
        matcher: Text,
        /// `userSettings`, `sessionHook`, `pluginHook`, ….
        source: Text,
        /// The same for a person.
        source_label as "sourceLabel": Text,
        /// Its plugin.
        plugin_name as "pluginName": Text,
        /// `command`, `prompt`, `agent`, `http`, `mcp_tool`, ….
        kind as "type": Text,
        /// In one line.
        display_text as "displayText": Text,
        /// What runs.
        command_text as "commandText": Text,
        /// What that is.
        content_label as "contentLabel": Text,
        /// Only if.
        condition: Text,
        /// At most this long, in s.
        timeout: Count,
        /// What is shown while it runs.
        status_message as "statusMessage": Text,
        /// Whether it runs once.
        runs_once as "runsOnce": Flag,
        /// Whether nobody waits for it.
        runs_in_background as "runsInBackground": Flag,
        /// Whether something keeps it from running.
        disabled: Flag,
        /// As it is stored, where it can be changed.
        editable: Any,
    }
}

record! {
    /// What an organisation allows.
    pub struct HookPolicy [] {
        /// No hook runs.
        disabled_by_policy as "disabledByPolicy": Flag,
        /// Only its own.
        managed_only as "managedOnly": Flag,
        /// Only those of plugins.
        plugin_only as "pluginOnly": Flag,
        /// No hook runs, whoever said so.
        all_disabled as "allDisabled": Flag,
        /// So many of its own.
        policy_hook_count as "policyHookCount": Count,
        /// What it allows could not be read.
        policy_unreadable as "policyUnreadable": Flag,
    }
}

record! {
    /// A mode in which few hooks run.
    pub struct HookMode [] {
        /// Whether the organisation's do.
        managed_hooks_still_apply as "managedHooksStillApply": Flag,
        /// How to leave it.
        exit_hint as "exitHint": Text,
    }
}
