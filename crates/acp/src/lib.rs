//! A front for agents of the Agent Client Protocol: to the host it speaks the stream-json of a coding agent on stdio, to
//! the agent, its child, the protocol. So whoever runs, records and draws agents needs no second way. Enter by
//! [`parse_args`] and [`run_stdio`].

mod args;
mod call;
mod card;
mod choices;
mod content;
mod front;
mod host;
mod link;
mod machine;
mod outside;
mod scribe;
mod serve;

pub use args::{FrontOptions, UsageError, parse_args};
pub use front::{FrontError, FrontReport, run_stdio};
