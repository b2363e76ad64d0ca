//! The driver: the only part that touches sockets, timers, keys and storage. It feeds the protocol's machine, carries
//! out commands and moves bytes; it decides nothing that a native test should see.

mod api;
mod browser;
mod caller;
mod client;
pub mod courier;
mod drive;
mod driver;
mod errand;
mod history;
pub mod lists;
pub mod pairing;
mod reader;
mod socket;
mod sweeper;
pub mod tab;
pub mod tokens;

pub mod channel;
pub mod drafts;
pub mod keys;
pub mod locks;
pub mod vault;
mod watches;

pub use client::start;
