//! The log of decisions: who answered which request of which agent, over which bytes, from which device, and what it
//! granted beyond the one call.

use serde::{Deserialize, Serialize};

use crate::id::{DeviceId, SessionId};
use crate::json::RawJson;
use crate::wire::client::PermissionState;

/// A row of `GET /v1/decisions`, newest request first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionEntry {
    /// Its place among all requests; `before` of the next page.
    pub id: u64,
    /// The session.
    pub session_id: SessionId,
    /// Its title, now.
    pub session_title: String,
    /// Where it runs.
    pub directory: String,
    /// The agent's id of the request.
    pub request_id: String,
    /// SHA-256 over the text of `request`.
    pub digest: String,
    /// What was asked, as the agent wrote it.
    pub request: RawJson,
    /// ms since the Unix epoch.
    pub asked_at_ms: u64,
    /// When the decision was recorded, ms since the Unix epoch; absent for those older than this record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at_ms: Option<u64>,
    /// The device; absent when the server itself denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
    /// Its name then.
    pub decided_by: String,
    /// `allow` or `deny`, or the answer to another kind of request.
    pub behavior: String,
    /// With an edited input: what was allowed in place of what was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_input: Option<RawJson>,
    /// What was said with a denial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How far it came.
    pub state: PermissionState,
    /// Why it ended there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The suggestions that were granted with it, word for word.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub granted: Vec<RawJson>,
    /// Whether the process that asked is still the session's: what was granted for the session ends with it.
    pub lives: bool,
}
