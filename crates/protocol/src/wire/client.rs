//! The `portcullis.v1` dialect of the subscription: what the ingress sends down a browser's socket, and the two
//! things the browser says on it.

use serde::{Deserialize, Serialize};

use crate::id::Epoch;
use crate::json::{JsonError, RawJson};
use crate::role::Role;
use crate::wire::frame::{kind_of, read, tagged};
use crate::wire::worker::WorkerState;

/// The value of `?dialect=` and of the subprotocol.
pub const DIALECT: &str = "portcullis.v1";

/// One frame from the ingress to a client.
#[derive(Clone, Debug)]
pub enum ServerFrame {
    /// The first frame after `auth`.
    Welcome(Box<Welcome>),
    /// Durable events, in order.
    Events(Events),
    /// Volatile events.
    Live(Live),
    /// One step of one request.
    Permission(Box<Permission>),
    /// The answer to this device's own control request.
    Reply(Reply),
    /// The worker came, went, or changed its state.
    Worker(WorkerStatus),
    /// Sign of life.
    Heartbeat(Heartbeat),
    /// The server is about to restart.
    Goaway(Goaway),
    /// A kind this version does not know: ignored, and counted.
    Other(String),
}

/// What a client learns at once: where the log stands, what waits, who works.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Welcome {
    /// Epoch of the log.
    pub epoch: Epoch,
    /// Newest `seq` of the log, 0 when it is empty.
    pub head_seq: u64,
    /// Whether the events that follow continue the position the client named.
    pub resumed: bool,
    /// Why not, if not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_reason: Option<String>,
    /// The server says something at least this often, in ms.
    pub heartbeat_ms: u64,
    /// Server time, in ms since the Unix epoch.
    pub server_time_ms: u64,
    /// The worker.
    pub worker: WorkerStatus,
    /// Every request that waits, whole, oldest first.
    pub pending: Vec<Permission>,
    /// Role of this device.
    pub role: Role,
}

/// Durable events. `seq` is dense: the next is always the last plus one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Events {
    /// The events, oldest first.
    pub events: Vec<SeqEvent>,
}

/// One row of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeqEvent {
    /// Position in the log, from 1.
    pub seq: u64,
    /// The event as it came.
    pub event: RawJson,
}

/// Volatile events.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Live {
    /// The events, in order.
    pub events: Vec<LiveEvent>,
}

/// One volatile event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveEvent {
    /// The message being streamed.
    pub stream: String,
    /// Position in that stream, from 0, dense.
    pub n: u64,
    /// Draw it once this position of the log was applied.
    pub after_seq: u64,
    /// The event as it came.
    pub event: RawJson,
}

/// Where a request stands. The row in the ingress is the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PermissionState {
    /// Waits for a person.
    Pending,
    /// Somebody decided; the bridge does not have it yet.
    Decided,
    /// The bridge wrote the answer to the agent.
    Delivered,
    /// The agent went on.
    Settled,
    /// The agent withdrew it.
    Cancelled,
    /// The process that asked is gone.
    Orphaned,
    /// The bridge found the decision not to fit the bytes it holds; the agent was told *deny*.
    Refused,
    /// Nobody decided within the limit somebody had set.
    Expired,
}

impl PermissionState {
    /// Whether nothing can follow.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Settled | Self::Cancelled | Self::Orphaned | Self::Refused | Self::Expired)
    }

    /// Whether a row may go from `self` to `next`.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        match self {
            Self::Pending => {
                matches!(
                    next,
                    Self::Decided | Self::Cancelled | Self::Orphaned | Self::Refused | Self::Expired
                )
            }
            Self::Decided => {
                matches!(
                    next,
                    Self::Delivered | Self::Settled | Self::Cancelled | Self::Orphaned | Self::Refused
                )
            }
            Self::Delivered => matches!(next, Self::Settled | Self::Orphaned),
            Self::Settled | Self::Cancelled | Self::Orphaned | Self::Refused | Self::Expired => false,
        }
    }

    /// The name on the wire and in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Decided => "decided",
            Self::Delivered => "delivered",
            Self::Settled => "settled",
            Self::Cancelled => "cancelled",
            Self::Orphaned => "orphaned",
            Self::Refused => "refused",
            Self::Expired => "expired",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        use PermissionState::{Cancelled, Decided, Delivered, Expired, Orphaned, Pending, Refused, Settled};
        [Pending, Decided, Delivered, Settled, Cancelled, Orphaned, Refused, Expired]
            .into_iter()
            .find(|state| state.as_str() == name)
    }
}

/// One step of one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// The agent's id of the request.
    pub request_id: String,
    /// Where it stands now.
    pub state: PermissionState,
    /// SHA-256 over the raw text of `event.request`, in lower-case hex.
    pub digest: String,
    /// When it was asked, in ms since the Unix epoch, server time.
    #[serde(default)]
    pub asked_at_ms: u64,
    /// Name of the device that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// What it decided: `allow` or `deny`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behavior: Option<String>,
    /// Why it was refused, cancelled or orphaned, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The whole `control_request`, with a pending one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<RawJson>,
}

/// The answer to one of this device's own control requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The id the device gave it.
    pub request_id: String,
    /// The `control_response`.
    pub event: RawJson,
}

