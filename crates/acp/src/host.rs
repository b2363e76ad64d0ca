//! Lines from the host. What the wire does not know is ignored; a line that is no JSON, or a `user` line that is no
//! prompt, ends the front, as hosts of this wire expect.

use serde_json::Value;

/// One line from the host.
#[derive(Debug)]
pub(crate) enum HostLine {
    Prompt(Prompt),
    Request(ControlRequest),
    Answer(ControlAnswer),
    /// Empty, unknown, or of no consequence.
    Ignored,
}

/// When a queued prompt wants to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Priority {
    /// Stop what runs and answer this.
    Now,
    /// In its turn.
    Next,
}

/// A prompt as the host sent it.
#[derive(Clone, Debug)]
pub(crate) struct Prompt {
    /// The host's id; without one there are no receipts.
    pub(crate) uuid: Option<String>,
    /// A string or an array of content blocks.
    pub(crate) content: Value,
    pub(crate) priority: Priority,
    /// Whether an answer is wanted at all.
    pub(crate) wants_answer: bool,
}

/// A request of the host, to be answered exactly once.
#[derive(Debug)]
pub(crate) struct ControlRequest {
    pub(crate) request_id: Option<String>,
    pub(crate) request: Value,
}

impl ControlRequest {
    pub(crate) fn field(&self, key: &str) -> Option<&str> {
        self.request.get(key)?.as_str()
    }
}

/// The host's answer to a request of ours.
#[derive(Debug)]
pub(crate) struct ControlAnswer {
    pub(crate) request_id: String,
    /// The payload of a success.
    pub(crate) payload: Option<Value>,
    /// The line as it came, for the echo.
    pub(crate) line: String,
}

/// A line no agent of this wire goes on after.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BadLine(String);

pub(crate) fn parse_line(line: &str) -> Result<HostLine, BadLine> {
    let line = line.trim();
    if line.is_empty() {
        return Ok(HostLine::Ignored);
    }
    let message: Value = serde_json::from_str(line)
        .map_err(|error| BadLine(format!("error parsing a line of {} bytes: {error}", line.len())))?;
    let text = |key: &str| message.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    match text("type") {
        Some("user") => prompt(&message),
        Some("control_request") => Ok(HostLine::Request(ControlRequest {
            request_id: text("request_id").map(str::to_owned),
            request: message.get("request").cloned().unwrap_or_default(),
        })),
        Some("control_response") => Ok(answer(&message, line).map_or(HostLine::Ignored, HostLine::Answer)),
        _ => Ok(HostLine::Ignored),
    }
}

fn prompt(message: &Value) -> Result<HostLine, BadLine> {
    let inner = message.get("message").unwrap_or(&Value::Null);
    let role = inner.get("role").and_then(Value::as_str).unwrap_or("undefined");
    if role != "user" {
        return Err(BadLine(format!("expected message role 'user', got '{role}'")));
    }
    let text = |key: &str| message.get(key).and_then(Value::as_str);
    Ok(HostLine::Prompt(Prompt {
        uuid: text("uuid").filter(|uuid| !uuid.is_empty()).map(str::to_owned),
        content: inner.get("content").cloned().unwrap_or_default(),
        priority: if text("priority") == Some("now") { Priority::Now } else { Priority::Next },
        wants_answer: message.get("shouldQuery").and_then(Value::as_bool).unwrap_or(true),
    }))
}

fn answer(message: &Value, line: &str) -> Option<ControlAnswer> {
    let response = message.get("response")?;
    let is_success = response.get("subtype").and_then(Value::as_str) == Some("success");
    let payload = || response.get("response").cloned().unwrap_or_default();
    Some(ControlAnswer {
        request_id: response.get("request_id")?.as_str()?.to_owned(),
        payload: is_success.then(payload),
        line: line.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_prompt_that_is_none_and_a_line_that_is_no_json_end_the_front() {
        for ignored in ["", "  ", "{}", "7", r#"{"type":"keep_alive"}"#, r#"{"type":7}"#] {
            assert!(matches!(parse_line(ignored), Ok(HostLine::Ignored)), "{ignored}");
        }
        for bad in ["{", r#"{"type":"user"}"#, r#"{"type":"user","message":{"role":"assistant"}}"#] {
            assert!(parse_line(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reads_a_prompt_with_what_it_wishes() {
        let line = r#"{"type":"user","uuid":"u","priority":"now","shouldQuery":false,"message":{"role":"user","content":"hi"}}"#;
        let Ok(HostLine::Prompt(prompt)) = parse_line(line) else { panic!("no prompt") };
        assert_eq!(prompt.uuid.as_deref(), Some("u"));
        assert!(prompt.priority == Priority::Now && !prompt.wants_answer && prompt.content == "hi");
    }
}
