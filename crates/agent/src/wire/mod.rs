//! What is said on stdio: lines out are built as raw objects, lines in are read leniently.

pub(crate) mod incoming;
pub(crate) mod lines;
pub(crate) mod object;
pub(crate) mod scribe;
