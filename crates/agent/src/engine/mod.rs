//! The query engine and its parts. It is told lines and events, one at a time, and queues lines in return.

pub(crate) mod answers;
mod control;
mod hooking;
mod memory;
mod query_engine;
mod queue;
mod results;
mod totals;

pub(crate) use query_engine::QueryEngine;
