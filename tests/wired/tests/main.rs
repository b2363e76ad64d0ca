//! Whole-system tests over real sockets and processes, without a browser: a faulty network, `kill -9`, a database that
//! is put back, slow readers, and the failures others had.

#![expect(clippy::print_stdout, reason = "what was measured belongs to a test's output")]

mod files;
mod hostile;
mod kills;
mod network;
mod readers;
mod rows;
mod store;
