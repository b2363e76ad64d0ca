//! The real program behind a faulty network: `portcullis serve` and `remote-control` as processes with their database
//! on disk, tabs that drive the session machine over real sockets, and between all of them a proxy that cuts, stalls,
//! resets and repeats what passes.
//!
//! `cargo xtask test wired` builds the program and runs the tests, `cargo xtask soak` runs them at full size, and
//! `cargo xtask bench reliability` prints what they find as a table. `cargo xtask bench bridge` measures what [`load`] says.

pub mod chance;
pub mod device;
pub mod facts;
pub mod load;
pub mod machine;
pub mod measure;
pub mod process;
pub mod proxy;
pub mod recorder;
pub mod scale;
pub mod stage;
pub mod storm;
pub mod tab;
pub mod timing;

pub use portcullis_testkit::patience;
