//! What a bridge is told when it starts.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use portcullis_protocol::id::DeviceId;
use serde::Deserialize;

use crate::agent::AgentSpec;
use crate::device::DeviceKey;
use crate::event::Teller;
use crate::policy::Policy;
use crate::road::Road;

/// Sessions a bridge serves at once, unless told otherwise: as many agents as a laptop bears.
pub const CAPACITY_DEFAULT: usize = 8;
/// Time an agent has to end when the bridge shuts down.
pub const AGENT_GRACE: Duration = Duration::from_secs(30);

/// Who this machine is to the ingress.
#[derive(Clone, Debug)]
pub struct Device {
    /// The paired device.
    pub id: DeviceId,
    /// Its key.
    pub key: DeviceKey,
}

/// One bridge: one directory, registered at one ingress.
#[derive(Clone, Debug)]
pub struct BridgeConfig {
    /// The way to the ingress.
    pub road: Road,
    /// Directory the agents work in.
    pub directory: PathBuf,
    /// Name of the machine, for people.
    pub machine_name: String,
    /// Who this machine is.
    pub device: Device,
    /// What it lets others do.
    pub policy: Policy,
    /// Sessions at once.
    pub capacity: usize,
    /// Agents it can run, the default first.
    pub agents: Vec<AgentSpec>,
    /// Folder for the journals and for the id of the environment.
    pub state_dir: PathBuf,
    /// Program and first arguments that run [`crate::agent::shim::run`]; empty = agents are started without it.
    pub shim: Vec<OsString>,
    /// Time an agent has to end.
    pub agent_grace: Duration,
    /// Where sessions work, unless one wishes otherwise.
    pub place: Place,
    /// Whether the end of the bridge archives every session, and not only those that cannot go on.
    pub archives_all: bool,
    /// How long an ingress may be unreachable before the bridge ends; absent = it waits for ever.
    pub gives_up_after: Option<Duration>,
    /// Who is told what happens.
    pub teller: Teller,
}

/// Where the agent of a session works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// In the directory itself, beside the person and the other sessions.
    #[default]
    SameDir,
    /// In a working tree of its own, on a branch of its own.
    Worktree,
}

/// What a running bridge is told to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// Go on.
    #[default]
    Serve,
    /// End in order: agents get their time, what they said is delivered.
    Drain,
    /// End now.
    Abandon,
}
