//! A person's decision as it travels: a `control_response` with a `uuid`, the `digest` of what was shown, and for an
//! edited input the digest of the edited text.

use serde::{Deserialize, Serialize};

use super::{Answer, BaseFile, Kind};
use crate::json::{JsonError, RawJson};
use crate::limits::FOREIGN_ID_BYTES_MAX;

/// Why an event is no decision.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecisionError {
    /// Not a `control_response` with a success body.
    #[error("a decision is a `control_response` with `response.subtype` \"success\": {0}")]
    Shape(String),
    /// No `uuid`.
    #[error("a decision needs a `uuid`")]
    NoUuid,
    /// No `digest`.
    #[error("a decision needs the `digest` of the request that was shown")]
    NoDigest,
    /// Neither a `behavior` nor an `action` that is known.
    #[error(
        "a decision's `behavior` is allow, deny, completed or cancelled, or its `action` accept, decline or cancel"
    )]
    Behavior,
    /// An allow without its `updatedInput`.
    #[error("an allow carries the `updatedInput` it allows")]
    NoInput,
    /// An option beside what is no tool's answer, or an id that is too long.
    #[error("`option_id` stands beside an allow or a deny, and has at most {FOREIGN_ID_BYTES_MAX} bytes")]
    Option,
    /// Values beside a no.
    #[error("only an accept carries `content`")]
    Content,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may run.
    Allow {
        /// The input it may run with.
        updated_input: RawJson,
        /// Suggestions of this very request that were granted as well.
        updated_permissions: Vec<RawJson>,
    },
    /// It may not.
    Deny {
        /// Becomes the tool's result, word for word.
        message: String,
        /// Whether the turn ends too.
        interrupt: bool,
    },
    /// The answer to something that is no tool's request.
    Answer(Answer),
}

impl Verdict {
    /// Reads the response object of a decision.
    ///
    /// # Errors
    /// [`DecisionError`] naming what is missing.
    pub fn read(payload: &RawJson) -> Result<Self, DecisionError> {
        Payload::read(payload)?.verdict()
    }

    /// The kind of request it decides.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Allow { .. } | Self::Deny { .. } => Kind::Tool,
            Self::Answer(answer) => answer.kind(),
        }
    }

    /// The no to a request of `kind`; the words go to a tool's caller alone.
    #[must_use]
    pub fn no(kind: Kind, message: String, interrupt: bool) -> Self {
        Answer::no(kind).map_or(Self::Deny { message, interrupt }, Self::Answer)
    }
}

/// One decision about one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Idempotency key.
    pub uuid: String,
    /// The agent's id of the request.
    pub request_id: String,
    /// [`super::digest`] of the `request` that was shown.
    pub digest: String,
    /// When the person clicked, ms since the Unix epoch in server time; absent = now.
    pub decided_at_ms: Option<u64>,
    /// With an edited input: [`super::digest`] of its raw text.
    pub updated_input_digest: Option<String>,
    /// Whether the input was edited.
    pub edited: bool,
    /// The file that the request was shown to be made on, where it was shown; the bridge compares it with its own.
    pub base_file: Option<BaseFile>,
    /// The option that was picked, where the request offers some; see [`super::pick`].
    pub option_id: Option<String>,
    /// What was decided.
    pub verdict: Verdict,
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    uuid: Option<String>,
    #[serde(default)]
    digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decided_at_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    edited: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    updated_input_digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base_file: Option<BaseFile>,
    response: Body,
}

#[derive(Serialize, Deserialize)]
struct Body {
    subtype: String,
    request_id: String,
    response: RawJson,
}

#[derive(Default, Serialize, Deserialize)]
struct Payload {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    behavior: Option<String>,
    #[serde(default, skip_serializing)]
    action: Option<String>,
    #[serde(default, skip_serializing)]
    content: Option<RawJson>,
    #[serde(default, skip_serializing)]
    result: Option<RawJson>,
    #[serde(default, rename = "updatedInput", skip_serializing_if = "Option::is_none")]
    updated_input: Option<RawJson>,
    #[serde(default, rename = "updatedPermissions", skip_serializing_if = "Option::is_none")]
    updated_permissions: Option<Vec<RawJson>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    interrupt: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    option_id: Option<String>,
}

