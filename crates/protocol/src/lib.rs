//! The protocol of Portcullis: what is said between browser, ingress, bridge and agent, and what to do about it.
//!
//! [`wire`] holds the messages of every hop, [`approval`] the rules that bind a decision to the bytes that were
//! shown, and [`session`] the machine a browser drives. Nothing here does IO, reads a clock, draws a random number
//! or panics on any input: time, randomness and bytes are arguments.

pub mod approval;
pub mod id;
pub mod json;
pub mod limits;
pub mod role;
mod salvage;
pub mod session;
pub mod tick;
pub mod wire;

pub use json::RawJson;
pub use tick::Tick;
