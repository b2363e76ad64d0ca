//! The real program with agents nobody here wrote: `portcullis serve` and `remote-control` as processes, a model's API
//! on loopback that says what a scenario wants said, and an agent that finds nothing else around itself.
//!
//! `cargo xtask test agents` builds the program, fetches the agents and runs the scenarios.

pub mod agent;
pub mod scene;
pub mod script;
pub mod talk;