impl Payload {
    fn read(payload: &RawJson) -> Result<Self, DecisionError> {
        payload.read().map_err(|error| DecisionError::Shape(error.to_string()))
    }

    fn verdict(self) -> Result<Verdict, DecisionError> {
        let is_accept = self.action.as_deref() == Some("accept");
        if self.content.is_some() && !is_accept {
            return Err(DecisionError::Content);
        }
        match (self.behavior.as_deref(), self.action.as_deref()) {
            (Some("allow"), None) => Ok(Verdict::Allow {
                updated_input: self.updated_input.ok_or(DecisionError::NoInput)?,
                updated_permissions: self.updated_permissions.unwrap_or_default(),
            }),
            (Some("deny"), None) => {
                Ok(Verdict::Deny { message: self.message.unwrap_or_default(), interrupt: self.interrupt })
            }
            (Some("completed"), None) => {
                let result = self.result.unwrap_or_else(RawJson::null);
                Ok(Verdict::Answer(Answer::Completed { result }))
            }
            (Some("cancelled"), None) => Ok(Verdict::Answer(Answer::Cancelled)),
            (None, Some("accept")) => Ok(Verdict::Answer(Answer::Accept { content: self.content })),
            (None, Some("decline")) => Ok(Verdict::Answer(Answer::Decline)),
            (None, Some("cancel")) => Ok(Verdict::Answer(Answer::Cancel)),
            _ => Err(DecisionError::Behavior),
        }
    }
}

impl Decision {
    /// Reads a decision out of a client's `control_response`.
    ///
    /// # Errors
    /// [`DecisionError`] naming what is missing.
    pub fn parse(event: &RawJson) -> Result<Self, DecisionError> {
        let envelope: Envelope =
            event.read().map_err(|error: JsonError| DecisionError::Shape(error.to_string()))?;
        if envelope.kind != "control_response" || envelope.response.subtype != "success" {
            return Err(DecisionError::Shape(envelope.response.subtype));
        }
        let uuid = envelope.uuid.filter(|uuid| (1..=FOREIGN_ID_BYTES_MAX).contains(&uuid.len()));
        let mut payload = Payload::read(&envelope.response.response)?;
        let option_id = payload.option_id.take();
        let verdict = payload.verdict()?;
        let is_option_fit = verdict.kind() == Kind::Tool
            && option_id.as_ref().is_none_or(|id| id.len() <= FOREIGN_ID_BYTES_MAX);
        if option_id.is_some() && !is_option_fit {
            return Err(DecisionError::Option);
        }
        Ok(Self {
            uuid: uuid.ok_or(DecisionError::NoUuid)?,
            request_id: envelope.response.request_id,
            digest: envelope.digest.ok_or(DecisionError::NoDigest)?,
            decided_at_ms: envelope.decided_at_ms,
            updated_input_digest: envelope.updated_input_digest,
            edited: envelope.edited,
            base_file: envelope.base_file,
            option_id,
            verdict,
        })
    }

