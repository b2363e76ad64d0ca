//! What an agent asks its host (PROTOCOL 8.4).

use super::permission::PermissionUpdate;
use crate::json::RawJson;
use crate::wire::kinds::macros::{record, tagged, words};
use crate::wire::kinds::value::{Any, Field, Flag, List, Text};

record! {
    /// A tool wants to run (PROTOCOL 8.4, captured).
    pub struct CanUseTool ["subtype" = "can_use_tool"] {
        /// Name of the tool; `mcp__server__tool` for MCP.
        tool_name: String,
        /// What will run, as it was written: this is what is approved.
        input: RawJson,
        /// The call; in all current versions.
        tool_use_id: Text,
        /// The tool's name for people.
        display_name: Text,
        /// A headline.
        title: Text,
        /// The agent's short line: its words, no fact.
        description: Text,
        /// Choices beside a plain "allow": a menu.
        permission_suggestions: List<PermissionUpdate>,
        /// The path that made it ask.
        blocked_path: Text,
        /// Why it asks; may hold ANSI.
        decision_reason: Text,
        /// The same by kind.
        decision_reason_type: Field<ReasonType>,
        /// The event of the hook that made it ask (captured).
        decision_reason_hook_event: Text,
        /// Where that hook is from (captured).
        decision_reason_hook_source: Text,
        /// Where the rule that made it ask is from (captured).
        decision_reason_rule_source: Text,
        /// A server's policy made it ask (captured).
        server_policy_ask_only: Flag,
        /// The sub-agent that asks, by its task.
        agent_id: Text,
        /// Questions and plans: no approval by one tap.
        requires_user_interaction: Flag,
        /// "Always" is not to be offered.
        suppress_always_allow_rule: Flag,
        /// "No" comes first.
        default_to_no: Flag,
        /// A classifier may approve it.
        classifier_approvable: Flag,
        /// The rule that made it ask.
        matched_ask_rule: Field<MatchedRule>,
        /// The MCP server of the tool.
        mcp_server: Field<ToolServer>,
    }
}

record! {
    /// The rule that made a tool ask (PROTOCOL 8.4, typed).
    pub struct MatchedRule [] {
        /// Where it is from.
        source: Text,
        /// Name of the tool.
        tool_name: Text,
        /// What it covers.
        rule_content: Text,
    }
}

record! {
    /// The MCP server of a tool (PROTOCOL 8.4, typed).
    pub struct ToolServer [] {
        /// Its name.
        name: Text,
        /// Where it is set up.
        source: Text,
    }
}

words! {
    /// What made a tool ask (PROTOCOL 8.4, typed).
    pub enum ReasonType {
        /// A rule.
        Rule = "rule",
        /// The mode.
        Mode = "mode",
        /// Parts of a command.
        SubcommandResults = "subcommandResults",
        /// A tool that decides.
        PermissionPromptTool = "permissionPromptTool",
        /// A hook.
        Hook = "hook",
        /// A sub-agent in the background.
        AsyncAgent = "asyncAgent",
        /// It wants to leave the sandbox.
        SandboxOverride = "sandboxOverride",
        /// A path outside.
        WorkingDir = "workingDir",
        /// A check for safety.
        SafetyCheck = "safetyCheck",
        /// A classifier.
        Classifier = "classifier",
        /// Something else, by its own name.
        Unspecified = "other",
    }
}

record! {
    /// An MCP server has a question (PROTOCOL 8.4, typed).
    pub struct Elicitation ["subtype" = "elicitation"] {
        /// The server.
        mcp_server_name: Text,
        /// The question.
        message: Text,
        /// `form` or `url`.
        mode: Text,
        /// The page.
        url: Text,
        /// The question's id.
        elicitation_id: Text,
        /// JSON schema of the form.
        requested_schema: Any,
        /// Order of its fields.
        property_order: List<String>,
        /// A headline.
        title: Text,
        /// The server's name for people.
        display_name: Text,
        /// More about it.
        description: Text,
    }
}

record! {
    /// The answer to an elicitation (PROTOCOL 8.4, typed).
    pub struct ElicitationResult [] {
        /// `accept`, `decline` or `cancel`.
        action: Text,
        /// The form.
        content: Any,
    }
}

record! {
    /// A dialogue is to be shown; kinds that were not declared stay unanswered (PROTOCOL 8.4, typed).
    pub struct RequestUserDialog ["subtype" = "request_user_dialog"] {
        /// Which.
        dialog_kind: Text,
        /// What it shows.
        payload: Any,
        /// The call it is about.
        tool_use_id: Text,
    }
}

tagged! {
    /// The answer to a dialogue (PROTOCOL 8.4, typed).
    pub enum DialogResult by "behavior" {
        /// Somebody answered.
        "completed" => Completed(DialogCompleted),
        /// Nobody did.
        "cancelled" => Cancelled(DialogCancelled),
    }
}

record! {
    /// Somebody answered a dialogue (PROTOCOL 8.4, typed).
    pub struct DialogCompleted ["behavior" = "completed"] {
        /// The answer.
        result: Any,
    }
}

record! {
    /// Nobody answered a dialogue (PROTOCOL 8.4, typed).
    pub struct DialogCancelled ["behavior" = "cancelled"] {}
}
