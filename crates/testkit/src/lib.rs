//! What only tests need. Enter by [`MessagesApi`]: a model's API on loopback that says exactly what a test wants said.

mod messages_api;

pub use messages_api::{Gate, MessagesApi, Reply, Request};
