//! Content blocks: what a message holds, read one at a time and only when asked for.

use super::view::{Seen, view};
use crate::json::{JsonRef, RawJson};

/// A string, or blocks, unread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Content<'a>(JsonRef<'a>);

impl<'a> Seen<'a> for Content<'a> {
    fn seen(value: JsonRef<'a>) -> Self {
        Self(value)
    }
}

impl<'a> Content<'a> {
    pub(super) fn is_absent(self) -> bool {
        self.0.is_absent()
    }

    /// The blocks as they are, where they are more than text.
    #[must_use]
    pub fn beyond_text(self) -> Option<RawJson> {
        let more = |block: JsonRef<'_>| block.get("type").text().is_some_and(|kind| kind != "text");
        self.0.items().any(more).then(|| self.0.to_raw()).flatten()
    }

    /// The blocks, a plain string as one text block. Blocks that cannot be read are kept as [`Block::Other`].
    #[must_use]
    pub fn blocks(self) -> Vec<Block<'a>> {
        match self.0.string() {
            Some(text) => vec![Block::Text { text }],
            None => self.0.items().map(Block::read).collect(),
        }
    }

    /// All text in it, blocks joined by line breaks.
    #[must_use]
    pub fn text(self) -> String {
        self.text_and_images().0
    }

    /// All text in it, blocks joined by line breaks, and how many images there are.
    #[must_use]
    pub fn text_and_images(self) -> (String, usize) {
        if let Some(text) = self.0.string() {
            return (text, 0);
        }
        let (mut texts, mut images) = (Vec::new(), 0);
        for block in self.0.items().map(Block::read) {
            match block {
                Block::Text { text } => texts.push(text),
                Block::Image => images += 1,
                Block::Thinking { .. }
                | Block::RedactedThinking
                | Block::ToolUse { .. }
                | Block::ToolResult { .. }
                | Block::Other(_) => {}
            }
        }
        (texts.join("\n"), images)
    }
}

/// One content block.
#[derive(Clone, Debug)]
pub enum Block<'a> {
    /// Text.
    Text { text: String },
    /// Thinking; the text may be empty.
    Thinking { thinking: String },
    /// Thinking nobody may read.
    RedactedThinking,
    /// A tool call, of a client's or a server's tool.
    ToolUse { id: String, name: String, input: JsonRef<'a> },
    /// A tool's result.
    ToolResult { tool_use_id: String, content: Content<'a>, is_error: bool },
    /// An image.
    Image,
    /// Anything else, by its type.
    Other(String),
}

view! {
    /// The fields of all blocks together.
    pub(super) struct Fields<'a> {
        /// Which block.
        kind as "type": String,
        /// `text`.
        text: JsonRef<'a>,
        /// `thinking`.
        thinking: JsonRef<'a>,
        /// `tool_use`.
        id: Option<String>,
        /// `tool_use`.
        name: Option<String>,
        /// `tool_use`.
        input: JsonRef<'a>,
        /// `tool_result`.
        tool_use_id: Option<String>,
        /// `tool_result`.
        content: Content<'a>,
        /// `tool_result`.
        is_error: bool,
    }
}

impl<'a> Block<'a> {
    /// Reads one block; what cannot be read becomes [`Block::Other`].
    #[must_use]
    pub fn read(block: JsonRef<'a>) -> Self {
        let Ok(fields) = Fields::read(block) else { return Self::Other(String::new()) };
        let Fields { kind, text, thinking, id, name, input, tool_use_id, content, is_error } = fields;
        match (kind.as_str(), id, name, tool_use_id) {
            ("text", ..) => Self::Text { text: text.string().unwrap_or_default() },
            ("thinking", ..) => Self::Thinking { thinking: thinking.string().unwrap_or_default() },
            ("redacted_thinking", ..) => Self::RedactedThinking,
            ("image", ..) => Self::Image,
            ("tool_use" | "server_tool_use" | "mcp_tool_use", Some(id), Some(name), _) => {
                Self::ToolUse { id, name, input }
            }
            (kind, _, _, Some(tool_use_id)) if kind.ends_with("tool_result") => {
                Self::ToolResult { tool_use_id, content, is_error }
            }
            _ => Self::Other(kind),
        }
    }
}
