//! Applies what an approver granted beside the call itself. Grants hold for this process only, whatever
//! destination they name, and what is not understood is left out rather than guessed at.

use std::path::PathBuf;

use serde_json::Value;

use crate::{
    options::PermissionMode,
    permission::{
        policy::{Behavior, Policy},
        rule::Rule,
    },
};

/// Rules and directories one session keeps at most; a client that grants more is out of hand.
const GRANTS_MAX: usize = 1_000;

impl Policy {
    /// Applies one `PermissionUpdate`; returns the mode if it changed.
    pub(crate) fn apply(&mut self, update: &Value) -> Option<PermissionMode> {
        match update.get("type").and_then(Value::as_str)? {
            "addRules" => self.add_rules(update),
            "replaceRules" => {
                let behavior = behavior(update)?;
                self.rules.retain(|(kind, _)| *kind != behavior);
                self.add_rules(update);
            }
            "removeRules" => {
                let (behavior, gone) = (behavior(update)?, rules(update));
                self.rules.retain(|(kind, rule)| *kind != behavior || !gone.contains(rule));
            }
            "setMode" => return self.set_mode(update),
            "addDirectories" => {
                let free = GRANTS_MAX.saturating_sub(self.directories.len());
                self.directories.extend(directories(update).take(free));
            }
            "removeDirectories" => {
                let gone: Vec<PathBuf> = directories(update).collect();
                self.directories.retain(|directory| !gone.contains(directory));
            }
            unknown => tracing::warn!(kind = unknown, "ignoring a permission update of unknown type"),
        }
        None
    }

    fn add_rules(&mut self, update: &Value) {
        let Some(behavior) = behavior(update) else {
            return;
        };
        let free = GRANTS_MAX.saturating_sub(self.rules.len());
        self.rules.extend(rules(update).into_iter().take(free).map(|rule| (behavior, rule)));
    }

    fn set_mode(&mut self, update: &Value) -> Option<PermissionMode> {
        let mode: PermissionMode = update.get("mode")?.as_str()?.parse().ok()?;
        let permitted = mode != PermissionMode::BypassPermissions || self.bypass_allowed;
        if !permitted || mode == self.mode {
            return None;
        }
        self.enter(mode);
        Some(mode)
    }
}

fn behavior(update: &Value) -> Option<Behavior> {
    Behavior::from_wire(update.get("behavior")?.as_str()?)
}

fn rules(update: &Value) -> Vec<Rule> {
    let listed = update.get("rules").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    listed.iter().filter_map(Rule::from_json).collect()
}

/// Absolute directories only: a relative one would mean something else to whoever granted it.
fn directories(update: &Value) -> impl Iterator<Item = PathBuf> {
    let listed = update.get("directories").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    listed.iter().filter_map(Value::as_str).map(PathBuf::from).filter(|directory| directory.is_absolute())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy() -> Policy {
        Policy::new(PermissionMode::Default, false, "/project".into(), Vec::new())
    }

    #[test]
    fn adds_replaces_and_removes_rules() {
        let mut policy = policy();
        let update = |kind: &str, rule: &str| {
            json!({"type": kind, "behavior": "allow", "destination": "session",
                   "rules": [{"toolName": "Bash", "ruleContent": rule}]})
        };
        policy.apply(&update("addRules", "a"));
        policy.apply(&update("addRules", "b"));
        policy.apply(&update("removeRules", "a"));
        let texts =
            |policy: &Policy| policy.rules.iter().map(|(_, rule)| rule.to_string()).collect::<Vec<_>>();
        assert_eq!(texts(&policy), ["Bash(b)"]);
        policy.apply(&update("replaceRules", "c"));
        assert_eq!(texts(&policy), ["Bash(c)"]);
    }

    #[test]
    fn never_enters_bypass_by_the_side_door() {
        let mut policy = policy();
        assert_eq!(policy.apply(&json!({"type": "setMode", "mode": "bypassPermissions"})), None);
        assert_eq!(policy.mode, PermissionMode::Default);
        assert_eq!(policy.apply(&json!({"type": "setMode", "mode": "plan"})), Some(PermissionMode::Plan));
        assert_eq!(policy.before_plan, PermissionMode::Default);
    }

    #[test]
    fn takes_absolute_directories_and_no_more_than_the_bound() {
        let mut policy = policy();
        let many: Vec<String> = (0..2 * GRANTS_MAX).map(|number| format!("/d/{number}")).collect();
        policy.apply(&json!({"type": "addDirectories", "directories": ["relative", "/abs"]}));
        assert_eq!(policy.directories, [PathBuf::from("/abs")]);
        policy.apply(&json!({"type": "addDirectories", "directories": many}));
        assert_eq!(policy.directories.len(), GRANTS_MAX);
    }

    #[test]
    fn leaves_out_what_it_does_not_understand() {
        let mut policy = policy();
        for odd in [
            json!(null),
            json!({"type": "addRules"}),
            json!({"type": "later"}),
            json!({"type": "setMode", "mode": 5}),
        ] {
            assert_eq!(policy.apply(&odd), None);
        }
        assert!(policy.rules.is_empty());
    }
}
