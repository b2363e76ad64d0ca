//! Markdown as nodes: a tree of plain values becomes elements, never HTML.

mod blocks;
mod code;
mod inlines;
mod prose;

pub(crate) use blocks::blocks;
pub(crate) use code::Code;
pub(crate) use inlines::{inlines, link_view};
pub(crate) use prose::{as_said, said_later};
