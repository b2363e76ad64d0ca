//! The session machine on a virtual clock.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod approvals;
mod bench;
mod down;
mod history;
mod link;
#[cfg(not(target_arch = "wasm32"))]
mod model;
mod priority;
mod up;
