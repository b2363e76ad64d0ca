//! Answers to what an agent asks beside tools: an `elicitation`, where a server of the agent wants words from a person,
//! and a `request_user_dialog`. They are decided under the rules of every approval; only the answer differs.

use serde::{Deserialize, Serialize};

use super::form::{Elicitation, FormError};
use crate::json::RawJson;

/// What kind of answer a request takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// `can_use_tool`, and whatever is not known: it can be allowed or denied.
    #[default]
    Tool,
    /// `elicitation`.
    Elicitation,
    /// `request_user_dialog`.
    Dialog,
}

impl Kind {
    /// The kind of a `subtype` that a person answers, `None` for all others.
    #[must_use]
    pub fn of_subtype(subtype: &str) -> Option<Self> {
        match subtype {
            "can_use_tool" => Some(Self::Tool),
            "elicitation" => Some(Self::Elicitation),
            "request_user_dialog" => Some(Self::Dialog),
            _ => None,
        }
    }

    /// The kind of a `request` object.
    #[must_use]
    pub fn of(request: &RawJson) -> Self {
        #[derive(Deserialize)]
        struct Subtype {
            subtype: String,
        }
        let subtype = request.read::<Subtype>().map(|read| read.subtype).unwrap_or_default();
        Self::of_subtype(&subtype).unwrap_or_default()
    }

    /// What a request of this kind is answered with when nobody decided it; a tool's is denied instead.
    #[must_use]
    pub fn refusal(self) -> Option<Answer> {
        match self {
            Self::Tool => None,
            Self::Elicitation => Some(Answer::Cancel),
            Self::Dialog => Some(Answer::Cancelled),
        }
    }

    /// The kind of the request inside a whole `control_request`.
    #[must_use]
    pub fn of_event(event: &RawJson) -> Self {
        #[derive(Deserialize)]
        struct Event {
            request: RawJson,
        }
        event.read::<Event>().map(|event| Self::of(&event.request)).unwrap_or_default()
    }
}

/// An answer to something that is no tool's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The elicitation is accepted, with the form's values where it has a form.
    Accept { content: Option<RawJson> },
    /// The elicitation is declined.
    Decline,
    /// The elicitation is neither: nobody decided.
    Cancel,
    /// The dialog is completed.
    Completed { result: RawJson },
    /// The dialog is closed without a result.
    Cancelled,
}

impl Answer {
    /// The no of `kind`; a tool's is no answer but a denial.
    #[must_use]
    pub fn no(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Tool => None,
            Kind::Elicitation => Some(Self::Decline),
            Kind::Dialog => Some(Self::Cancelled),
        }
    }

    /// The kind of request it answers.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Accept { .. } | Self::Decline | Self::Cancel => Kind::Elicitation,
            Self::Completed { .. } | Self::Cancelled => Kind::Dialog,
        }
    }

    /// Its word on the wire.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Accept { .. } => "accept",
            Self::Decline => "decline",
            Self::Cancel => "cancel",
            Self::Completed { .. } => "completed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The response object an agent reads.
    #[must_use]
    pub fn payload(&self) -> RawJson {
        #[derive(Serialize)]
        struct Payload<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            action: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            behavior: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            content: Option<&'a RawJson>,
            #[serde(skip_serializing_if = "Option::is_none")]
            result: Option<&'a RawJson>,
        }
        let (content, result) = match self {
            Self::Accept { content } => (content.as_ref(), None),
            Self::Completed { result } => (None, Some(result)),
            Self::Decline | Self::Cancel | Self::Cancelled => (None, None),
        };
        let is_elicitation = self.kind() == Kind::Elicitation;
        let (action, behavior) =
            if is_elicitation { (Some(self.word()), None) } else { (None, Some(self.word())) };
        RawJson::from_value(&Payload { action, behavior, content, result })
    }

    /// Whether it fits `held`, the `request` it answers.
    ///
    /// # Errors
    /// [`FormError`] naming what the request did not ask for.
    pub fn check(&self, held: &RawJson) -> Result<(), FormError> {
        match self {
            Self::Accept { content } => Elicitation::read(held)?.check(content.as_ref()),
            Self::Completed { result } if result.has_duplicate_keys() => Err(FormError::Ambiguous),
            Self::Completed { .. } | Self::Decline | Self::Cancel | Self::Cancelled => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn writes_what_an_agent_reads() {
        let raw = |text: &str| RawJson::parse(text).unwrap();
        for (answer, written) in [
            (Answer::Accept { content: None }, r#"{"action":"accept"}"#),
            (
                Answer::Accept { content: Some(raw(r#"{"n":1.0}"#)) },
                r#"{"action":"accept","content":{"n":1.0}}"#,
            ),
            (Answer::Decline, r#"{"action":"decline"}"#),
            (Answer::Cancel, r#"{"action":"cancel"}"#),
            (Answer::Completed { result: RawJson::null() }, r#"{"behavior":"completed","result":null}"#),
            (Answer::Cancelled, r#"{"behavior":"cancelled"}"#),
        ] {
            assert_eq!(answer.payload().as_str(), written);
        }
    }

    #[test]
    fn what_is_not_known_can_only_be_allowed_or_denied() {
        let kind = |text: &str| Kind::of(&RawJson::parse(text).unwrap());
        assert_eq!(kind(r#"{"subtype":"elicitation"}"#), Kind::Elicitation);
        assert_eq!(kind(r#"{"subtype":"request_user_dialog"}"#), Kind::Dialog);
        for other in [r#"{"subtype":"can_use_tool"}"#, r#"{"subtype":"future"}"#, "7", r#"{"subtype":7}"#] {
            assert_eq!(kind(other), Kind::Tool, "{other}");
        }
    }
}
