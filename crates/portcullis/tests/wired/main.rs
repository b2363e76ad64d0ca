//! Whole-system tests: the real program as processes, a paired device, real agents, and nothing left behind.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod demo;
mod disk;
mod ending;
mod far;
mod remote;
mod support;
