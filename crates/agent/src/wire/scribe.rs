//! Writes the lines of one speaker: the main agent, or a sub-agent whose lines carry the call that started it.
//! Every line gets its own uuid here, and nowhere else.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use crate::{
    wire::object::Object,
    world::{World, iso_timestamp},
};

/// A finished content block of the assistant.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Block {
    Text {
        text: String,
    },
    Thinking {
        thinking: String,
        signature: String,
    },
    ToolUse {
        id: String,
        name: String,
        input: Box<RawValue>,
    },
    /// A kind this agent only passes on.
    #[serde(untagged)]
    Other(Value),
}

/// The message a block belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MessageHead<'a> {
    pub(crate) id: &'a str,
    /// The API's id of the request.
    pub(crate) request_id: &'a str,
    pub(crate) model: &'a str,
    /// As far as it is known.
    pub(crate) usage: Usage,
}

/// The call a sub-agent works for, stamped on all it says.
#[derive(Debug)]
pub(crate) struct Delegate {
    pub(crate) agent_id: String,
    pub(crate) tool_use_id: String,
    pub(crate) subagent_type: String,
    pub(crate) description: String,
}

/// What the API counts, in tokens; the scripted model's numbers are plausible, not measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) cache_creation_tokens: u64,
    pub(crate) cache_read_tokens: u64,
}

impl Usage {
    pub(crate) fn to_json(self) -> Value {
        json!({
            "input_tokens": self.input_tokens,
            "cache_creation_input_tokens": self.cache_creation_tokens,
            "cache_read_input_tokens": self.cache_read_tokens,
            "output_tokens": self.output_tokens,
        })
    }

    /// Takes over what the API says; it leaves out what did not change.
    pub(crate) fn update(&mut self, usage: &Value) {
        let fields = [
            ("input_tokens", &mut self.input_tokens),
            ("output_tokens", &mut self.output_tokens),
            ("cache_creation_input_tokens", &mut self.cache_creation_tokens),
            ("cache_read_input_tokens", &mut self.cache_read_tokens),
        ];
        for (name, field) in fields {
            if let Some(count) = usage.get(name).and_then(Value::as_u64) {
                *field = count;
            }
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cache_creation_tokens = self.cache_creation_tokens.saturating_add(other.cache_creation_tokens);
        self.cache_read_tokens = self.cache_read_tokens.saturating_add(other.cache_read_tokens);
    }

    /// What a request put into the context, read from a cache or not.
    pub(crate) fn context_tokens(self) -> u64 {
        self.input_tokens.saturating_add(self.cache_creation_tokens).saturating_add(self.cache_read_tokens)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Scribe {
    pub(crate) world: Arc<dyn World>,
    pub(crate) session_id: Arc<str>,
    pub(crate) model: Arc<str>,
    pub(crate) delegate: Option<Arc<Delegate>>,
}

impl Scribe {
    /// The same speaker's lines, said by a sub-agent.
    pub(crate) fn for_delegate(&self, delegate: Delegate) -> Self {
        Self { delegate: Some(Arc::new(delegate)), ..self.clone() }
    }

    /// A `user` line the agent writes itself, with a fresh uuid.
    pub(crate) fn user(&self, content: &Value) -> Object {
        let line = self.user_line(content, &self.world.uuid());
        self.with_timestamp(line)
    }

    /// The echo of a prompt under its own uuid. The wire leaves the time out where a prompt was merged away or repeated.
    pub(crate) fn replay(&self, content: &Value, uuid: &str, timed: bool) -> Object {
        let line = self.user_line(content, uuid);
        let line = if timed { self.with_timestamp(line) } else { line };
        line.with("isReplay", &true)
    }

    fn user_line(&self, content: &Value, uuid: &str) -> Object {
        let line = Object::of_type("user")
            .with("message", &json!({"role": "user", "content": content}))
            .with("session_id", &*self.session_id)
            .with("parent_tool_use_id", &self.parent())
            .with("uuid", uuid);
        self.with_delegate(line)
    }

    /// An `assistant` line: one finished block of a message.
    pub(crate) fn assistant(&self, message: &MessageHead<'_>, block: &Block, uuid: &str) -> Object {
        let body = Object::new()
            .with("id", message.id)
            .with("type", "message")
            .with("role", "assistant")
            .with("model", message.model)
            .with("content", &[block])
            .with("stop_reason", &Value::Null)
            .with("stop_sequence", &Value::Null)
            .with("usage", &message.usage.to_json())
            .with("context_management", &Value::Null);
        self.assistant_line(&body, uuid).with("request_id", message.request_id)
    }

    /// An `assistant` line in the agent's own words, which no model said.
    pub(crate) fn synthetic(&self, text: &str) -> Object {
        let body = Object::new()
            .with("id", &self.world.uuid())
            .with("type", "message")
            .with("role", "assistant")
            .with("model", "<synthetic>")
            .with("content", &json!([{"type": "text", "text": text}]))
            .with("stop_reason", "stop_sequence")
            .with("stop_sequence", "")
            .with("usage", &Usage::default().to_json());
        self.assistant_line(&body, &self.world.uuid())
    }

    fn assistant_line(&self, message: &Object, uuid: &str) -> Object {
        let line = Object::of_type("assistant")
            .with("message", message)
            .with("parent_tool_use_id", &self.parent())
            .with("session_id", &*self.session_id)
            .with("uuid", uuid);
        self.with_timestamp(self.with_delegate(line))
    }

    /// A `stream_event` line of the message `message_id`.
    pub(crate) fn stream_event(&self, message_id: &str, event: &impl Serialize) -> Object {
        Object::of_type("stream_event")
            .with("event", event)
            .with("session_id", &*self.session_id)
            .with("parent_tool_use_id", &self.parent())
            .with("uuid", &self.world.uuid())
            .with("api_message_id", message_id)
    }

    /// The start of a `system` line; the caller adds the subtype's fields.
    pub(crate) fn system(&self, subtype: &str) -> Object {
        Object::of_type("system")
            .with("subtype", subtype)
            .with("session_id", &*self.session_id)
            .with("uuid", &self.world.uuid())
    }

    /// The receipt of a prompt that has a uuid.
    pub(crate) fn lifecycle(&self, prompt_uuid: &str, state: &str) -> String {
        Object::of_type("command_lifecycle")
            .with("command_uuid", prompt_uuid)
            .with("state", state)
            .with("uuid", &self.world.uuid())
            .with("session_id", &*self.session_id)
            .to_line()
    }

    /// The message object a stream starts with.
    pub(crate) fn message_start(&self, message: &MessageHead<'_>) -> Object {
        let body = json!({
            "id": message.id, "type": "message", "role": "assistant", "model": message.model, "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": message.usage.to_json(),
        });
        Object::of_type("message_start").with("message", &body)
    }

    fn parent(&self) -> Option<&str> {
        self.delegate.as_ref().map(|delegate| delegate.tool_use_id.as_str())
    }

    fn with_timestamp(&self, line: Object) -> Object {
        line.with("timestamp", &iso_timestamp(self.world.unix_ms()))
    }

    fn with_delegate(&self, line: Object) -> Object {
        let Some(delegate) = &self.delegate else {
            return line;
        };
        line.with("agent_id", &delegate.agent_id)
            .with("subagent_type", &delegate.subagent_type)
            .with("task_description", &delegate.description)
    }
}
