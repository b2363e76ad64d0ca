//! What an agent asked the model.

use axum::http::HeaderMap;
use serde_json::Value;

/// One request to `/v1/messages`.
#[derive(Clone, Debug)]
pub struct Request {
    /// Name, in lower case, and value of every header.
    pub headers: Vec<(String, String)>,
    /// The body; null if it was no JSON.
    pub body: Value,
}

impl Request {
    pub(super) fn new(headers: &HeaderMap, body: &[u8]) -> Self {
        let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        Self { headers, body: serde_json::from_slice(body).unwrap_or_default() }
    }

    /// A header's value; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The model that was asked for.
    pub fn model(&self) -> &str {
        self.body["model"].as_str().unwrap_or_default()
    }

    /// The conversation.
    pub fn messages(&self) -> &[Value] {
        self.body["messages"].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// All text of the first message.
    pub fn opening_text(&self) -> String {
        self.messages().first().map(|message| text_of(&message["content"])).unwrap_or_default()
    }

    /// All text of the last message.
    pub fn last_text(&self) -> String {
        self.messages().last().map(|message| text_of(&message["content"])).unwrap_or_default()
    }

    /// All text of the system prompt.
    pub fn system_text(&self) -> String {
        text_of(&self.body["system"])
    }

    /// The tools that were offered, by name.
    pub fn tool_names(&self) -> Vec<&str> {
        let tools = self.body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
        tools.iter().filter_map(|tool| tool["name"].as_str()).collect()
    }

    /// The results of tools in the last message, in order.
    pub fn tool_results(&self) -> Vec<&Value> {
        let last = self.messages().last().and_then(|message| message["content"].as_array());
        last.map(Vec::as_slice)
            .unwrap_or_default()
            .iter()
            .filter(|block| block["type"] == "tool_result")
            .collect()
    }
}

/// The text of a string, or of all text blocks of an array, one a line.
fn text_of(content: &Value) -> String {
    match (content.as_str(), content.as_array()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(blocks)) => {
            let texts: Vec<&str> = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
            texts.join("\n")
        }
        (None, None) => String::new(),
    }
}
