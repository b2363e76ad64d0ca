//! What the browser client costs a tab: headless Chromium over the developer tools' own socket, the released client and
//! a page without any feature side by side, both fed by the real server.
//!
//! An agent would only add its own load to the machine, so the worker is played: [`worker::Worker`] posts what a bridge
//! posts. `cargo xtask bench web` builds what is needed and prints the table.

pub mod aims;
pub mod chromium;
pub mod devtools;
pub mod memory;
pub mod opening;
pub mod request;
pub mod said;
pub mod stage;
pub mod storm;
pub mod tab;
pub mod trace;
pub mod worker;
