//! The REST calls between clients and the ingress: bodies, answers, lists and the one error shape.

use serde::{Deserialize, Serialize};

use crate::id::{DeviceId, EnvironmentId, Epoch, SessionId};
use crate::json::RawJson;
use crate::role::Role;
use crate::wire::client::SeqEvent;

/// Every error of every call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// Always `error`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What went wrong.
    pub error: ErrorDetail,
    /// For the server's log.
    pub request_id: String,
}

/// What went wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// Stable name: `invalid_request`, `unauthorized`, `forbidden`, `not_found`, `conflict`, `gone`,
    /// `too_large`, `rate_limited`, `already_decided`, `unavailable`, `internal`, `lease_lost`, `hole`,
    /// `incomplete`.
    #[serde(rename = "type")]
    pub kind: String,
    /// For a person: first the fact, then what to do.
    pub message: String,
    /// With `hole`: the `n` the lane expects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_n: Option<u64>,
    /// With `already_decided`: who decided, and what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// Likewise: `allow` or `deny`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behavior: Option<String>,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The rows.
    pub data: Vec<T>,
    /// Whether more follow.
    pub has_more: bool,
    /// Id of the first row.
    pub first_id: Option<String>,
    /// Id of the last row.
    pub last_id: Option<String>,
}

/// A device's public key. `ES256`: the uncompressed P-256 point (65 bytes) as WebCrypto exports it `raw`;
/// `EdDSA`: the 32 bytes of Ed25519. Both base64url without padding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    /// `ES256` or `EdDSA`.
    pub alg: String,
    /// The key.
    pub key: String,
}

/// `POST /v1/auth/pair`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PairRequest {
    /// The one-time code.
    pub code: String,
    /// Name of the device, for people.
    pub device_name: String,
    /// Key that will sign challenges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicKey>,
    /// `bridge` for a machine that is to run agents; a confirmation then grants exactly that. Other roles are granted
    /// by an owner alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// Answer to pairing (200), and to `POST /v1/auth/token`. A pairing that waits for an owner answers 202 with
/// [`PairPending`] instead.
#[derive(Clone, Serialize, Deserialize)]
pub struct Granted {
    /// The device.
    pub device_id: DeviceId,
    /// Opaque bearer token.
    pub access_token: String,
    /// Its life in s.
    pub expires_in: u64,
    /// Role of the device.
    pub role: Role,
}

impl std::fmt::Debug for Granted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Granted")
            .field("device_id", &self.device_id)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// A further device waits for an owner's confirmation; both sides show `confirm_code`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PairPending {
    /// The device, of use once confirmed: poll with challenge and token.
    pub device_id: DeviceId,
    /// Short code to compare.
    pub confirm_code: String,
}

/// `POST /v1/auth/challenge`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChallengeRequest {
    /// The device.
    pub device_id: DeviceId,
}

/// Its answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Challenge {
    /// Single use, short-lived.
    pub nonce: String,
}

/// `POST /v1/auth/token`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenRequest {
    /// The device.
    pub device_id: DeviceId,
    /// The nonce.
    pub nonce: String,
    /// base64url of the signature over [`challenge_text`]; for `ES256` the 64 bytes r‖s.
    pub signature: String,
}

/// The text a device signs to prove that it holds its key.
#[must_use]
pub fn challenge_text(device_id: &DeviceId, nonce: &str) -> String {
    format!("portcullis-auth-v1\n{device_id}\n{nonce}")
}

/// `GET /v1/auth/whoami`, and a row of `GET /v1/auth/devices`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The device.
    pub id: DeviceId,
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// Whether it may answer approvals over the plain dialect.
    #[serde(default)]
    pub plain_approve: bool,
    /// Set while it waits for an owner's confirmation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_code: Option<String>,
    /// When it was paired, ms since the Unix epoch.
    pub created_at_ms: u64,
    /// When it was last seen, ms since the Unix epoch.
    pub last_seen_at_ms: u64,
}

/// `PATCH /v1/auth/devices/{id}`: what is absent stays. `confirm` admits a waiting device.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DevicePatch {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Grant or withdraw approvals over the plain dialect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain_approve: Option<bool>,
    /// Admit it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<bool>,
}

/// A row of `GET /v1/environments`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// The environment.
    pub id: EnvironmentId,
    /// Name of the machine.
    pub machine_name: String,
    /// Directory.
    pub directory: String,
    /// Git branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Whether its bridge polled lately.
    pub online: bool,
    /// When it last did, ms since the Unix epoch.
    pub last_seen_at_ms: u64,
    /// Sessions at once.
    pub max_sessions: u32,
    /// Agents it can run.
    #[serde(default)]
    pub agents: Vec<String>,
    /// Permission modes a new session may start in.
    #[serde(default)]
    pub permission_modes: Vec<String>,
}

/// What a session does, for lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    /// Nothing runs.
    #[default]
    Idle,
    /// A turn runs.
    Running,
    /// Something waits for a person.
    RequiresAction,
    /// Read only.
    Archived,
}

/// A session as lists and heads show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionInfo {
    /// The session.
    pub id: SessionId,
    /// Title.
    pub title: String,
    /// What it does.
    pub status: SessionStatus,
    /// Where it runs.
    pub environment_id: EnvironmentId,
    /// Directory.
    pub directory: String,
    /// Agent.
    pub agent: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Permission mode.
    pub permission_mode: Option<String>,
    /// ms since the Unix epoch.
    pub created_at: u64,
    /// ms since the Unix epoch.
    pub updated_at: u64,
    /// Newest `seq`.
    pub head_seq: u64,
    /// Epoch of the log.
    pub epoch: Epoch,
    /// Requests that wait.
    pub pending_count: u32,
    /// Running total in US dollars.
    pub total_cost_usd: Option<f64>,
}

/// `POST /v1/sessions`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CreateSession {
    /// Where it runs; absent = the only environment that is online, else an error that names the choices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_id: Option<EnvironmentId>,
    /// Directory; absent = the environment's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Title; absent = made from the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Permission mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_mode: Option<String>,
    /// A first prompt, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
}

/// `PATCH /v1/sessions/{id}`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SessionPatch {
    /// New title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// `GET /v1/sessions/{id}/events`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EventsPage {
    /// Rows, oldest first.
    pub data: Vec<SeqEvent>,
    /// Epoch of the log.
    pub epoch: Epoch,
    /// Newest `seq`.
    pub head_seq: u64,
    /// Whether more lie in the direction that was asked for.
    pub has_more: bool,
}

/// `POST /v1/sessions/{id}/events`. All or nothing; a decision travels alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PostEvents {
    /// Plain wire messages.
    pub events: Vec<RawJson>,
}

/// Its answer, one entry per event, in order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PostedEvents {
    /// What became of each.
    pub data: Vec<Posted>,
}

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// Its uuid.
    pub uuid: String,
    /// Taken now, or taken before.
    pub status: PostedStatus,
    /// Its place in the log, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// Taken now, or taken before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PostedStatus {
    /// Taken now.
    Accepted,
    /// The same uuid with the same bytes was taken before.
    Duplicate,
}

impl ErrorBody {
    /// An error of `kind` with a message for a person.
    #[must_use]
    pub fn new(kind: &str, message: impl Into<String>, request_id: impl Into<String>) -> Self {
        Self {
            kind: "error".into(),
            error: ErrorDetail { kind: kind.into(), message: message.into(), ..ErrorDetail::default() },
            request_id: request_id.into(),
        }
    }
}
