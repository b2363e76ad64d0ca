//! What tools give that reach out to MCP servers (PROTOCOL 10), and answers to requests that do (PROTOCOL 8.3).

use std::fmt;

use crate::wire::kinds::block::{Block, Content};
use crate::wire::kinds::macros::{record, shown};
use crate::wire::kinds::shape::{Misfit, Piece, Shape};
use crate::wire::kinds::value::{Any, Count, Field, List, Text};

/// What a tool of an MCP server gave (PROTOCOL 10, captured). A plain string is an
/// [`Outcome::Text`](super::Outcome::Text).
#[derive(Clone, PartialEq)]
pub enum McpOutput {
    /// Blocks.
    Blocks(Vec<Block>),
    /// Blocks with a structure beside them.
    Result(Box<McpResult>),
}

impl Piece for McpOutput {
    fn write(&self, out: &mut String) {
        match self {
            Self::Blocks(blocks) => blocks.write(out),
            Self::Result(result) => result.write(out),
        }
    }

    fn is_typed(&self) -> bool {
        match self {
            Self::Blocks(blocks) => blocks.is_typed(),
            Self::Result(result) => result.is_typed(),
        }
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blocks(blocks) => blocks.show(f),
            Self::Result(result) => result.show(f),
        }
    }
}

impl Shape for McpOutput {
    fn read(text: &str) -> Result<Self, Misfit> {
        match text.as_bytes().first() {
            Some(b'[') => Vec::read(text).map(Self::Blocks),
            _ => McpResult::read(text).map(|result| Self::Result(Box::new(result))),
        }
    }
}

shown!(McpOutput);

record! {
    /// What a tool of an MCP server gave, with its structure (PROTOCOL 10, captured).
    pub struct McpResult [] {
        /// For a model.
        content: Field<Content>,
        /// For a program, as the server describes it.
        structured_content as "structuredContent": Any,
    }
}

record! {
    /// Something an MCP server has (PROTOCOL 10, typed).
    pub struct McpResource [] {
        /// Where.
        uri: Text,
        /// Its name.
        name: Text,
        /// Its media type; `inode/directory` for one that holds others.
        mime_type as "mimeType": Text,
        /// What it is.
        description: Text,
        /// Whose.
        server: Text,
    }
}

record! {
    /// What became of the tools of an MCP server (PROTOCOL 10, typed).
    pub struct McpRefreshed [] {
        /// Which server.
        server: Text,
        /// `refreshed`, `error` or `not_connected`.
        status: Text,
        /// So many tools now.
        tool_count as "toolCount": Count,
        /// New ones.
        added: List<String>,
        /// Gone ones.
        removed: List<String>,
        /// What went wrong.
        error: Text,
    }
}

record! {
    /// What an MCP server has, read (PROTOCOL 10, typed).
    pub struct McpContents [] {
        /// Of a resource: its parts.
        contents: List<McpPart>,
        /// Of a directory: what is in it.
        resources: List<McpResource>,
        /// What went wrong.
        error: Text,
    }
}

record! {
    /// A part of what an MCP server has (PROTOCOL 10, typed).
    pub struct McpPart [] {
        /// Where.
        uri: Text,
        /// Its media type.
        mime_type as "mimeType": Text,
        /// What it says.
        text: Text,
        /// Or where its bytes were put.
        blob_saved_to as "blobSavedTo": Text,
        /// Or they themselves, as base64 (answers to `mcp_read_resource`).
        blob: Text,
        /// What the server says about it.
        meta as "_meta": Any,
    }
}
