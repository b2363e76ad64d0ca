//! Builds the body of one request: instructions, tools, and the conversation so far in the form the API wants.

use serde_json::{Map, Value, json};

/// How long an answer may get, in tokens; every current model may say that much.
pub(crate) const OUTPUT_TOKENS_MAX: u64 = 16_000;
/// Fewest thinking tokens the API takes.
const THINKING_TOKENS_MIN: u64 = 1_024;
/// Most thinking tokens that are asked for.
const THINKING_TOKENS_MAX: u64 = 200_000;

/// Whether the model is to think before it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Thinking {
    /// As the model is used to.
    #[default]
    Unsaid,
    /// Not at all.
    Disabled,
    /// As much as it finds right.
    Adaptive,
    /// At most this many tokens.
    Budget(u64),
}

/// Everything one request says.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    pub(crate) model: &'a str,
    pub(crate) system: &'a str,
    pub(crate) tools: Vec<Value>,
    pub(crate) messages: &'a [Value],
    /// The first message of this turn: what was thought before it is not repeated.
    pub(crate) turn_from: usize,
    pub(crate) thinking: Thinking,
    pub(crate) effort: Option<&'a str>,
}

impl Question<'_> {
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({
            "model": self.model, "max_tokens": OUTPUT_TOKENS_MAX, "stream": true, "messages": self.conversation(),
        });
        if !self.system.is_empty() {
            body["system"] =
                json!([{"type": "text", "text": self.system, "cache_control": {"type": "ephemeral"}}]);
        }
        if !self.tools.is_empty() {
            body["tools"] = Value::Array(self.tools.clone());
        }
        if let Some(effort) = self.effort {
            body["output_config"] = json!({"effort": effort});
        }
        match self.thinking {
            Thinking::Unsaid => {}
            Thinking::Disabled => body["thinking"] = json!({"type": "disabled"}),
            Thinking::Adaptive => body["thinking"] = json!({"type": "adaptive"}),
            Thinking::Budget(tokens) => {
                let tokens = tokens.clamp(THINKING_TOKENS_MIN, THINKING_TOKENS_MAX);
                body["thinking"] = json!({"type": "enabled", "budget_tokens": tokens});
                body["max_tokens"] = json!(OUTPUT_TOKENS_MAX + tokens);
            }
        }
        body
    }

    /// The conversation with neighbours of one role joined, as the API wants it.
    fn conversation(&self) -> Vec<Value> {
        let mut joined: Vec<(&Value, Vec<Value>)> = Vec::new();
        for (place, message) in self.messages.iter().enumerate() {
            let blocks = blocks_of(&message["content"]);
            let keeps_thoughts = place >= self.turn_from;
            let blocks = blocks.into_iter().filter(|block| keeps_thoughts || !is_thought(block));
            match joined.last_mut() {
                Some((role, content)) if **role == message["role"] => content.extend(blocks),
                _ => joined.push((&message["role"], blocks.collect())),
            }
        }
        joined.retain(|(_, content)| !content.is_empty());
        if let Some((_, content)) = joined.last_mut() {
            mark_for_cache(content);
        }
        joined.into_iter().map(|(role, content)| json!({"role": role, "content": content})).collect()
    }
}

/// A message's content as blocks; empty texts, which the API refuses, are left out.
pub(crate) fn blocks_of(content: &Value) -> Vec<Value> {
    let blocks = match content.as_str() {
        Some(text) => vec![json!({"type": "text", "text": text})],
        None => content.as_array().cloned().unwrap_or_default(),
    };
    let says_something = |block: &Value| block["text"].as_str().is_none_or(|text| !text.trim().is_empty());
    blocks.into_iter().filter(says_something).collect()
}

fn is_thought(block: &Value) -> bool {
    matches!(block["type"].as_str(), Some("thinking" | "redacted_thinking"))
}

/// The next request repeats everything up to here.
fn mark_for_cache(content: &mut [Value]) {
    let markable =
        |block: &&mut Value| matches!(block["type"].as_str(), Some("text" | "tool_result" | "image"));
    if let Some(fields) = content.last_mut().filter(markable).and_then(Value::as_object_mut) {
        let mut ephemeral = Map::new();
        ephemeral.insert("type".to_owned(), json!("ephemeral"));
        fields.insert("cache_control".to_owned(), Value::Object(ephemeral));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(messages: &[Value], turn_from: usize, thinking: Thinking) -> Value {
        let question = Question {
            model: "m",
            system: "",
            tools: Vec::new(),
            messages,
            turn_from,
            thinking,
            effort: None,
        };
        question.body()
    }

    #[test]
    fn joins_neighbours_and_leaves_out_old_thoughts_and_empty_words() {
        let thought = json!({"type": "thinking", "thinking": "hm", "signature": "s"});
        let messages = [
            json!({"role": "user", "content": "a"}),
            json!({"role": "user", "content": [{"type": "text", "text": " "}, {"type": "text", "text": "b"}]}),
            json!({"role": "assistant", "content": [thought]}),
            json!({"role": "assistant", "content": [thought, {"type": "text", "text": "c"}]}),
            json!({"role": "user", "content": "d"}),
            json!({"role": "assistant", "content": [thought]}),
        ];
        let body = question(&messages, 4, Thinking::Unsaid);
        let text = |text: &str| json!({"type": "text", "text": text});
        assert_eq!(
            body["messages"],
            json!([
                {"role": "user", "content": [text("a"), text("b")]},
                {"role": "assistant", "content": [text("c")]},
                {"role": "user", "content": [text("d")]},
                {"role": "assistant", "content": [thought]},
            ])
        );
        assert!(
            body.get("thinking").is_none() && body.get("system").is_none() && body.get("tools").is_none()
        );
    }

    #[test]
    fn makes_room_for_thinking_beside_the_answer() {
        let body = question(&[], 0, Thinking::Budget(5));
        assert_eq!(body["thinking"]["budget_tokens"], THINKING_TOKENS_MIN);
        assert_eq!(body["max_tokens"], OUTPUT_TOKENS_MAX + THINKING_TOKENS_MIN);
        assert_eq!(question(&[], 0, Thinking::Adaptive)["thinking"], json!({"type": "adaptive"}));
    }
}
