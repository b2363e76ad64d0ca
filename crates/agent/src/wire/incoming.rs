//! Lines from the host. What the protocol does not know is ignored; a line that is no JSON, or a `user` line
//! that is no prompt, ends the agent, as hosts of this wire expect.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, value::RawValue};

use crate::error::AgentError;

/// One line from the host.
#[derive(Debug)]
pub(crate) enum Incoming {
    Prompt(Prompt),
    Request(ControlRequest),
    Answer(ControlAnswer),
    /// Empty, unknown, or of no consequence.
    Ignored,
}

/// When a queued prompt wants to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Priority {
    /// Stop streaming and answer this.
    Now,
    /// With the running turn if it still uses tools, else right after it.
    Next,
    /// In a turn of its own.
    Later,
}

/// A prompt as the host sent it.
#[derive(Debug, Clone)]
pub(crate) struct Prompt {
    /// The host's id; without one there are no receipts.
    pub(crate) uuid: Option<String>,
    /// A string or an array of content blocks.
    pub(crate) content: Value,
    pub(crate) priority: Priority,
    /// Whether an answer is wanted at all.
    pub(crate) wants_answer: bool,
    /// What it is for, where that is not the person's conversation; only prompts for the same are merged.
    pub(crate) workload: Option<String>,
}

impl Prompt {
    /// Whether it asks something of the agent itself. Its place in the queue is its meaning, so it is never merged.
    pub(crate) fn is_command(&self) -> bool {
        matches!(self.text().trim(), "/clear" | "/context" | "/cost")
    }

    /// All text of the prompt, one block a line.
    pub(crate) fn text(&self) -> String {
        let blocks = self.content.as_array().map(Vec::as_slice).unwrap_or_default();
        let texts: Vec<&str> = match self.content.as_str() {
            Some(text) => vec![text],
            None => blocks.iter().filter_map(|block| block.get("text")?.as_str()).collect(),
        };
        texts.join("\n")
    }

    /// The prompt as content blocks, with `suffix` after a string's text.
    pub(crate) fn blocks(&self, suffix: &str) -> Vec<Value> {
        let Some(text) = self.content.as_str() else {
            return self.content.as_array().cloned().unwrap_or_default();
        };
        vec![serde_json::json!({"type": "text", "text": format!("{text}{suffix}")})]
    }
}

/// A request of the host, to be answered exactly once.
#[derive(Debug)]
pub(crate) struct ControlRequest {
    /// The host's id; a request without one is answered without one.
    pub(crate) request_id: Option<String>,
    pub(crate) request: Value,
}

impl ControlRequest {
    pub(crate) fn subtype(&self) -> &str {
        self.field("subtype").unwrap_or_default()
    }

    pub(crate) fn field(&self, key: &str) -> Option<&str> {
        self.request.get(key)?.as_str()
    }
}

/// The host's answer to a request of ours.
#[derive(Debug)]
pub(crate) struct ControlAnswer {
    pub(crate) request_id: String,
    pub(crate) outcome: Result<Option<Box<RawValue>>, String>,
    /// The line as it came, for the echo; error answers are not echoed.
    pub(crate) echo: Option<String>,
}

/// A decision about a tool call.
#[derive(Debug)]
pub(crate) enum PermissionAnswer {
    Allow {
        updated_input: Option<Box<RawValue>>,
        updates: Vec<Value>,
        classification: Option<String>,
    },
    Deny {
        message: String,
        interrupt: bool,
    },
    /// Neither; treated as a rejection.
    Malformed,
}

/// Reads one line.
pub(crate) fn parse_line(line: &str) -> Result<Incoming, AgentError> {
    let line = line.trim();
    if line.is_empty() {
        return Ok(Incoming::Ignored);
    }
    let bad = |error: serde_json::Error| {
        let length = line.chars().count();
        AgentError::BadInput(format!("error parsing streaming input line ({length} chars): {error}"))
    };
    // Only what is needed is turned into values: a tool's input may hold numbers that no value can.
    serde_json::from_str::<IgnoredAny>(line).map_err(bad)?;
    let kind = serde_json::from_str::<Head>(line).ok().and_then(|head| head.kind);
    match kind.as_ref().and_then(Value::as_str) {
        Some("user") => prompt(&serde_json::from_str(line).map_err(bad)?).map(Incoming::Prompt),
        Some("control_request") => {
            let message: Value = serde_json::from_str(line).unwrap_or_default();
            Ok(Incoming::Request(ControlRequest {
                request_id: text(&message, "request_id"),
                request: message.get("request").cloned().unwrap_or_default(),
            }))
        }
        Some("control_response") => Ok(answer(line).map_or(Incoming::Ignored, Incoming::Answer)),
        Some(_) | None => Ok(Incoming::Ignored),
    }
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: Option<Value>,
}

fn text(message: &Value, key: &str) -> Option<String> {
    message.get(key)?.as_str().map(str::to_owned)
}

