//! Between columns and types. What does not read back as it was written is a corrupt file, never a panic.

use portcullis_protocol::RawJson;
use portcullis_protocol::wire::client::{PermissionState, SeqEvent};
use portcullis_protocol::wire::rest::PublicKey;
use portcullis_protocol::wire::worker::SessionSpec;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::super::{
    DecidedRow, DeviceRow, EnvironmentRow, RequestRow, Result, SessionRow, StoreError, WorkRow, WorkState,
};

/// SQLite counts in `i64`.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn uint(row: &SqliteRow, column: &str) -> Result<u64> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0))
}

fn flag(row: &SqliteRow, column: &str) -> Result<bool> {
    Ok(row.try_get::<i64, _>(column)? != 0)
}

fn small(row: &SqliteRow, column: &str) -> Result<u32> {
    Ok(u32::try_from(row.try_get::<i64, _>(column)?).unwrap_or(u32::MAX))
}

fn text(row: &SqliteRow, column: &str) -> Result<String> {
    Ok(row.try_get(column)?)
}

pub(super) fn maybe(row: &SqliteRow, column: &str) -> Result<Option<String>> {
    Ok(row.try_get(column)?)
}

/// A word of our own (an id, a role), read through its `FromStr`-like function.
fn word<T, E>(
    text: &str,
    name: &'static str,
    read: impl FnOnce(String) -> std::result::Result<T, E>,
) -> Result<T> {
    read(text.to_owned()).map_err(|_| StoreError::Corrupt(name))
}

macro_rules! id {
    ($row:expr, $column:literal) => {
        word(&text($row, $column)?, $column, |text| text.parse())?
    };
}

fn json<T: DeserializeOwned>(text: &str, name: &'static str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt(name))
}

pub(super) fn to_json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    RawJson::from_value(value).as_str().to_owned()
}

pub(super) fn raw(text: &str) -> Result<RawJson> {
    json(text, "event")
}

pub(super) fn device(row: &SqliteRow) -> Result<DeviceRow> {
    let key = match (maybe(row, "alg")?, maybe(row, "public_key")?) {
        (Some(alg), Some(key)) => Some(PublicKey { alg, key }),
        _ => None,
    };
    Ok(DeviceRow {
        id: id!(row, "id"),
        name: text(row, "name")?,
        role: json(&format!("\"{}\"", text(row, "role")?), "role")?,
        key,
        plain_approve: flag(row, "plain_approve")?,
        confirm_code: maybe(row, "confirm_code")?,
        created_at_ms: uint(row, "created_at_ms")?,
        last_seen_at_ms: uint(row, "last_seen_at_ms")?,
    })
}

/// Needs the columns of `sessions` and a `pending_count`.
pub(super) fn session(row: &SqliteRow) -> Result<SessionRow> {
    let title = text(row, "title")?;
    let worker_state = match maybe(row, "worker_state")? {
        Some(state) => Some(json(&state, "worker state")?),
        None => None,
    };
    let incarnation = match maybe(row, "incarnation")? {
        Some(incarnation) => Some(word(&incarnation, "incarnation", |text| text.parse())?),
        None => None,
    };
    Ok(SessionRow {
        id: id!(row, "id"),
        environment_id: id!(row, "environment_id"),
        spec: SessionSpec {
            title: title.clone(),
            directory: maybe(row, "directory")?,
            agent: maybe(row, "agent")?,
            model: maybe(row, "model")?,
            permission_mode: maybe(row, "permission_mode")?,
        },
        title,
        created_at_ms: uint(row, "created_at_ms")?,
        updated_at_ms: uint(row, "updated_at_ms")?,
        head_seq: uint(row, "head_seq")?,
        delivered_seq: uint(row, "delivered_seq")?,
        archived: flag(row, "archived")?,
        worker_state,
        incarnation,
        pending_count: small(row, "pending_count")?,
    })
}

pub(super) fn seq_event(row: &SqliteRow) -> Result<SeqEvent> {
    Ok(SeqEvent { seq: uint(row, "seq")?, event: raw(row.try_get("event")?)? })
}

pub(super) fn request(row: &SqliteRow) -> Result<RequestRow> {
    let state = text(row, "state")?;
    let decision = match maybe(row, "decision")? {
        Some(decision) => Some(raw(&decision)?),
        None => None,
    };
    let device_id = match maybe(row, "device_id")? {
        Some(device) => Some(word(&device, "device id", |text| text.parse())?),
        None => None,
    };
    Ok(RequestRow {
        ordinal: uint(row, "ordinal")?,
        incarnation: id!(row, "incarnation"),
        request_id: text(row, "request_id")?,
        state: PermissionState::parse(&state).ok_or(StoreError::Corrupt("request state"))?,
        digest: text(row, "digest")?,
        event: raw(row.try_get("event")?)?,
        asked_at_ms: uint(row, "asked_at_ms")?,
        decided_at_ms: row.try_get::<Option<i64>, _>("decided_at_ms")?.and_then(|at| u64::try_from(at).ok()),
        device_id,
        decided_by: maybe(row, "decided_by")?,
        behavior: maybe(row, "behavior")?,
        decision,
        reason: maybe(row, "reason")?,
    })
}

/// Needs the columns of `requests`, and those of its session under names of their own.
pub(super) fn decided(row: &SqliteRow) -> Result<DecidedRow> {
    Ok(DecidedRow {
        row: request(row)?,
        session_id: id!(row, "session_id"),
        session_title: text(row, "session_title")?,
        environment_id: id!(row, "environment_id"),
        directory: maybe(row, "directory")?,
        lives: flag(row, "lives")?,
    })
}

pub(super) fn environment(row: &SqliteRow) -> Result<EnvironmentRow> {
    Ok(EnvironmentRow {
        id: id!(row, "id"),
        device_id: id!(row, "device_id"),
        machine_name: text(row, "machine_name")?,
        directory: text(row, "directory")?,
        branch: maybe(row, "branch")?,
        max_sessions: small(row, "max_sessions")?,
        agents: json(&text(row, "agents")?, "list of agents")?,
        permission_modes: json(&text(row, "permission_modes")?, "list of permission modes")?,
        last_seen_at_ms: uint(row, "last_seen_at_ms")?,
    })
}

pub(super) fn work(row: &SqliteRow) -> Result<WorkRow> {
    let lease_id = match maybe(row, "lease_id")? {
        Some(lease) => Some(word(&lease, "lease id", |text| text.parse())?),
        None => None,
    };
    Ok(WorkRow {
        id: id!(row, "id"),
        environment_id: id!(row, "environment_id"),
        session_id: id!(row, "session_id"),
        state: WorkState::parse(&text(row, "state")?).ok_or(StoreError::Corrupt("work state"))?,
        lease_id,
        lease_until_ms: uint(row, "lease_until_ms")?,
        last_heartbeat: maybe(row, "last_heartbeat")?,
        previous_heartbeat: maybe(row, "previous_heartbeat")?,
    })
}
