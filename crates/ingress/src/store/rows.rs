//! What the store keeps, as the rest of the ingress sees it: rows, and the outcomes of writes that may be refused.

use portcullis_protocol::RawJson;
use portcullis_protocol::id::{DeviceId, EnvironmentId, Incarnation, LeaseId, SessionId, WorkId};
use portcullis_protocol::role::Role;
use portcullis_protocol::wire::client::{Permission, PermissionState};
use portcullis_protocol::wire::rest::{Device, PublicKey};
use portcullis_protocol::wire::worker::{RegisterEnvironment, SessionSpec, WorkerState};

/// A paired device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeviceRow {
    pub id: DeviceId,
    pub name: String,
    pub role: Role,
    pub key: Option<PublicKey>,
    pub plain_approve: bool,
    /// Set while an owner has not confirmed it.
    pub confirm_code: Option<String>,
    pub created_at_ms: u64,
    pub last_seen_at_ms: u64,
}

impl DeviceRow {
    /// The row as the API shows it.
    pub(crate) fn to_wire(&self) -> Device {
        Device {
            id: self.id.clone(),
            name: self.name.clone(),
            role: self.role,
            plain_approve: self.plain_approve,
            confirm_code: self.confirm_code.clone(),
            created_at_ms: self.created_at_ms,
            last_seen_at_ms: self.last_seen_at_ms,
        }
    }
}

/// What a pairing code was good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Redeemed {
    /// The device is in, for it is the first one.
    Granted(DeviceRow),
    /// A further device, to be confirmed by an owner.
    Waiting(DeviceRow),
    /// The device of that key is in already: it signs in with the key. The code stays good.
    Known(DeviceId),
    /// A further device without a key: it could never come back for its token.
    KeyMissing,
    /// No such code.
    Unknown,
    /// Its time is over.
    Expired,
    /// Somebody used it before.
    Used,
}

/// What became of a change to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DeviceChange {
    Done,
    Missing,
    /// It would leave nobody who may grant anything.
    LastOwner,
}

/// What an owner changes about a device; `None` stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeviceEdit {
    pub name: Option<String>,
    pub role: Option<Role>,
    pub plain_approve: Option<bool>,
    pub confirm: bool,
}

/// A session.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SessionRow {
    pub id: SessionId,
    pub title: String,
    pub environment_id: EnvironmentId,
    pub spec: SessionSpec,
    pub created_at_ms: u64,
    pub updated_at_ms: u64,
    pub head_seq: u64,
    pub delivered_seq: u64,
    pub archived: bool,
    pub worker_state: Option<WorkerState>,
    pub incarnation: Option<Incarnation>,
    pub pending_count: u32,
}

/// Which sessions a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionFilter {
    Active,
    Archived,
    All,
}

/// One event a client sends to the agent.
#[derive(Clone, Debug)]
pub(crate) struct Prompt {
    pub uuid: String,
    /// SHA-256 over what the client sent: the other half of the idempotency key.
    pub hash: String,
    pub event: RawJson,
}

/// What became of one prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    New {
        seq: u64,
    },
    /// The same uuid with the same bytes was taken before; no place in the log for a decision.
    Duplicate {
        seq: Option<u64>,
    },
}

/// What became of several prompts: all of them were taken, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AppendOutcome {
    Taken {
        appended: Vec<Appended>,
        head_seq: u64,
    },
    /// The uuid at `index` came before with other bytes.
    OtherBytes {
        index: usize,
    },
    Archived,
    Missing,
}

/// The event that says who took its session out of the archive.
pub(crate) fn unarchived_by(who: &str, tag: &str) -> RawJson {
    RawJson::from_value(&serde_json::json!({
        "type": "system", "subtype": "informational", "level": "info",
        "content": format!("Taken out of the archive by {who}. The next agent may begin anew and remember nothing of what stands above."),
        "uuid": tag, "session_id": "",
    }))
}

/// The event that says of the prompt `message_uuid` that its session was archived before an agent was known to have it.
/// It is as a bridge says it of a prompt whose fate it does not know; `tag` and `nth` make its name.
pub(crate) fn never_confirmed(message_uuid: &str, tag: &str, nth: usize) -> RawJson {
    RawJson::from_value(&serde_json::json!({
        "type": "system", "subtype": "delivery_unknown", "level": "warning", "message_uuid": message_uuid,
        "content": "This session was archived before the agent confirmed this message. Send it again if it still counts.",
        "uuid": format!("{tag}_{nth}"), "session_id": "",
    }))
}

/// What a worker says in one POST, checked.
#[derive(Clone, Debug)]
pub(crate) enum WorkerWrite {
    /// Appended to the log.
    Event(RawJson),
    /// Appended to the log, and a row.
    Request {
        request_id: String,
        digest: String,
        event: RawJson,
    },
    Cancel {
        request_id: String,
    },
    Step {
        request_id: String,
        state: PermissionState,
        reason: Option<String>,
    },
    State(WorkerState),
    /// Nothing to keep, but it takes its place in the lane.
    Passing,
    Ended {
        reason: String,
    },
}

