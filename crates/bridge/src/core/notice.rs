//! Events the bridge itself puts into the log: what happened to the agent or to a message, in words for a person.

use portcullis_protocol::RawJson;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// Subtypes of `system` that the bridge alone writes: an agent that prints one speaks in the bridge's name.
pub(crate) const OWN_SUBTYPES: [&str; 4] =
    ["agent_ended", "delivery_unknown", "event_too_large", "input_edited"];

/// Characters of an agent's text that are quoted in a notice.
const QUOTE_CHARS_MAX: usize = 200;

/// A `system/informational` event of level `warning`.
pub(crate) fn warning(content: &str, uuid: &str, session_id: &str) -> RawJson {
    RawJson::from_value(&json!({
        "type": "system", "subtype": "informational", "level": "warning",
        "content": content, "uuid": uuid, "session_id": session_id,
    }))
}

/// Says in the place of an agent that does not that a prompt was taken back.
pub(crate) fn prompt_cancelled(command_uuid: &str, uuid: &str, session_id: &str) -> RawJson {
    RawJson::from_value(&json!({
        "type": "command_lifecycle", "command_uuid": command_uuid, "state": "cancelled",
        "uuid": uuid, "session_id": session_id,
    }))
}

/// Stands in for an event above the limit.
pub(crate) fn event_too_large(stub: &TooLarge<'_>, uuid: &str, session_id: &str) -> RawJson {
    RawJson::from_value(&json!({
        "type": "system", "subtype": "event_too_large", "bytes": stub.bytes, "sha256": stub.sha256,
        "original_type": stub.original_type, "uuid": uuid, "session_id": session_id,
    }))
}

/// What is known of an event above the limit.
#[derive(Debug, Serialize)]
pub(crate) struct TooLarge<'a> {
    pub(crate) bytes: usize,
    pub(crate) sha256: Option<String>,
    pub(crate) original_type: Option<&'a str>,
}

/// Nobody knows whether the agent read the prompt `message_uuid`.
pub(crate) fn delivery_unknown(message_uuid: &str, content: &str, uuid: &str, session_id: &str) -> RawJson {
    RawJson::from_value(&json!({
        "type": "system", "subtype": "delivery_unknown", "level": "warning", "message_uuid": message_uuid,
        "content": content, "uuid": uuid, "session_id": session_id,
    }))
}

/// The input a tool really ran with, when a person edited it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Edit {
    pub(crate) tool_use_id: String,
    pub(crate) input: RawJson,
    pub(crate) edited_by: String,
}

/// A tool was allowed with another input than the agent had asked for.
pub(crate) fn input_edited(edit: &Edit, uuid: &str, session_id: &str) -> RawJson {
    #[derive(Serialize)]
    struct Line<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
        subtype: &'a str,
        #[serde(flatten)]
        edit: &'a Edit,
        uuid: &'a str,
        session_id: &'a str,
    }
    RawJson::from_value(&Line { kind: "system", subtype: "input_edited", edit, uuid, session_id })
}

/// The agent process ended.
pub(crate) fn agent_ended(content: &str, exit_code: Option<i32>, uuid: &str, session_id: &str) -> RawJson {
    RawJson::from_value(&json!({
        "type": "system", "subtype": "agent_ended", "level": "warning", "content": content,
        "exit_code": exit_code, "uuid": uuid, "session_id": session_id,
    }))
}

/// SHA-256 of `text` in lower-case hex.
pub(crate) fn sha256_hex(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The start of `text` as it may stand in a notice: one line, nothing invisible.
pub(crate) fn quote(text: &str) -> String {
    let visible = |character: char| if character.is_control() { '\u{fffd}' } else { character };
    let mut quoted: String = text.chars().take(QUOTE_CHARS_MAX).map(visible).collect();
    if text.chars().nth(QUOTE_CHARS_MAX).is_some() {
        quoted.push('…');
    }
    quoted
}
