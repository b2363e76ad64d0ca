//! Who may do what. One table says, for every control request a client may send, the least role and who answers;
//! what is not in the table is refused.

use serde::{Deserialize, Serialize};

/// What a paired device may do. The order is the rank, but for `bridge`, which stands aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Also sends prompts and interrupts.
    Operator,
    /// Also answers approvals.
    Approver,
    /// Also everything else, devices included.
    Owner,
    /// A machine that runs agents: its own calls and no others.
    Bridge,
}

impl Role {
    /// Whether a device of this role may do what needs `least`.
    #[must_use]
    pub fn covers(self, least: Self) -> bool {
        match (self.rank(), least.rank()) {
            (Some(mine), Some(needed)) => mine >= needed,
            _ => self == least,
        }
    }

    fn rank(self) -> Option<u8> {
        match self {
            Self::Viewer => Some(0),
            Self::Operator => Some(1),
            Self::Approver => Some(2),
            Self::Owner => Some(3),
            Self::Bridge => None,
        }
    }
}

/// How much a permission mode lets an agent do without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PermissionMode {
    /// Plans, changes nothing.
    #[serde(rename = "plan")]
    Plan,
    /// Denies whatever would have asked.
    #[serde(rename = "dontAsk")]
    DontAsk,
    /// Asks.
    #[serde(rename = "default")]
    Default,
    /// Edits files without asking.
    #[serde(rename = "acceptEdits")]
    AcceptEdits,
    /// A classifier decides.
    #[serde(rename = "auto")]
    Auto,
    /// Never asks.
    #[serde(rename = "bypassPermissions")]
    BypassPermissions,
}

impl PermissionMode {
    /// Every mode, strictest first.
    pub const ALL: [Self; 6] =
        [Self::Plan, Self::DontAsk, Self::Default, Self::AcceptEdits, Self::Auto, Self::BypassPermissions];

    /// The mode of that name on the wire.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == name)
    }

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::DontAsk => "dontAsk",
            Self::Default => "default",
            Self::AcceptEdits => "acceptEdits",
            Self::Auto => "auto",
            Self::BypassPermissions => "bypassPermissions",
        }
    }

    /// Whether `self` lets the agent do nothing that `current` would not.
    #[must_use]
    pub fn is_no_laxer_than(self, current: Self) -> bool {
        self <= current
    }
}

/// Who answers a control request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answerer {
    /// It goes to the agent's stdin, under a rewritten id.
    Agent,
    /// The bridge, from what the agent told it once.
    Bridge,
}

/// What a client-sent control request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Least role of the asking device.
    pub least: Role,
    /// Who answers.
    pub answerer: Answerer,
    /// Whether the bridge's policy has to allow it too.
    pub needs_policy: bool,
}

/// What a control request of this `subtype` needs, or `None` when no client may send it.
///
/// `mode` is the mode a `set_permission_mode` asks for and `current` the session's: towards stricter an approver
/// may, towards laxer the owner alone. An unknown mode, or an unknown current one, counts as laxer.
#[must_use]
pub fn requirement(
    subtype: &str,
    mode: Option<&str>,
    current: Option<PermissionMode>,
) -> Option<Requirement> {
    let agent = |least, needs_policy| Some(Requirement { least, answerer: Answerer::Agent, needs_policy });
    match subtype {
        "initialize" => {
            Some(Requirement { least: Role::Viewer, answerer: Answerer::Bridge, needs_policy: false })
        }
        "interrupt" | "cancel_async_message" | "stop_task" | "set_model" | "file_suggestions" => {
            agent(Role::Operator, false)
        }
        "mcp_status"
        | "get_session_cost"
        | "get_usage"
        | "get_context_usage"
        | "get_binary_version"
        | "list_models"
        | "list_permission_rules" => agent(Role::Operator, false),
        "set_permission_mode" => {
            let stricter = match (mode.and_then(PermissionMode::parse), current) {
                (Some(wanted), Some(current)) => wanted.is_no_laxer_than(current),
                (Some(wanted), None) => wanted.is_no_laxer_than(PermissionMode::DontAsk),
                (None, _) => false,
            };
            if stricter { agent(Role::Approver, false) } else { agent(Role::Owner, true) }
        }
        "read_file"
        | "get_settings"
        | "rewind_files"
        | "rename_session"
        | "set_max_thinking_tokens"
        | "background_tasks"
        | "get_task_output"
        | "mcp_reconnect"
        | "mcp_toggle"
        | "reload_skills"
        | "reload_plugins"
        | "reload_output_styles"
        | "get_hooks_listing" => agent(Role::Owner, true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_bridge_is_no_viewer_and_an_owner_is_no_bridge() {
        assert!(!Role::Bridge.covers(Role::Viewer));
        assert!(!Role::Owner.covers(Role::Bridge));
        assert!(Role::Owner.covers(Role::Approver) && !Role::Operator.covers(Role::Approver));
    }

    #[test]
    fn nobody_but_the_owner_makes_a_session_laxer() {
        let least = |mode, current| {
            requirement("set_permission_mode", mode, current).map(|r| (r.least, r.needs_policy))
        };
        let default = Some(PermissionMode::Default);
        assert_eq!(least(Some("plan"), default), Some((Role::Approver, false)));
        assert_eq!(least(Some("acceptEdits"), default), Some((Role::Owner, true)));
        assert_eq!(least(Some("nonsense"), default), Some((Role::Owner, true)));
        assert_eq!(least(None, default), Some((Role::Owner, true)));
        assert_eq!(least(Some("default"), None), Some((Role::Owner, true)));
    }

    #[test]
    fn what_is_not_in_the_table_is_refused() {
        for subtype in
            ["", "mcp_set_servers", "update_settings", "apply_flag_settings", "end_session", "future"]
        {
            assert_eq!(requirement(subtype, None, None), None, "{subtype}");
        }
    }
}
