//! Permissions: the answer to `can_use_tool`, and changes of the rules (PROTOCOL 8.4).

use crate::wire::kinds::macros::{record, tagged, words};
use crate::wire::kinds::value::{Any, Field, Flag, List, Text};

tagged! {
    /// The answer to a `can_use_tool` (PROTOCOL 8.4, captured). What fits neither counts as a rejection.
    pub enum PermissionResult by "behavior" {
        /// It may run.
        "allow" => Allow(Allow),
        /// It may not.
        "deny" => Deny(Deny),
    }
}

record! {
    /// It may run (PROTOCOL 8.4, captured).
    pub struct Allow ["behavior" = "allow"] {
        /// Replaces the whole input, as it is written here; absent keeps the original on newer agents.
        updated_input as "updatedInput": Any,
        /// Suggestions taken over.
        updated_permissions as "updatedPermissions": List<PermissionUpdate>,
        /// The call.
        tool_use_id as "toolUseID": Text,
        /// For how long.
        decision_classification as "decisionClassification": Field<Classification>,
    }
}

record! {
    /// It may not run (PROTOCOL 8.4, captured).
    pub struct Deny ["behavior" = "deny"] {
        /// What the model is told, word for word.
        message: Text,
        /// Ends the turn too, and drops the message.
        interrupt: Flag,
        /// The call.
        tool_use_id as "toolUseID": Text,
        /// For how long.
        decision_classification as "decisionClassification": Field<Classification>,
    }
}

words! {
    /// For how long a decision holds (PROTOCOL 8.4, typed).
    pub enum Classification {
        /// Once.
        UserTemporary = "user_temporary",
        /// For good.
        UserPermanent = "user_permanent",
        /// Rejected.
        UserReject = "user_reject",
    }
}

tagged! {
    /// A change of the rules (PROTOCOL 8.4, captured). Suggestions are a menu, not a bundle.
    pub enum PermissionUpdate by "type" {
        /// Adds rules.
        "addRules" => AddRules(AddRules),
        /// Replaces rules.
        "replaceRules" => ReplaceRules(ReplaceRules),
        /// Removes rules.
        "removeRules" => RemoveRules(RemoveRules),
        /// Changes the mode.
        "setMode" => SetMode(SetMode),
        /// Adds directories.
        "addDirectories" => AddDirectories(AddDirectories),
        /// Removes directories.
        "removeDirectories" => RemoveDirectories(RemoveDirectories),
    }
}

macro_rules! rules {
    ($(#[$meta:meta])* $name:ident $word:literal) => {
        record! {
            $(#[$meta])*
            pub struct $name ["type" = $word] {
                /// The rules.
                rules: List<Rule>,
                /// What they say.
                behavior: Field<Behavior>,
                /// Where they are kept.
                destination: Field<Destination>,
            }
        }
    };
}

rules! {
    /// Adds rules (PROTOCOL 8.4, captured).
    AddRules "addRules"
}
rules! {
    /// Replaces rules (PROTOCOL 8.4, typed).
    ReplaceRules "replaceRules"
}
rules! {
    /// Removes rules (PROTOCOL 8.4, typed).
    RemoveRules "removeRules"
}

record! {
    /// Changes the mode (PROTOCOL 8.4, captured).
    pub struct SetMode ["type" = "setMode"] {
        /// The new one.
        mode: Field<Mode>,
        /// Where it is kept.
        destination: Field<Destination>,
    }
}

record! {
    /// Adds directories (PROTOCOL 8.4, captured).
    pub struct AddDirectories ["type" = "addDirectories"] {
        /// They.
        directories: List<String>,
        /// Where they are kept.
        destination: Field<Destination>,
    }
}

record! {
    /// Removes directories (PROTOCOL 8.4, typed).
    pub struct RemoveDirectories ["type" = "removeDirectories"] {
        /// They.
        directories: List<String>,
        /// Where they are kept.
        destination: Field<Destination>,
    }
}

record! {
    /// A rule (PROTOCOL 8.4, captured).
    pub struct Rule [] {
        /// Name of the tool.
        tool_name as "toolName": Text,
        /// `touch:*`, `domain:example.com`, `//etc/**`; absent for the whole tool.
        rule_content as "ruleContent": Text,
    }
}

words! {
    /// What a rule says (PROTOCOL 8.4, captured).
    pub enum Behavior {
        /// It may.
        Allow = "allow",
        /// It may not.
        Deny = "deny",
        /// Ask.
        Ask = "ask",
    }
}

words! {
    /// Where rules are kept (PROTOCOL 8.4, captured).
    pub enum Destination {
        /// With the user.
        UserSettings = "userSettings",
        /// With the project, shared.
        ProjectSettings = "projectSettings",
        /// With the project, here.
        LocalSettings = "localSettings",
        /// As long as the session lives.
        Session = "session",
        /// On the command line.
        CliArg = "cliArg",
    }
}

words! {
    /// What an agent may do without asking (PROTOCOL 8.4, captured).
    pub enum Mode {
        /// It asks.
        Default = "default",
        /// It edits files without asking.
        AcceptEdits = "acceptEdits",
        /// It never asks.
        BypassPermissions = "bypassPermissions",
        /// It plans and changes nothing.
        Plan = "plan",
        /// What it would ask is denied.
        DontAsk = "dontAsk",
        /// A classifier decides.
        Auto = "auto",
    }
}
