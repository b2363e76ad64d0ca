//! Whether control waits behind content: an agent that prints as much as it can (`src/bin/fountain.rs`), a client that
//! decides what it asks, and the time from the decision to the agent's stdin, taken on both sides by the same clock.

pub mod aims;
pub mod hand;
mod notes;
pub mod scene;
pub mod shape;

use std::time::Duration;

/// Where the agent notes what it reads and prints, in the directory it works in.
pub const NOTES: &str = "notes.txt";
/// How often it asks for a permission.
pub const ASK_EVERY: Duration = Duration::from_millis(100);
