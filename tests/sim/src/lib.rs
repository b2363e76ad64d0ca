//! The real machines on virtual time and a faulty network.
//!
//! One seed is one run: browsers that drive [`portcullis_protocol::session::Session`], the real ingress over a store in
//! memory, a bridge around the real machine of a session, and a scripted agent, on one thread with paused time. All
//! chance comes from the seed, so a run that fails fails again. At the end the network heals, and [`check`] holds what
//! everybody shows against what really happened.

mod agent;
mod bridge;
mod check;
mod device;
mod dice;
mod faults;
mod http;
mod net;
mod record;
mod tab;
mod table;
mod time;
mod world;

pub use bridge::Mutation;
pub use check::{Kind, Violation};
pub use faults::Fault;
pub use table::{Failed, Totals, run_many};
pub use world::{Options, Outcome, run};
