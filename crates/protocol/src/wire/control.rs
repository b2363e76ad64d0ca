//! Control messages: reading what an agent asks, and writing answers and requests. The `request` of a
//! `control_request` stays raw text, because approvals bind its bytes.

use serde::{Deserialize, Serialize};

use crate::approval::PermissionOption;
use crate::json::{JsonError, RawJson, lenient_bool, lenient_string};
use crate::limits::FOREIGN_ID_BYTES_MAX;

/// One `control_request`, from either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Correlation id; absent on requests that are answered without one.
    pub request_id: Option<String>,
    /// `request.subtype`.
    pub subtype: String,
    /// The whole `request` object as raw text.
    pub request: RawJson,
}

impl Request {
    /// Reads a `control_request` line.
    ///
    /// # Errors
    /// [`JsonError`] when it has no `request` object with a `subtype`, or a `request_id` that is too long.
    pub fn parse(event: &RawJson) -> Result<Self, JsonError> {
        #[derive(Deserialize)]
        struct Envelope {
            #[serde(default)]
            request_id: Option<String>,
            request: RawJson,
        }
        #[derive(Deserialize)]
        struct Subtype {
            subtype: String,
        }
        let envelope: Envelope = event.read()?;
        let Subtype { subtype } = envelope.request.read()?;
        if envelope.request_id.as_ref().is_some_and(|id| id.len() > FOREIGN_ID_BYTES_MAX) {
            return Err(JsonError::Syntax("`request_id` is too long".into()));
        }
        Ok(Self { request_id: envelope.request_id, subtype, request: envelope.request })
    }
}

/// The `request` of a `can_use_tool`: what the agent wants to run, and what it says about it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ToolRequest {
    /// Name of the tool.
    pub tool_name: String,
    /// Its input as raw text: exactly this is approved.
    pub input: RawJson,
    /// The `tool_use` block it belongs to.
    #[serde(default, deserialize_with = "lenient_string")]
    pub tool_use_id: Option<String>,
    /// The agent's short line; its words, not a fact.
    #[serde(default, deserialize_with = "lenient_string")]
    pub description: Option<String>,
    /// Choices the agent offers beside a plain "allow": a menu, not a bundle.
    #[serde(default)]
    pub permission_suggestions: Option<Vec<RawJson>>,
    /// An agent's own choices, which then are the only ones: an answer names one by its id.
    #[serde(default)]
    pub permission_options: Option<Vec<PermissionOption>>,
    /// Path that made it ask.
    #[serde(default, deserialize_with = "lenient_string")]
    pub blocked_path: Option<String>,
    /// Why it asks; may hold ANSI.
    #[serde(default, deserialize_with = "lenient_string")]
    pub decision_reason: Option<String>,
    /// Set when a sub-agent asks.
    #[serde(default, deserialize_with = "lenient_string")]
    pub agent_id: Option<String>,
    /// Questions and plans: no one-tap approval.
    #[serde(default, deserialize_with = "lenient_bool")]
    pub requires_user_interaction: bool,
}

/// A `control_response` that reports success, with `payload` as its `response.response`.
#[must_use]
pub fn success_response(request_id: &str, payload: Option<&RawJson>) -> RawJson {
    response("success", request_id, payload, None, None)
}

/// A `control_response` that reports an error, with an optional stable code.
#[must_use]
pub fn error_response(request_id: &str, message: &str, code: Option<&str>) -> RawJson {
    response("error", request_id, None, Some(message), code)
}

fn response(
    subtype: &str,
    request_id: &str,
    payload: Option<&RawJson>,
    error: Option<&str>,
    error_code: Option<&str>,
) -> RawJson {
    #[derive(Serialize)]
    struct Envelope<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
        response: Body<'a>,
    }
    #[derive(Serialize)]
    struct Body<'a> {
        subtype: &'a str,
        request_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        response: Option<&'a RawJson>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error_code: Option<&'a str>,
    }
    RawJson::from_value(&Envelope {
        kind: "control_response",
        response: Body { subtype, request_id, response: payload, error, error_code },
    })
}

/// A control request of a client. `request` is the object with its `subtype`.
#[must_use]
pub fn client_request(uuid: &str, request_id: &str, request: &RawJson) -> RawJson {
    #[derive(Serialize)]
    struct Envelope<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
        uuid: &'a str,
        request_id: &'a str,
        request: &'a RawJson,
    }
    RawJson::from_value(&Envelope { kind: "control_request", uuid, request_id, request })
}

/// The `request` object that stops what runs.
#[must_use]
pub fn interrupt() -> RawJson {
    RawJson::from_value(&serde_json::json!({"subtype": "interrupt"}))
}

/// The `request` object that takes a queued prompt back.
#[must_use]
pub fn cancel_async_message(message_uuid: &str) -> RawJson {
    RawJson::from_value(&serde_json::json!({"subtype": "cancel_async_message", "message_uuid": message_uuid}))
}

/// The `request` object that asks what the agent told when it began: its commands and models.
#[must_use]
pub fn initialize() -> RawJson {
    RawJson::from_value(&serde_json::json!({"subtype": "initialize"}))
}

/// The `request` object that asks for files whose names fit what was typed.
#[must_use]
pub fn file_suggestions(query: &str) -> RawJson {
    RawJson::from_value(&serde_json::json!({"subtype": "file_suggestions", "query": query}))
}

/// The `request` object that changes the model.
#[must_use]
pub fn set_model(model: &str) -> RawJson {
    RawJson::from_value(&serde_json::json!({"subtype": "set_model", "model": model}))
}

/// The `request` object that changes the permission mode.
#[must_use]
pub fn set_permission_mode(mode: &str) -> RawJson {
    RawJson::from_value(&serde_json::json!({"subtype": "set_permission_mode", "mode": mode}))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_request_keeps_the_bytes_of_its_input() {
        let line = r#"{"request":{"input":{"b":1.0,"a":[ 1 ]},"subtype":"can_use_tool","tool_name":"Bash"},"request_id":"R","type":"control_request"}"#;
        let request = Request::parse(&RawJson::parse(line).unwrap()).unwrap();
        let tool: ToolRequest = request.request.read().unwrap();
        assert_eq!((request.subtype.as_str(), tool.tool_name.as_str()), ("can_use_tool", "Bash"));
        assert_eq!(tool.input.as_str(), r#"{"b":1.0,"a":[ 1 ]}"#);
    }

    #[test]
    fn answers_look_like_the_agents_own() {
        assert_eq!(
            error_response("R", "no", Some("unsupported_request")).as_str(),
            r#"{"type":"control_response","response":{"subtype":"error","request_id":"R","error":"no","error_code":"unsupported_request"}}"#
        );
        assert_eq!(
            success_response("R", None).as_str(),
            r#"{"type":"control_response","response":{"subtype":"success","request_id":"R"}}"#
        );
    }
}