impl WorkerWrite {
    /// What it adds to the log, in bytes.
    pub(crate) fn byte_len(&self) -> usize {
        match self {
            Self::Event(event) | Self::Request { event, .. } => event.byte_len(),
            Self::Cancel { .. } | Self::Step { .. } | Self::State(_) | Self::Passing | Self::Ended { .. } => {
                0
            }
        }
    }
}

/// What became of one item of a worker's POST.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wrote {
    /// It came before; nothing changed.
    Duplicate,
    /// Nothing anybody has to hear about.
    Silent,
    Event {
        seq: u64,
    },
    /// Rows that changed; `seq` when the event was logged.
    Requests {
        seq: Option<u64>,
        rows: Vec<RequestRow>,
    },
    State(WorkerState),
    Ended {
        rows: Vec<RequestRow>,
        state: WorkerState,
    },
}

/// What became of a worker's POST: all of it was taken, or nothing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum WorkerOutcome {
    Taken {
        wrote: Vec<Wrote>,
        next_n: u64,
        head_seq: u64,
    },
    Hole {
        expected_n: u64,
    },
    /// Another incarnation speaks for the session, or this one said it ended.
    Gone,
}

/// One request of an agent, and what was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestRow {
    /// Its place among all requests of all sessions.
    pub ordinal: u64,
    pub incarnation: Incarnation,
    pub request_id: String,
    pub state: PermissionState,
    pub digest: String,
    pub event: RawJson,
    pub asked_at_ms: u64,
    /// Absent as long as nobody decided, and in rows older than this column.
    pub decided_at_ms: Option<u64>,
    pub device_id: Option<DeviceId>,
    pub decided_by: Option<String>,
    pub behavior: Option<String>,
    pub decision: Option<RawJson>,
    pub reason: Option<String>,
}

impl RequestRow {
    /// Whether it was denied on arrival, because too many waited.
    pub(crate) fn is_overflow(&self) -> bool {
        self.device_id.is_none() && self.decision.is_some()
    }

    /// The row as a frame shows it; `whole` adds the request itself.
    pub(crate) fn to_wire(&self, whole: bool) -> Permission {
        Permission {
            request_id: self.request_id.clone(),
            state: self.state,
            digest: self.digest.clone(),
            asked_at_ms: self.asked_at_ms,
            decided_by: self.decided_by.clone(),
            behavior: self.behavior.clone(),
            reason: self.reason.clone(),
            event: whole.then(|| self.event.clone()),
        }
    }
}

/// Which decisions are wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct DecisionFilter {
    pub session: Option<SessionId>,
    /// Only those that granted something beyond the one call.
    pub granted: bool,
    /// Only requests with a smaller ordinal.
    pub before: Option<u64>,
    pub limit: usize,
}

/// A request that was decided, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DecidedRow {
    pub row: RequestRow,
    pub session_id: SessionId,
    pub session_title: String,
    pub environment_id: EnvironmentId,
    pub directory: Option<String>,
    /// Whether the process that asked is still the session's.
    pub lives: bool,
}

/// A decision about to be recorded.
#[derive(Clone, Debug)]
pub(crate) struct Ruling {
    pub uuid: String,
    pub request_id: String,
    pub device_id: DeviceId,
    pub decided_by: String,
    pub behavior: &'static str,
    pub event: RawJson,
}

/// Where the log stands for a worker that attached.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attached {
    pub head_seq: u64,
    pub delivered_seq: u64,
    pub content_next_n: u64,
    pub control_next_n: u64,
    /// Rows of older processes that can no longer be answered.
    pub orphaned: Vec<RequestRow>,
    /// What the process before was doing, at rest now: set where it ended without saying so.
    pub rested: Option<WorkerState>,
}

/// A bridge in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EnvironmentRow {
    pub id: EnvironmentId,
    pub device_id: DeviceId,
    pub machine_name: String,
    pub directory: String,
    pub branch: Option<String>,
    pub max_sessions: u32,
    pub agents: Vec<String>,
    pub permission_modes: Vec<String>,
    pub last_seen_at_ms: u64,
}

/// A registration about to be recorded.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    /// Used when neither the body nor an older registration of this device and directory names one.
    pub fresh_id: EnvironmentId,
    pub device_id: DeviceId,
    pub secret_hash: String,
    pub body: RegisterEnvironment,
}

/// An entry of a work queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WorkRow {
    pub id: WorkId,
    pub environment_id: EnvironmentId,
    pub session_id: SessionId,
    pub state: WorkState,
    pub lease_id: Option<LeaseId>,
    pub lease_until_ms: u64,
    pub last_heartbeat: Option<String>,
    pub previous_heartbeat: Option<String>,
}

/// Where an entry of a work queue stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkState {
    /// Waits for a poll.
    Queued,
    /// Handed out, not yet acknowledged.
    Starting,
    /// Acknowledged.
    Active,
    /// The session was archived; the bridge has still to say that it stopped.
    Stopping,
    /// Over.
    Stopped,
}

impl WorkState {
    const ALL: [Self; 5] = [Self::Queued, Self::Starting, Self::Active, Self::Stopping, Self::Stopped];

    /// The name on the wire and in the store.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Starting => "starting",
            Self::Active => "active",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }

    /// The state of that name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// What became of a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    Extended(WorkRow),
    /// Another lease holds the item, or it is over.
    Lost(Option<WorkRow>),
}
