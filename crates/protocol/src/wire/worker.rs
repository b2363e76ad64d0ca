//! The hop between bridge and ingress: registration, the work queue, and the worker's link.
//!
//! The **lease** fences the link (who may speak for the session); the **incarnation** names the agent process. What
//! the worker says carries `(incarnation, lane, n)` with dense `n` from 0 per incarnation and lane: the ingress takes
//! exactly the next, answers `duplicate` for an older one and 409 with `expected_n` for a hole. Control has a lane of
//! its own, so it never waits behind content.

use serde::{Deserialize, Serialize};

use crate::id::{DeviceId, EnvironmentId, Epoch, Incarnation, SessionId, WorkId};
use crate::json::{JsonError, RawJson};
use crate::wire::frame::{kind_of, read, tagged};

/// The one version of [`WorkSecret`].
pub const WORK_SECRET_VERSION: u32 = 1;

/// `POST /v1/environments/bridge`, with an access token of role `bridge`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RegisterEnvironment {
    /// Name of the machine, for people.
    pub machine_name: String,
    /// Directory the agents work in.
    pub directory: String,
    /// Its git branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Sessions at once.
    #[serde(default = "one")]
    pub max_sessions: u32,
    /// Agents the bridge can run, the default first.
    #[serde(default)]
    pub agents: Vec<String>,
    /// Permission modes its policy allows at creation.
    #[serde(default)]
    pub permission_modes: Vec<String>,
    /// Set to register the same environment again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_id: Option<EnvironmentId>,
}

fn one() -> u32 {
    1
}

/// Answer to [`RegisterEnvironment`]. The secret authorises the work calls of this environment.
#[derive(Clone, Serialize, Deserialize)]
pub struct RegisteredEnvironment {
    /// The environment.
    pub environment_id: EnvironmentId,
    /// Bearer secret for poll, ack and stop; a new one at every registration.
    pub environment_secret: String,
}

impl std::fmt::Debug for RegisteredEnvironment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegisteredEnvironment")
            .field("environment_id", &self.environment_id)
            .finish_non_exhaustive()
    }
}

/// `POST …/bridge/sessions`: the sessions a bridge has something of, at most [`KNOWN_SESSIONS_MAX`]. The answer holds
/// those that belong to its machine and are not archived; what the others left can go.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KnownSessions {
    /// The sessions.
    pub sessions: Vec<SessionId>,
}

/// Sessions in one [`KnownSessions`].
pub const KNOWN_SESSIONS_MAX: usize = 200;

/// One item of the work queue. `poll` answers one or `null`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorkItem {
    /// Always `work`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The item.
    pub id: WorkId,
    /// Its queue.
    pub environment_id: EnvironmentId,
    /// What is to be done.
    pub data: WorkData,
    /// `queued`, `starting`, `active`, `stopping` or `stopped`.
    pub state: String,
    /// base64url of a [`WorkSecret`]; in poll answers only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// What a work item is about.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorkData {
    /// Always `session`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The session.
    pub id: SessionId,
}

/// What a bridge needs to serve a session. Another `version` is refused.
#[derive(Clone, Serialize, Deserialize)]
pub struct WorkSecret {
    /// [`WORK_SECRET_VERSION`].
    pub version: u32,
    /// EdDSA JWT: one session, one lease, at most 10 minutes; renewed by the heartbeat.
    pub session_ingress_token: String,
    /// Where the worker's link is.
    pub api_base_url: String,
    /// What to run.
    pub session: SessionSpec,
}

impl std::fmt::Debug for WorkSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkSecret")
            .field("version", &self.version)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// What a person asked for when creating the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSpec {
    /// Title.
    #[serde(default)]
    pub title: String,
    /// Directory, absolute; the bridge holds it inside what its policy allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Agent to run; absent = the bridge's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Permission mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_mode: Option<String>,
}

/// `POST …/work/{id}/heartbeat` answer.
#[derive(Clone, Serialize, Deserialize)]
pub struct WorkHeartbeat {
    /// Always `work_heartbeat`.
    #[serde(rename = "type")]
    pub kind: String,
    /// To be echoed as `expected_last_heartbeat` by the next call; the first says `NO_HEARTBEAT`.
    pub last_heartbeat: String,
    /// Whether the lease goes on.
    pub lease_extended: bool,
    /// State of the item.
    pub state: String,
    /// The lease ends after this many seconds without a heartbeat.
    pub ttl_seconds: u64,
    /// A fresh token for the same lease.
    pub session_ingress_token: String,
}

impl std::fmt::Debug for WorkHeartbeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkHeartbeat")
            .field("state", &self.state)
            .field("ttl_seconds", &self.ttl_seconds)
            .finish_non_exhaustive()
    }
}

