//! Runs agents on a developer's machine and relays them to an ingress.
//!
//! [`run`] registers one directory and serves its sessions. Inside, the dispatcher takes work, each session has a
//! worker, and what a worker says and hears is decided by a pure machine (`core`) that does no IO. Nothing reaches an
//! agent's stdin that was not checked here, and no decision that does not fit the bytes the agent asked with.

pub mod agent;
mod api;
mod backoff;
mod config;
#[cfg_attr(
    not(feature = "machine"),
    expect(unreachable_pub, reason = "a simulation drives the machine; nobody else sees it")
)]
mod core;
mod device;
mod dispatcher;
mod event;
mod journal;
mod lease;
mod link;
mod login;
mod look;
mod pace;
mod place;
mod policy;
mod road;
mod room;
mod serving;
mod spool;
mod standstill;
mod sweep;
mod wake;
mod work;
mod worker;
mod worktree;

pub use agent::AgentSpec;
pub use config::{AGENT_GRACE, BridgeConfig, CAPACITY_DEFAULT, Device, Order, Place};
pub use device::{DeviceKey, DeviceKeyError};
pub use dispatcher::{BridgeError, run};
pub use event::{BridgeEvent, EVENTS_MAX, Teller};
pub use login::{LoginError, Paired, pair, wait_until_confirmed};
pub use policy::{AcpAgent, Policy, PolicyError};
pub use road::{Road, RoadError};

/// The machine of one session without its shell, for simulations that drive it under a clock of their own.
///
/// Feed [`Relay::handle`](machine::Relay::handle), then perform [`Relay::poll_output`](machine::Relay::poll_output) in
/// order. A simulated disk keeps the entries of [`Output::Journal`](machine::Output::Journal) in a list and gives them
/// to [`Earlier::from_entries`](machine::Earlier::from_entries) after a crash.
#[cfg(feature = "machine")]
pub mod machine {
    pub use crate::core::earlier::{Earlier, EarlierAgent, EarlierPrompt, Entry, Fact, Rest};
    pub use crate::core::legacy::{Legacy, Spent};
    pub use crate::core::{AgentExit, End, Input, Output, PostOutcome, Reading, Receipt, Relay, RelaySpec};
}
