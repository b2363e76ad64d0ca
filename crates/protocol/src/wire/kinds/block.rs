//! Content blocks (PROTOCOL 2.1, 2.2 and 3).

use std::fmt;

use super::macros::{record, shown, tagged};
use super::shape::{Misfit, Piece, Shape};
use super::value::{Any, Field, Flag, List, Text};
use crate::json::RawJson;

/// A string or blocks (PROTOCOL 2.1 and 2.2, captured).
#[derive(Clone, PartialEq)]
pub enum Content {
    /// Plain text.
    Text(String),
    /// Blocks.
    Blocks(Vec<Block>),
}

impl Piece for Content {
    fn write(&self, out: &mut String) {
        match self {
            Self::Text(text) => text.write(out),
            Self::Blocks(blocks) => blocks.write(out),
        }
    }

    fn is_typed(&self) -> bool {
        match self {
            Self::Text(_) => true,
            Self::Blocks(blocks) => blocks.is_typed(),
        }
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => text.show(f),
            Self::Blocks(blocks) => blocks.show(f),
        }
    }
}

impl Shape for Content {
    fn read(text: &str) -> Result<Self, Misfit> {
        match text.as_bytes().first() {
            Some(b'"') => String::read(text).map(Self::Text),
            Some(b'[') => Vec::read(text).map(Self::Blocks),
            _ => Err(Misfit::Kind("a string or blocks")),
        }
    }
}

shown!(Content);

tagged! {
    /// One content block.
    pub enum Block by "type" {
        /// Text.
        "text" => Text(TextBlock),
        /// Thinking.
        "thinking" => Thinking(ThinkingBlock),
        /// Thinking nobody may read.
        "redacted_thinking" => RedactedThinking(RedactedThinkingBlock),
        /// A call of one of the agent's tools.
        "tool_use" => ToolUse(ToolUseBlock),
        /// A call of one of the API's tools.
        "server_tool_use" => ServerToolUse(ServerToolUseBlock),
        /// A call of a tool of an MCP server the API talks to.
        "mcp_tool_use" => McpToolUse(McpToolUseBlock),
        /// The result of one of the agent's tools.
        "tool_result" => ToolResult(ToolResultBlock),
        /// The result of a tool of the API, or of an MCP server it talks to.
        "web_search_tool_result" | "web_fetch_tool_result" | "code_execution_tool_result"
        | "bash_code_execution_tool_result" | "text_editor_code_execution_tool_result"
        | "tool_search_tool_result" | "advisor_tool_result" | "mcp_tool_result" => ServerToolResult(ServerToolResultBlock),
        /// A file in a container.
        "container_upload" => ContainerUpload(ContainerUploadBlock),
        /// What became of the conversation above.
        "compaction" => Compaction(CompactionBlock),
        /// Another model took over.
        "fallback" => Fallback(FallbackBlock),
        /// An image.
        "image" => Image(ImageBlock),
        /// A document.
        "document" => Document(DocumentBlock),
        /// A found passage.
        "search_result" => SearchResult(SearchResultBlock),
        /// A tool that was found.
        "tool_reference" => ToolReference(ToolReferenceBlock),
        /// A file or page that a tool points at.
        "resource_link" => ResourceLink(ResourceLinkBlock),
    }
}

record! {
    /// Text (PROTOCOL 3, captured).
    pub struct TextBlock ["type" = "text"] {
        /// The text, as markdown.
        text: String,
        /// Where it is from.
        citations: List<RawJson>,
        /// Until where the API may cache.
        cache_control: Any,
    }
}

record! {
    /// Thinking (PROTOCOL 3, captured).
    pub struct ThinkingBlock ["type" = "thinking"] {
        /// The text; may be `""`.
        thinking: String,
        /// Opaque.
        signature: Text,
    }
}

record! {
    /// Thinking nobody may read (PROTOCOL 3, captured).
    pub struct RedactedThinkingBlock ["type" = "redacted_thinking"] {
        /// Opaque.
        data: Text,
    }
}

record! {
    /// A call of one of the agent's tools (PROTOCOL 3, captured).
    pub struct ToolUseBlock ["type" = "tool_use"] {
        /// The call's id.
        id: String,
        /// Name of the tool.
        name: String,
        /// Its input, as it was written; see [`ToolInput`](super::tools::ToolInput).
        input: RawJson,
        /// Who called.
        caller: Field<Caller>,
    }
}

record! {
    /// A call of one of the API's own tools (PROTOCOL 3, docs).
    pub struct ServerToolUseBlock ["type" = "server_tool_use"] {
        /// The call's id.
        id: String,
        /// `web_search`, `web_fetch`, `code_execution`, ….
        name: String,
        /// Its input, as it was written.
        input: RawJson,
        /// Who called.
        caller: Field<Caller>,
    }
}

