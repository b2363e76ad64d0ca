//! What tools are given and what they give (PROTOCOL 10). Both stay raw text in the message that carries them, since
//! an input is sent back word for word; here they are typed by the tool's name.

pub mod input;
pub mod mcp;
pub mod output;

pub use input::ToolInput;
pub use output::{Outcome, ToolOutput};