    /// What was decided, in the agent's own word: `allow`, `deny`, `accept`, `decline`, `cancel`, `completed` or
    /// `cancelled`.
    #[must_use]
    pub fn behavior(&self) -> &'static str {
        match &self.verdict {
            Verdict::Allow { .. } => "allow",
            Verdict::Deny { .. } => "deny",
            Verdict::Answer(answer) => answer.word(),
        }
    }

    /// The event a client sends.
    #[must_use]
    pub fn to_event(&self) -> RawJson {
        let payload = match &self.verdict {
            Verdict::Answer(answer) => answer.payload(),
            Verdict::Allow { updated_input, updated_permissions } => RawJson::from_value(&Payload {
                behavior: Some("allow".into()),
                updated_input: Some(updated_input.clone()),
                updated_permissions: Some(updated_permissions.clone()).filter(|granted| !granted.is_empty()),
                message: None,
                interrupt: false,
                option_id: self.option_id.clone(),
                ..Payload::default()
            }),
            Verdict::Deny { message, interrupt } => RawJson::from_value(&Payload {
                behavior: Some("deny".into()),
                updated_input: None,
                updated_permissions: None,
                message: Some(message.clone()),
                interrupt: *interrupt,
                option_id: self.option_id.clone(),
                ..Payload::default()
            }),
        };
        RawJson::from_value(&Envelope {
            kind: "control_response".into(),
            uuid: Some(self.uuid.clone()),
            digest: Some(self.digest.clone()),
            decided_at_ms: self.decided_at_ms,
            edited: self.edited,
            updated_input_digest: self.updated_input_digest.clone(),
            base_file: self.base_file.clone(),
            response: Body {
                subtype: "success".into(),
                request_id: self.request_id.clone(),
                response: payload,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for verdict in [
            Verdict::Allow {
                updated_input: RawJson::parse(r#"{"command":"ls", "n":1.0}"#).unwrap(),
                updated_permissions: vec![RawJson::parse(r#"{"type":"setMode"}"#).unwrap()],
            },
            Verdict::Deny { message: "keep it".into(), interrupt: true },
            Verdict::Answer(Answer::Accept { content: None }),
            Verdict::Answer(Answer::Accept { content: Some(RawJson::parse(r#"{"n": 1.0}"#).unwrap()) }),
            Verdict::Answer(Answer::Decline),
            Verdict::Answer(Answer::Cancel),
            Verdict::Answer(Answer::Completed { result: RawJson::null() }),
            Verdict::Answer(Answer::Completed { result: RawJson::parse("[1.0]").unwrap() }),
            Verdict::Answer(Answer::Cancelled),
        ] {
            let option_id = Some("o1".to_owned()).filter(|_| verdict.kind() == Kind::Tool);
            let decision = Decision {
                uuid: "u".into(),
                request_id: "R".into(),
                digest: "d".into(),
                decided_at_ms: Some(5),
                updated_input_digest: None,
                edited: false,
                base_file: Some(BaseFile::New).filter(|_| option_id.is_some()),
                option_id,
                verdict,
            };
            assert_eq!(Decision::parse(&decision.to_event()), Ok(decision));
        }
    }

    #[test]
    fn names_what_is_missing() {
        let parse = |text: &str| Decision::parse(&RawJson::parse(text).unwrap()).unwrap_err();
        let body = |payload: &str| {
            format!(r#""response":{{"subtype":"success","request_id":"R","response":{payload}}}"#)
        };
        let allow = body(r#"{"behavior":"allow","updatedInput":{}}"#);
        assert_eq!(
            parse(&format!(r#"{{"type":"control_response","uuid":"u",{allow}}}"#)),
            DecisionError::NoDigest
        );
        assert_eq!(
            parse(&format!(r#"{{"type":"control_response","digest":"d",{allow}}}"#)),
            DecisionError::NoUuid
        );
        let maybe = body(r#"{"behavior":"maybe"}"#);
        assert_eq!(
            parse(&format!(r#"{{"type":"control_response","uuid":"u","digest":"d",{maybe}}}"#)),
            DecisionError::Behavior
        );
        for (payload, error) in [
            (r#"{"action":"maybe"}"#, DecisionError::Behavior),
            (r#"{"action":"accept","behavior":"allow"}"#, DecisionError::Behavior),
            ("{}", DecisionError::Behavior),
            (r#"{"action":"decline","content":{}}"#, DecisionError::Content),
            (r#"{"action":"decline","option_id":"o"}"#, DecisionError::Option),
        ] {
            let event = format!(r#"{{"type":"control_response","uuid":"u","digest":"d",{}}}"#, body(payload));
            assert_eq!(parse(&event), error, "{payload}");
        }
        let bare = body(r#"{"behavior":"allow"}"#);
        assert_eq!(
            parse(&format!(r#"{{"type":"control_response","uuid":"u","digest":"d",{bare}}}"#)),
            DecisionError::NoInput
        );
        assert!(matches!(parse(r#"{"type":"control_response"}"#), DecisionError::Shape(_)));
    }
}
