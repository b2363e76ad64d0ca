//! What a decision granted beyond the one call, as it can be read and taken back: the literal rules, and where they are
//! kept.

use portcullis_protocol::RawJson;
use portcullis_protocol::wire::client::PermissionState;
use portcullis_protocol::wire::decisions::DecisionEntry;
use serde::Deserialize;

use super::exact::literal;
use crate::words::settings as words;

/// One granted suggestion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The rules as the agent's own files spell them, or the whole suggestion where that says more.
    pub literal: String,
    /// Where it is kept, and so how long it lasts.
    pub place: Place,
}

/// Where a grant is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the agent's process.
    Process,
    /// In a file that the agent wrote.
    File(&'static str),
    /// Somewhere this client does not know.
    Unknown(String),
}

/// Whether it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Force {
    /// It never reached the agent.
    Never,
    /// As long as the process runs: it ends with it.
    Living,
    /// The process is gone.
    Over,
    /// Until somebody edits that file.
    Written(&'static str),
    /// This client cannot tell.
    Unknown(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Update {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    behavior: String,
    #[serde(default)]
    destination: String,
    #[serde(default)]
    mode: String,
    #[serde(default)]
    rules: Vec<Rule>,
    #[serde(default)]
    directories: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    tool_name: String,
    #[serde(default)]
    rule_content: Option<String>,
}

impl Grant {
    /// Reads one item of `updatedPermissions`.
    #[must_use]
    pub fn read(raw: &RawJson) -> Self {
        let whole = || literal(raw.as_str());
        let Ok(update) = raw.read::<Update>() else {
            return Self { literal: whole(), place: Place::Unknown(String::new()) };
        };
        let rule = |rule: &Rule| match &rule.rule_content {
            Some(content) => format!("{}({content})", rule.tool_name),
            None => rule.tool_name.clone(),
        };
        let text = match update.kind.as_str() {
            "addRules" => {
                format!(
                    "{}: {}",
                    update.behavior,
                    update.rules.iter().map(rule).collect::<Vec<_>>().join(", ")
                )
            }
            "addDirectories" => format!("directory: {}", update.directories.join(", ")),
            "setMode" => format!("mode: {}", update.mode),
            _ => whole(),
        };
        let place = match update.destination.as_str() {
            "session" => Place::Process,
            "localSettings" => Place::File(".claude/settings.local.json"),
            "projectSettings" => Place::File(".claude/settings.json"),
            "userSettings" => Place::File("~/.claude/settings.json"),
            other => Place::Unknown(literal(other)),
        };
        Self { literal: literal(&text), place }
    }

    /// Whether it holds, as far as `entry` tells.
    #[must_use]
    pub fn force(&self, entry: &DecisionEntry) -> Force {
        let arrived = matches!(entry.state, PermissionState::Delivered | PermissionState::Settled);
        match &self.place {
            _ if !arrived => Force::Never,
            Place::Process if entry.lives => Force::Living,
            Place::Process => Force::Over,
            Place::File(file) => Force::Written(file),
            Place::Unknown(destination) => Force::Unknown(destination.clone()),
        }
    }
}

impl Force {
    /// For a person.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Never => words::rule_never().to_owned(),
            Self::Living => words::rule_lives().to_owned(),
            Self::Over => words::rule_over().to_owned(),
            Self::Written(file) => words::rule_file(file),
            Self::Unknown(destination) => words::rule_unknown(destination),
        }
    }
}

/// How far a decision came, for a person.
#[must_use]
pub fn outcome(state: PermissionState) -> &'static str {
    match state {
        PermissionState::Pending => words::state_pending(),
        PermissionState::Decided => words::state_decided(),
        PermissionState::Delivered => words::state_delivered(),
        PermissionState::Settled => words::state_settled(),
        PermissionState::Cancelled => words::state_cancelled(),
        PermissionState::Expired => words::state_expired(),
        PermissionState::Orphaned => words::state_orphaned(),
        PermissionState::Refused => words::state_refused(),
    }
}

/// What was asked, short: the tool and the first field of its input, both literally.
#[must_use]
pub fn asked(request: &RawJson) -> String {
    #[derive(Deserialize)]
    struct Asked {
        #[serde(default)]
        subtype: String,
        #[serde(default)]
        tool_name: String,
        #[serde(default)]
        input: serde_json::Map<String, serde_json::Value>,
    }
    let Ok(asked) = request.read::<Asked>() else { return literal(request.as_str()) };
    let name = if asked.tool_name.is_empty() { asked.subtype } else { asked.tool_name };
    let first = asked.input.values().find_map(|value| value.as_str());
    let first = first.and_then(|text| text.lines().next()).unwrap_or_default();
    literal(format!("{name} {first}").trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, Place) {
        let Grant { literal, place } = Grant::read(&RawJson::parse(text).unwrap());
        (literal, place)
    }

    #[test]
    fn a_rule_reads_as_the_agents_files_spell_it() {
        let rule = r#"{"type":"addRules","rules":[{"toolName":"Bash","ruleContent":"touch:*"},{"toolName":"mcp__a__b"}],"behavior":"allow","destination":"localSettings"}"#;
        assert_eq!(
            read(rule),
            ("allow: Bash(touch:*), mcp__a__b".into(), Place::File(".claude/settings.local.json"))
        );
        let mode = r#"{"type":"setMode","mode":"acceptEdits","destination":"session"}"#;
        assert_eq!(read(mode), ("mode: acceptEdits".into(), Place::Process));
    }

    #[test]
    fn what_is_not_known_is_shown_whole_and_what_hides_is_named() {
        let future = r#"{"type":"future","destination":"moon"}"#;
        assert_eq!(read(future), (future.into(), Place::Unknown("moon".into())));
        let hides =
            "{\"type\":\"addDirectories\",\"directories\":[\"/a\u{202e}b\"],\"destination\":\"session\"}";
        assert_eq!(read(hides).0, "directory: /a⟨U+202E⟩b");
    }

    #[test]
    fn a_grant_holds_as_long_as_what_it_was_given_to() {
        let entry = |state, lives| DecisionEntry {
            id: 1,
            session_id: portcullis_protocol::id::SessionId::parse("s").unwrap(),
            session_title: String::new(),
            directory: String::new(),
            request_id: String::new(),
            digest: String::new(),
            request: RawJson::null(),
            asked_at_ms: 0,
            decided_at_ms: None,
            device_id: None,
            decided_by: String::new(),
            behavior: "allow".into(),
            edited_input: None,
            message: None,
            state,
            reason: None,
            granted: Vec::new(),
            lives,
        };
        let of = |place: &Place, state, lives| {
            Grant { literal: String::new(), place: place.clone() }.force(&entry(state, lives))
        };
        use PermissionState::{Orphaned, Settled};
        assert_eq!(of(&Place::Process, Settled, true), Force::Living);
        assert_eq!(of(&Place::Process, Settled, false), Force::Over);
        assert_eq!(of(&Place::Process, Orphaned, true), Force::Never);
        assert_eq!(of(&Place::File("f"), Settled, false), Force::Written("f"));
    }

    #[test]
    fn what_was_asked_is_one_line() {
        let asked_of = |text: &str| asked(&RawJson::parse(text).unwrap());
        let bash = r#"{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"ls\nrm"}}"#;
        assert_eq!(asked_of(bash), "Bash ls");
        assert_eq!(asked_of(r#"{"subtype":"elicitation"}"#), "elicitation");
    }
}
