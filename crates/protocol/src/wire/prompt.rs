//! Prompts from clients: how one is written, and what one may hold. Nothing a client sends may claim to be the
//! agent's.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::json::RawJson;
use crate::limits::FOREIGN_ID_BYTES_MAX;

/// Fields by which a `user` line says that it is the agent's own.
const CLAIMS: [&str; 9] = [
    "isSynthetic",
    "isReplay",
    "isMeta",
    "isCompactSummary",
    "isVisibleInTranscriptOnly",
    "origin",
    "tool_use_result",
    "toolUseResult",
    "parent_tool_use_id",
];

/// Why a client's `user` event is refused. The text is for the person who sent it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// No `uuid`, or one that is empty or too long.
    #[error("a prompt needs a `uuid` of 1 to {FOREIGN_ID_BYTES_MAX} characters")]
    Uuid,
    /// No `message` with role `user`; such a line would end the agent.
    #[error("a prompt needs a `message` with role `user` and content")]
    Message,
    /// A block that is not text, image or document.
    #[error("a prompt may hold text, image and document blocks, not `{0}`")]
    Block(String),
    /// A field that only an agent may set.
    #[error("a prompt may not carry `{0}`")]
    Claim(&'static str),
}

/// What a person says: a text, what goes with it, and when the agent should hear of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The text.
    pub text: String,
    /// Images and documents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Attachment>,
    /// When the agent should hear of it; absent is the same as `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
}

/// An image or a document that goes with a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its media type: `image/png`, `application/pdf`.
    pub media_type: String,
    /// Its bytes in base64.
    pub data: String,
}

/// When an agent that works hears of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// At once: what is being said ends here.
    Now,
    /// At its next pause.
    Next,
    /// When it is done with everything else.
    Later,
}

impl Priority {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Next => "next",
            Self::Later => "later",
        }
    }
}

impl Priority {
    /// All of them, the soonest first.
    pub const ALL: [Self; 3] = [Self::Now, Self::Next, Self::Later];

    /// The priority of that name on the wire.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }
}

impl Said {
    /// Whether there is nothing to say.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.files.is_empty() && self.text.trim().is_empty()
    }
}

impl<T: Into<String>> From<T> for Said {
    fn from(text: T) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

impl Attachment {
    /// Whether it is an image; anything else goes as a document.
    #[must_use]
    pub fn is_image(&self) -> bool {
        self.media_type.starts_with("image/")
    }

    fn block(&self) -> Value {
        let kind = if self.is_image() { "image" } else { "document" };
        json!({"type": kind, "source": {"type": "base64", "media_type": self.media_type, "data": self.data}})
    }
}

/// A prompt of plain text as a client sends it.
#[must_use]
pub fn text_prompt(uuid: &str, text: &str) -> RawJson {
    prompt(uuid, &text.into())
}

/// A prompt as a client sends it: always the same bytes for the same `said`.
#[must_use]
pub fn prompt(uuid: &str, said: &Said) -> RawJson {
    #[derive(Serialize)]
    struct Prompt<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
        uuid: &'a str,
        session_id: &'a str,
        parent_tool_use_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        priority: Option<Priority>,
        message: Message<'a>,
    }
    #[derive(Serialize)]
    struct Message<'a> {
        role: &'a str,
        content: Value,
    }
    RawJson::from_value(&Prompt {
        kind: "user",
        uuid,
        session_id: "",
        parent_tool_use_id: None,
        priority: said.priority,
        message: Message { role: "user", content: content(said) },
    })
}

fn content(said: &Said) -> Value {
    if said.files.is_empty() {
        return Value::String(said.text.clone());
    }
    let text = (!said.text.trim().is_empty()).then(|| json!({"type": "text", "text": said.text}));
    Value::Array(said.files.iter().map(Attachment::block).chain(text).collect())
}

/// What was said with this `text`, and these content `blocks` where they were more than it, to be said again with
/// `priority`; `None` where [`prompt`] would write other blocks.
#[must_use]
pub fn said(text: &str, blocks: Option<&RawJson>, priority: Option<Priority>) -> Option<Said> {
    #[derive(Deserialize)]
    struct Block {
        source: Option<Attachment>,
    }
    let mut said = Said { text: text.to_owned(), files: Vec::new(), priority };
    let Some(blocks) = blocks else { return Some(said) };
    let read: Vec<Block> = blocks.read().ok()?;
    said.files = read.into_iter().filter_map(|block| block.source).collect();
    (content(&said) == blocks.read::<Value>().ok()?).then_some(said)
}