/// What lists and badges need, reported beside the log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerState {
    /// What the agent does.
    #[serde(default)]
    pub status: WorkStatus,
    /// Which agent it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Permission mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_mode: Option<String>,
    /// Directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Title the agent chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Running total in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_cost_usd: Option<f64>,
    /// Why nothing goes on at present, whatever the agent does: [`STANDSTILL_DISK_FULL`] is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standstill: Option<String>,
}

/// The disk of the bridge's machine is full: its agent is not read, and nothing is written to it, until there is room.
pub const STANDSTILL_DISK_FULL: &str = "disk_full";

/// What an agent does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkStatus {
    /// Nothing.
    #[default]
    Idle,
    /// A turn runs.
    Running,
    /// A request waits for a person.
    RequiresAction,
}

/// `POST /v1/session_ingress/session/{session}/events`: items of one lane, in order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorkerPost {
    /// The agent process that speaks.
    pub incarnation: Incarnation,
    /// The lane all items belong to.
    pub lane: Lane,
    /// The items.
    pub items: Vec<WorkerItem>,
}

/// The two orders in which a worker speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Durable and volatile content.
    Content,
    /// Requests, cancels, their states, private replies, worker state.
    Control,
}

/// One thing a worker says. In JSON an object with the variant's name as its only key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerItem {
    /// Content lane: a durable event.
    Event { n: u64, event: RawJson },
    /// Content lane, without a place in its order: a volatile event of a stream.
    Live { stream: String, n: u64, event: RawJson },
    /// Control lane: the agent asks. `event` is the `control_request` line as it was read.
    Request { n: u64, request_id: String, digest: String, event: RawJson },
    /// Control lane: the agent withdrew a request.
    Cancel { n: u64, request_id: String },
    /// Control lane: the bridge wrote the answer, the agent went on, or the decision did not fit.
    Step { n: u64, request_id: String, step: RequestStep, reason: Option<String> },
    /// Control lane: the answer to a device's own control request. Not logged.
    Reply { n: u64, device_id: DeviceId, request_id: String, event: RawJson },
    /// Control lane: the worker's state changed.
    State { n: u64, state: WorkerState },
    /// Control lane, last of its incarnation: the process ended; its open requests are orphaned.
    Ended { n: u64, reason: String },
}

impl WorkerItem {
    /// Position in its lane, `None` for volatile content.
    #[must_use]
    pub fn n(&self) -> Option<u64> {
        match self {
            Self::Live { .. } => None,
            Self::Event { n, .. }
            | Self::Request { n, .. }
            | Self::Cancel { n, .. }
            | Self::Step { n, .. }
            | Self::Reply { n, .. }
            | Self::State { n, .. }
            | Self::Ended { n, .. } => Some(*n),
        }
    }

    /// The lane it belongs to.
    #[must_use]
    pub fn lane(&self) -> Lane {
        match self {
            Self::Event { .. } | Self::Live { .. } => Lane::Content,
            Self::Request { .. }
            | Self::Cancel { .. }
            | Self::Step { .. }
            | Self::Reply { .. }
            | Self::State { .. }
            | Self::Ended { .. } => Lane::Control,
        }
    }
}

/// What happened to a request at the bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestStep {
    /// The answer was written to the agent.
    Delivered,
    /// The agent went on.
    Settled,
    /// The decision did not fit the held bytes; the agent was told *deny*.
    Refused,
}

/// Answer to a [`WorkerPost`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerPosted {
    /// The `n` the lane expects next.
    pub next_n: u64,
    /// Head of the log after this POST.
    pub head_seq: u64,
}

/// What the ingress says on the worker's socket.
#[derive(Clone, Debug)]
pub enum WorkerDown {
    /// Answers `attach`.
    Hello(Hello),
    /// Answers an `attach` of a process after which a newer one spoke: what it has left cannot be said any more. The
    /// next `attach` may name another.
    Superseded,
    /// A prompt, or a client's cancel of one, as logged.
    Deliver(Deliver),
    /// A client's control request; the id is already rewritten and the answer goes back as `reply`.
    Control(ControlDown),
    /// Somebody decided.
    Decision(DecisionDown),
    /// The session is over: end the agent, give the work back.
    Stop(StopDown),
    /// Sign of life.
    KeepAlive,
    /// A kind this version does not know.
    Other(String),
}

/// Where both sides stand.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// Head of the log.
    pub head_seq: u64,
    /// The life of the store. Another one than before: places in the log may stand for other events now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// The `n` each lane of the named incarnation expects next.
    pub content_next_n: u64,
    /// Likewise.
    pub control_next_n: u64,
}

