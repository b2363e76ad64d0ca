//! What an allow may grant beyond the one call: the suggestions that came with the request. Those that only spare the
//! next question of the same kind are an approver's; those that loosen the session are the owner's.

use portcullis_protocol::RawJson;
use portcullis_protocol::role::{PermissionMode, Role, requirement};
use serde::Deserialize;

/// The part of a suggestion that says what it does.
#[derive(Deserialize)]
struct Grant {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    mode: Option<String>,
    #[serde(default)]
    behavior: Option<String>,
}

/// The least role that may grant all of `grants` in a session whose mode is `current`. What is not known counts as
/// the worst.
pub(crate) fn least_role(grants: &[RawJson], current: Option<PermissionMode>) -> Role {
    let is_approvable = |raw: &RawJson| {
        !raw.has_duplicate_keys() && raw.read().is_ok_and(|grant| spares_a_question(&grant, current))
    };
    if grants.iter().all(is_approvable) { Role::Approver } else { Role::Owner }
}

fn spares_a_question(grant: &Grant, current: Option<PermissionMode>) -> bool {
    match (grant.kind.as_str(), grant.behavior.as_deref()) {
        ("addRules" | "replaceRules", Some("allow")) | ("addRules", Some("ask" | "deny")) => true,
        ("addDirectories", None | Some("allow")) => true,
        ("setMode", _) => requirement("set_permission_mode", grant.mode.as_deref(), current)
            .is_some_and(|needed| Role::Approver.covers(needed.least)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approver_spares_a_question_and_the_owner_loosens_a_session() {
        let default = Some(PermissionMode::Default);
        for (grant, current, least) in [
            (r#"{"type":"addRules","behavior":"allow","rules":[]}"#, default, Role::Approver),
            (r#"{"type":"addRules","behavior":"deny","rules":[]}"#, default, Role::Approver),
            (r#"{"type":"replaceRules","behavior":"allow","rules":[]}"#, default, Role::Approver),
            (r#"{"type":"addDirectories","directories":["/a"]}"#, default, Role::Approver),
            (r#"{"type":"setMode","mode":"plan"}"#, default, Role::Approver),
            (r#"{"type":"setMode","mode":"default"}"#, default, Role::Approver),
            (r#"{"type":"setMode","mode":"acceptEdits"}"#, Some(PermissionMode::Auto), Role::Approver),
            (r#"{"type":"setMode","mode":"acceptEdits"}"#, default, Role::Owner),
            (r#"{"type":"setMode","mode":"bypassPermissions"}"#, default, Role::Owner),
            (r#"{"type":"setMode","mode":"default"}"#, None, Role::Owner),
            (r#"{"type":"setMode","mode":"nonsense"}"#, default, Role::Owner),
            (r#"{"type":"setMode"}"#, default, Role::Owner),
            (r#"{"type":"setMode","mode":"plan","mode":"auto"}"#, default, Role::Owner),
            (r#"{"type":"addRules","rules":[]}"#, default, Role::Owner),
            (r#"{"type":"replaceRules","behavior":"deny","rules":[]}"#, default, Role::Owner),
            (r#"{"type":"removeRules","behavior":"deny","rules":[]}"#, default, Role::Owner),
            (r#"{"type":"removeDirectories","directories":[]}"#, default, Role::Owner),
            (r#"{"type":"future"}"#, default, Role::Owner),
            (r#"{"mode":"plan"}"#, default, Role::Owner),
            ("7", default, Role::Owner),
        ] {
            let raw = RawJson::parse(grant).unwrap();
            assert_eq!(least_role(std::slice::from_ref(&raw), current), least, "{grant} in {current:?}");
        }
        assert_eq!(least_role(&[], default), Role::Approver);
        let mixed = [r#"{"type":"setMode","mode":"plan"}"#, r#"{"type":"setMode","mode":"auto"}"#];
        assert_eq!(least_role(&mixed.map(|grant| RawJson::parse(grant).unwrap()), default), Role::Owner);
    }
}
