//! Whole conversations with the agent, in process, over in-memory streams.

#![expect(clippy::unwrap_used, reason = "a test that meets what it did not expect should stop right there")]

mod control;
mod conversation;
mod hooks;
mod host;
mod input;
mod interrupt;
mod memory;
mod messages;
mod permission;
mod queue;
mod shapes;
mod subagent;
