//! The browser client of Portcullis: `link` drives the protocol's session machine with the browser's sockets, timers
//! and keys, `state` turns its changes into signals, `view` draws them. `text`, `words` and the pure half of
//! `state` also compile natively, where their tests run.

#![recursion_limit = "512"]

#[cfg(target_arch = "wasm32")]
pub mod link;
pub mod state;
pub mod text;
#[cfg(target_arch = "wasm32")]
pub mod view;
pub mod words;