/// Whether a bridge holds the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// A bridge is attached.
    Online,
    /// None is.
    #[default]
    Offline,
    /// It is about to leave.
    Draining,
}

/// The worker as a client sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Whether a bridge holds the session.
    pub state: Presence,
    /// What it last reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_state: Option<WorkerState>,
    /// Every prompt up to this position of the log was written to the agent's stdin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_seq: Option<u64>,
}

/// Sign of life.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Newest `seq` of the log.
    pub head_seq: u64,
    /// Server time, in ms since the Unix epoch.
    pub server_time_ms: u64,
}

/// The server is about to restart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Goaway {
    /// Come back after this many ms.
    pub retry_after_ms: u64,
}

impl ServerFrame {
    /// Reads one frame.
    ///
    /// # Errors
    /// [`JsonError`] when the text is no object with a `type`, or a known type with another shape.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        let kind = kind_of(text)?;
        Ok(match kind.as_str() {
            "welcome" => Self::Welcome(read(text)?),
            "events" => Self::Events(read(text)?),
            "live" => Self::Live(read(text)?),
            "permission" => Self::Permission(read(text)?),
            "reply" => Self::Reply(read(text)?),
            "worker" => Self::Worker(read(text)?),
            "heartbeat" => Self::Heartbeat(read(text)?),
            "goaway" => Self::Goaway(read(text)?),
            _ => Self::Other(kind),
        })
    }

    /// The frame as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Welcome(body) => tagged("welcome", body),
            Self::Events(body) => tagged("events", body),
            Self::Live(body) => tagged("live", body),
            Self::Permission(body) => tagged("permission", body),
            Self::Reply(body) => tagged("reply", body),
            Self::Worker(body) => tagged("worker", body),
            Self::Heartbeat(body) => tagged("heartbeat", body),
            Self::Goaway(body) => tagged("goaway", body),
            Self::Other(kind) => tagged(kind, &serde_json::Map::new()),
        }
    }
}

/// One frame from a client to the ingress.
#[derive(Clone, Debug)]
pub enum ClientFrame {
    /// The first frame, and again before its token ends.
    Auth(Auth),
    /// Everything up to this position was applied.
    Ack(Ack),
    /// Anything else.
    Other(String),
}

/// Who the client is and where it stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Auth {
    /// The credential.
    pub credential: Credential,
    /// Where to go on; absent = from the first event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Resume>,
}

/// An access token.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credential {
    /// `oauth`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The token.
    pub token: String,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A position in a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// Epoch the position belongs to.
    pub epoch: String,
    /// Last `seq` the client applied.
    pub after_seq: u64,
    /// With more events than this ahead the client would rather load the tail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_gap: Option<u64>,
}

/// Cumulative acknowledgement.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Ack {
    /// Everything up to this position was applied.
    pub seq: u64,
}

impl ClientFrame {
    /// Reads one frame.
    ///
    /// # Errors
    /// [`JsonError`] when the text is no object with a `type`, or a known type with another shape.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        let kind = kind_of(text)?;
        Ok(match kind.as_str() {
            "auth" => Self::Auth(read(text)?),
            "ack" => Self::Ack(read(text)?),
            _ => Self::Other(kind),
        })
    }

    /// The frame as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Auth(body) => tagged("auth", body),
            Self::Ack(body) => tagged("ack", body),
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
    fn an_event_keeps_its_text_through_a_frame() {
        let text = r#"{"type":"x","b":1.0,"a":123456789012345678901234567890}"#;
        let frame = ServerFrame::Events(Events {
            events: vec![SeqEvent { seq: 7, event: RawJson::parse(text).unwrap() }],
        });
        let ServerFrame::Events(events) = ServerFrame::parse(&frame.to_text()).unwrap() else {
            panic!("another frame")
        };
        assert_eq!((events.events[0].seq, events.events[0].event.as_str()), (7, text));
    }

    #[test]
    fn an_unknown_frame_is_kept_by_name_and_a_broken_one_is_an_error() {
        assert!(
            matches!(ServerFrame::parse(r#"{"x":1,"type":"later"}"#), Ok(ServerFrame::Other(kind)) if kind == "later")
        );
        assert_eq!(ServerFrame::parse("[]").err(), Some(JsonError::NoType));
        assert!(matches!(ServerFrame::parse("{"), Err(JsonError::Syntax(_))));
        assert!(matches!(ServerFrame::parse(r#"{"type":"events"}"#), Err(JsonError::Syntax(_))));
    }

    #[test]
    fn a_row_never_leaves_a_final_state() {
        use PermissionState::*;
        for state in [Settled, Cancelled, Orphaned, Refused, Expired] {
            assert!(state.is_final());
            for next in [Pending, Decided, Delivered, Settled, Cancelled, Orphaned, Refused, Expired] {
                assert!(!state.may_become(next), "{state:?} -> {next:?}");
            }
        }
        assert!(!Delivered.may_become(Cancelled), "what ran cannot be withdrawn");
    }

    #[test]
    fn a_credential_never_prints_its_token() {
        let auth = Credential { kind: "oauth".into(), token: "secret".into() };
        assert!(!format!("{auth:?}").contains("secret"));
    }
}