record! {
    /// A call of a tool of an MCP server that the API talks to (PROTOCOL 3, docs).
    pub struct McpToolUseBlock ["type" = "mcp_tool_use"] {
        /// The call's id.
        id: String,
        /// Name of the tool.
        name: String,
        /// The server.
        server_name: Text,
        /// Its input, as it was written.
        input: RawJson,
    }
}

record! {
    /// Who called a tool (PROTOCOL 3, docs).
    pub struct Caller [] {
        /// `direct`, or the tool that did.
        kind as "type": Text,
        /// The call that called.
        tool_id: Text,
    }
}

record! {
    /// What came of a tool call (PROTOCOL 2.2, captured).
    pub struct ToolResultBlock ["type" = "tool_result"] {
        /// The call.
        tool_use_id: String,
        /// What the model was given.
        content: Field<Content>,
        /// `true`, `false` or absent on success.
        is_error: Flag,
        /// Until where the API may cache.
        cache_control: Any,
    }
}

record! {
    /// What came of a call of a tool of the API (PROTOCOL 3, docs).
    pub struct ServerToolResultBlock [] {
        /// Which tool's.
        kind as "type": String,
        /// The call.
        tool_use_id: String,
        /// An array, or an object with an `error_code`.
        content: Any,
        /// Set by MCP servers.
        is_error: Flag,
        /// Who called.
        caller: Field<Caller>,
    }
}

record! {
    /// A file in a container (PROTOCOL 3, docs).
    pub struct ContainerUploadBlock ["type" = "container_upload"] {
        /// The file.
        file_id: Text,
    }
}

record! {
    /// What became of the conversation above (PROTOCOL 3, docs).
    pub struct CompactionBlock ["type" = "compaction"] {
        /// The summary.
        content: Text,
        /// The same, opaque.
        encrypted_content: Text,
        /// Opaque.
        signature: Text,
    }
}

record! {
    /// Another model took over (PROTOCOL 3, docs).
    pub struct FallbackBlock ["type" = "fallback"] {
        /// The model that did not answer.
        from: Any,
        /// The model that did.
        to: Any,
        /// Why.
        trigger: Any,
    }
}

record! {
    /// An image (PROTOCOL 2.1, captured in tool results).
    pub struct ImageBlock ["type" = "image"] {
        /// Where it is.
        source: Source,
        /// Until where the API may cache.
        cache_control: Any,
    }
}

record! {
    /// A document (PROTOCOL 2.1, docs).
    pub struct DocumentBlock ["type" = "document"] {
        /// Where it is.
        source: Source,
        /// Its title.
        title: Text,
        /// What it is about.
        context: Text,
        /// Whether it may be cited.
        citations: Any,
        /// Until where the API may cache.
        cache_control: Any,
    }
}

tagged! {
    /// Where an image or a document is (PROTOCOL 2.1, docs).
    pub enum Source by "type" {
        /// In the message.
        "base64" => Base64(Base64Source),
        /// On the web.
        "url" => Url(UrlSource),
        /// Uploaded before.
        "file" => File(FileSource),
        /// In the message, as text.
        "text" => Text(TextSource),
    }
}

record! {
    /// Bytes in the message (PROTOCOL 2.1, docs).
    pub struct Base64Source ["type" = "base64"] {
        /// `image/png`, `application/pdf`, ….
        media_type: Text,
        /// The bytes in base64.
        data: String,
    }
}

record! {
    /// A place on the web (PROTOCOL 2.1, docs).
    pub struct UrlSource ["type" = "url"] {
        /// Where.
        url: String,
    }
}

record! {
    /// A file that was uploaded before (PROTOCOL 2.1, docs).
    pub struct FileSource ["type" = "file"] {
        /// The file.
        file_id: String,
    }
}

record! {
    /// Text in the message (PROTOCOL 2.1, docs).
    pub struct TextSource ["type" = "text"] {
        /// `text/plain`.
        media_type: Text,
        /// The text.
        data: String,
    }
}

record! {
    /// A found passage (PROTOCOL 2.1 and 2.2, docs).
    pub struct SearchResultBlock ["type" = "search_result"] {
        /// Where.
        source: Text,
        /// Its title.
        title: Text,
        /// What it says.
        content: Field<Content>,
        /// Whether it may be cited.
        citations: Any,
    }
}

record! {
    /// A tool that was found (PROTOCOL 2.2, captured).
    pub struct ToolReferenceBlock ["type" = "tool_reference"] {
        /// Its name.
        tool_name: Text,
    }
}

record! {
    /// A file or page that a tool of an MCP server points at (PROTOCOL 10).
    pub struct ResourceLinkBlock ["type" = "resource_link"] {
        /// Where.
        uri: Text,
        /// Its name.
        name: Text,
        /// Its title.
        title: Text,
        /// What it is.
        description: Text,
        /// Its media type.
        mime_type as "mimeType": Text,
    }
}
