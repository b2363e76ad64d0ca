//! What only tests need. Enter by [`MessagesApi`] or [`GeminiApi`]: a model's API on loopback that says exactly what a test
//! wants said. Tests with real processes wait with [`patience`].

mod gemini_api;
mod loopback;
mod messages_api;
pub mod patience;

pub use gemini_api::GeminiApi;
pub use messages_api::{Gate, MessagesApi, Reply, Request};