fn prompt(message: &Value) -> Result<Prompt, AgentError> {
    let inner = message.get("message").unwrap_or(&Value::Null);
    let role = inner.get("role").and_then(Value::as_str).unwrap_or("undefined");
    if role != "user" {
        return Err(AgentError::BadInput(format!("expected message role 'user', got '{role}'")));
    }
    Ok(Prompt {
        uuid: text(message, "uuid").filter(|uuid| !uuid.is_empty()),
        content: inner.get("content").cloned().unwrap_or_default(),
        priority: match message.get("priority").and_then(Value::as_str) {
            Some("now") => Priority::Now,
            Some("later") => Priority::Later,
            Some(_) | None => Priority::Next,
        },
        wants_answer: message.get("shouldQuery").and_then(Value::as_bool).unwrap_or(true),
        workload: text(message, "workload")
            .or_else(|| text(message.get("origin")?, "kind"))
            .filter(|kind| kind != "human"),
    })
}

#[derive(Deserialize)]
struct AnswerLine {
    response: AnswerBody,
}

#[derive(Deserialize)]
struct AnswerBody {
    subtype: String,
    request_id: String,
    response: Option<Box<RawValue>>,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnswerResult {
    behavior: String,
    updated_input: Option<Box<RawValue>>,
    updated_permissions: Option<Vec<Value>>,
    decision_classification: Option<String>,
    message: Option<String>,
    interrupt: Option<bool>,
}

/// `None` for an answer that names no request: there is nobody to tell.
fn answer(line: &str) -> Option<ControlAnswer> {
    let AnswerLine { response: body } = serde_json::from_str(line).ok()?;
    let succeeded = body.subtype == "success";
    let outcome = if succeeded {
        Ok(body.response)
    } else {
        Err(body.error.unwrap_or_else(|| "no reason given".to_owned()))
    };
    Some(ControlAnswer { request_id: body.request_id, outcome, echo: succeeded.then(|| line.to_owned()) })
}

/// What an answer says about a tool call.
pub(crate) fn decision(response: Option<&RawValue>) -> PermissionAnswer {
    let parsed = response.and_then(|text| serde_json::from_str::<AnswerResult>(text.get()).ok());
    let Some(result) = parsed else {
        return PermissionAnswer::Malformed;
    };
    let input_is_object = result.updated_input.as_ref().is_none_or(|input| input.get().starts_with('{'));
    match (result.behavior.as_str(), result.message) {
        ("allow", _) if input_is_object => PermissionAnswer::Allow {
            updated_input: result.updated_input,
            updates: result.updated_permissions.unwrap_or_default(),
            classification: result.decision_classification,
        },
        ("deny", Some(message)) => {
            PermissionAnswer::Deny { message, interrupt: result.interrupt.unwrap_or(false) }
        }
        (_, _) => PermissionAnswer::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignores_what_it_does_not_know() {
        for line in
            ["", "  ", "5", "null", "[1]", r#"{"type":"totally_unknown","x":1}"#, r#"{"type":"keep_alive"}"#]
        {
            assert!(matches!(parse_line(line), Ok(Incoming::Ignored)), "{line}");
        }
    }

    #[test]
    fn ends_on_lines_that_are_no_json_and_users_that_are_no_prompts() {
        let deep = format!(r#"{{"type":"user","message":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
        for line in [
            r#"{"type":"user", this is not json}"#,
            r#"{"type":"user""#,
            r#"{"type":"user","content":"no message field"}"#,
            r#"{"type":"user","message":{"role":"assistant","content":"x"}}"#,
            "{} {}",
            &deep,
        ] {
            assert!(
                matches!(parse_line(line), Err(AgentError::BadInput(_))),
                "{}",
                &line[..20.min(line.len())]
            );
        }
    }

    #[test]
    fn keeps_the_exact_text_of_an_updated_input() {
        let line = r#"{"type":"control_response","response":{"subtype":"success","request_id":"r","response":{"behavior":"allow","updatedInput":{"b":1e999,"a":1.00}}}}"#;
        let Ok(Incoming::Answer(answer)) = parse_line(line) else { panic!("an answer") };
        let response = answer.outcome.unwrap();
        let PermissionAnswer::Allow { updated_input: Some(input), .. } = decision(response.as_deref()) else {
            panic!("allow")
        };
        assert_eq!(input.get(), r#"{"b":1e999,"a":1.00}"#);
        assert_eq!(answer.echo.as_deref(), Some(line));
    }

    #[test]
    fn an_answer_of_bad_shape_is_malformed_not_allowed() {
        for result in [
            r#"{"behavior":"maybe"}"#,
            r#"{"behavior":"deny"}"#,
            r#"{"behavior":"allow","updatedInput":"ls"}"#,
            r#"{"behavior":"allow","behavior":"deny","message":"x"}"#,
            "[]",
            "null",
        ] {
            let response = RawValue::from_string(result.to_owned()).unwrap();
            assert!(matches!(decision(Some(&response)), PermissionAnswer::Malformed), "{result}");
        }
        assert!(matches!(decision(None), PermissionAnswer::Malformed));
    }
}
