//! Markdown as nodes: a tree of plain values becomes elements, never HTML.

mod blocks;
mod inlines;
mod prose;

pub(crate) use blocks::blocks;
pub(crate) use inlines::inlines;
pub(crate) use prose::{as_said, said_later};
