//! Whole-system tests: the real binary, a real browser, and nothing beyond loopback.
//!
//! `cargo xtask test browser` builds what they need and says where it is.

pub mod apart;
pub mod axe;
pub mod browser;
pub mod devtools;
pub mod neighbour;
pub mod owner;
pub mod page;
pub mod processes;
pub mod proxy;
pub mod system;
pub mod walk;

pub use portcullis_testkit::patience;
