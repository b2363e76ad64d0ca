//! The driver: the only part that touches sockets, timers, keys and storage. It feeds the protocol's machine, carries
//! out commands and moves bytes; it decides nothing that a native test should see.

mod api;
mod browser;
mod client;
mod driver;
mod history;
mod lists;
mod pairing;
mod socket;
mod tokens;

pub mod keys;
pub mod vault;

pub use client::start;