/// A logged event for the agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Deliver {
    /// Position in the log; acknowledged by it.
    pub seq: u64,
    /// The `user` event.
    pub event: RawJson,
}

/// A client's control request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ControlDown {
    /// Who asked.
    pub device_id: DeviceId,
    /// The id the device gave it; echoed in the reply.
    pub request_id: String,
    /// Whether the bridge's policy has to allow it.
    #[serde(default)]
    pub needs_policy: bool,
    /// The `control_request`.
    pub event: RawJson,
}

/// A decision for the agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DecisionDown {
    /// The agent's id of the request.
    pub request_id: String,
    /// Name of the device that decided.
    pub decided_by: String,
    /// The `control_response` as the device sent it, digest and all.
    pub event: RawJson,
}

/// The end of a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StopDown {
    /// Why, for the log.
    pub reason: String,
}

impl WorkerDown {
    /// Reads one frame.
    ///
    /// # Errors
    /// [`JsonError`] when the text is no object with a `type`, or a known type with another shape.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        let kind = kind_of(text)?;
        Ok(match kind.as_str() {
            "hello" => Self::Hello(read(text)?),
            "superseded" => Self::Superseded,
            "deliver" => Self::Deliver(read(text)?),
            "control" => Self::Control(read(text)?),
            "decision" => Self::Decision(read(text)?),
            "stop" => Self::Stop(read(text)?),
            "keep_alive" => Self::KeepAlive,
            _ => Self::Other(kind),
        })
    }

    /// The frame as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Hello(body) => tagged("hello", body),
            Self::Superseded => tagged("superseded", &serde_json::Map::new()),
            Self::Deliver(body) => tagged("deliver", body),
            Self::Control(body) => tagged("control", body),
            Self::Decision(body) => tagged("decision", body),
            Self::Stop(body) => tagged("stop", body),
            Self::KeepAlive => tagged("keep_alive", &serde_json::Map::new()),
            Self::Other(kind) => tagged(kind, &serde_json::Map::new()),
        }
    }
}

/// What the worker says on its socket; everything else it POSTs.
#[derive(Clone, Debug)]
pub enum WorkerUp {
    /// First frame, and again when a new agent process starts.
    Attach(Attach),
    /// Everything delivered up to this position reached the agent's stdin, or was shown as unknown.
    Ack(DeliveredAck),
    /// Sign of life.
    KeepAlive,
    /// A kind this version does not know.
    Other(String),
}

/// Which process speaks, and what it already has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attach {
    /// The agent process.
    pub incarnation: Incarnation,
}

/// Cumulative acknowledgement of [`Deliver`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct DeliveredAck {
    /// Position in the log.
    pub seq: u64,
}

impl WorkerUp {
    /// Reads one frame.
    ///
    /// # Errors
    /// [`JsonError`] when the text is no object with a `type`, or a known type with another shape.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        let kind = kind_of(text)?;
        Ok(match kind.as_str() {
            "attach" => Self::Attach(read(text)?),
            "ack" => Self::Ack(read(text)?),
            "keep_alive" => Self::KeepAlive,
            _ => Self::Other(kind),
        })
    }

    /// The frame as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Attach(body) => tagged("attach", body),
            Self::Ack(body) => tagged("ack", body),
            Self::KeepAlive => tagged("keep_alive", &serde_json::Map::new()),
            Self::Other(kind) => tagged(kind, &serde_json::Map::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_request_keeps_its_text_through_a_post() {
        let event = r#"{"type":"control_request","request_id":"R","request":{"input":{"n":1.10}}}"#;
        let post = WorkerPost {
            incarnation: Incarnation::parse("i1").unwrap(),
            lane: Lane::Control,
            items: vec![WorkerItem::Request {
                n: 0,
                request_id: "R".into(),
                digest: "d".into(),
                event: RawJson::parse(event).unwrap(),
            }],
        };
        let text = serde_json::to_string(&post).unwrap();
        let read: WorkerPost = serde_json::from_str(&text).unwrap();
        let WorkerItem::Request { event: got, .. } = &read.items[0] else { panic!("another item") };
        assert_eq!(got.as_str(), event);
    }

    #[test]
    fn secrets_do_not_print() {
        let secret = WorkSecret {
            version: 1,
            session_ingress_token: "jwt-secret".into(),
            api_base_url: String::new(),
            session: SessionSpec {
                title: String::new(),
                directory: None,
                agent: None,
                model: None,
                permission_mode: None,
            },
        };
        assert!(!format!("{secret:?}").contains("jwt-secret"));
    }
}