/// Checks a client's `user` event and returns its uuid.
///
/// # Errors
/// [`PromptError`] naming the first rule that was broken.
pub fn check(event: &RawJson) -> Result<String, PromptError> {
    #[derive(Deserialize)]
    struct Prompt {
        uuid: Option<String>,
        message: Option<Message>,
    }
    #[derive(Deserialize)]
    struct Message {
        role: String,
        content: Value,
    }
    let fields: Map<String, Value> = event.read().map_err(|_| PromptError::Message)?;
    let prompt: Prompt = event.read().map_err(|_| PromptError::Message)?;
    let uuid = prompt
        .uuid
        .filter(|uuid| (1..=FOREIGN_ID_BYTES_MAX).contains(&uuid.len()))
        .ok_or(PromptError::Uuid)?;
    let claims = CLAIMS.into_iter().find(|name| fields.get(*name).is_some_and(|value| !value.is_null()));
    if let Some(claim) = claims {
        return Err(PromptError::Claim(claim));
    }
    let message = prompt.message.filter(|message| message.role == "user").ok_or(PromptError::Message)?;
    match message.content {
        Value::String(_) => Ok(uuid),
        Value::Array(blocks) => {
            for block in &blocks {
                let kind = block.get("type").and_then(Value::as_str).unwrap_or("");
                if !matches!(kind, "text" | "image" | "document") {
                    return Err(PromptError::Block(kind.to_owned()));
                }
            }
            if blocks.is_empty() { Err(PromptError::Message) } else { Ok(uuid) }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Err(PromptError::Message),
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn checked(text: &str) -> Result<String, PromptError> {
        check(&RawJson::parse(text).unwrap())
    }

    #[test]
    fn takes_what_it_writes() {
        assert_eq!(check(&text_prompt("u1", "hi \"there\"\n")), Ok("u1".into()));
    }

    #[test]
    fn what_goes_with_a_prompt_stands_before_its_text_and_a_plain_one_is_as_it_always_was() {
        let image = Attachment { media_type: "image/png".into(), data: "AAAA".into() };
        let pdf = Attachment { media_type: "application/pdf".into(), data: "BBBB".into() };
        let said = Said { text: "look".into(), files: vec![image, pdf], priority: Some(Priority::Now) };
        let written = prompt("u1", &said);
        assert_eq!(check(&written), Ok("u1".into()));
        let value: Value = written.read().unwrap();
        assert_eq!(value["priority"], "now");
        let kinds: Vec<&str> = value["message"]["content"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|one| one["type"].as_str())
            .collect();
        assert_eq!(kinds, ["image", "document", "text"]);
        assert_eq!(
            text_prompt("u", "hi").as_str(),
            r#"{"type":"user","uuid":"u","session_id":"","parent_tool_use_id":null,"message":{"role":"user","content":"hi"}}"#
        );
        let kept = serde_json::to_string(&said).unwrap();
        assert_eq!(serde_json::from_str::<Said>(&kept).unwrap(), said);
    }

    #[test]
    fn what_was_said_is_said_again_just_so_or_not_at_all() {
        let image = Attachment { media_type: "image/png".into(), data: "AAAA".into() };
        let first = Said { text: "look".into(), files: vec![image], priority: None };
        let blocks = |said: &Said| RawJson::from_value(&content(said));
        let again = said("look", Some(&blocks(&first)), Some(Priority::Later)).unwrap();
        assert_eq!((again.priority, content(&again)), (Some(Priority::Later), content(&first)));
        assert_eq!(said("hi", None, None), Some("hi".into()));
        for other in [
            r#"[{"type":"text","text":"look"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]"#,
            r#"[{"type":"image","source":{"type":"url","url":"https://x"}},{"type":"text","text":"look"}]"#,
            r#"[{"type":"document","title":"t","source":{"type":"base64","media_type":"application/pdf","data":"AAAA"}},{"type":"text","text":"look"}]"#,
        ] {
            assert_eq!(said("look", Some(&RawJson::parse(other).unwrap()), None), None, "{other}");
        }
    }

    #[test]
    fn refuses_what_would_end_the_agent_or_speaks_for_it() {
        assert_eq!(checked(r#"{"type":"user","uuid":"u"}"#), Err(PromptError::Message));
        assert_eq!(
            checked(r#"{"type":"user","uuid":"u","message":{"role":"assistant","content":"x"}}"#),
            Err(PromptError::Message)
        );
        assert_eq!(
            checked(r#"{"type":"user","message":{"role":"user","content":"x"}}"#),
            Err(PromptError::Uuid)
        );
        assert_eq!(
            checked(
                r#"{"type":"user","uuid":"u","message":{"role":"user","content":[{"type":"tool_result"}]}}"#
            ),
            Err(PromptError::Block("tool_result".into()))
        );
        assert_eq!(
            checked(
                r#"{"type":"user","uuid":"u","isSynthetic":true,"message":{"role":"user","content":"x"}}"#
            ),
            Err(PromptError::Claim("isSynthetic"))
        );
        for claim in CLAIMS {
            let text = format!(
                r#"{{"type":"user","uuid":"u","{claim}":1,"message":{{"role":"user","content":"x"}}}}"#
            );
            assert_eq!(checked(&text), Err(PromptError::Claim(claim)));
        }
    }
}
