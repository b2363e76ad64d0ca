//! Bridges: who may register one, and which there are.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use portcullis_protocol::RawJson;
use portcullis_protocol::id::EnvironmentId;
use portcullis_protocol::role::{PermissionMode, Role};
use portcullis_protocol::wire::rest::{Environment, Page};
use portcullis_protocol::wire::worker::{RegisterEnvironment, RegisteredEnvironment};

use super::Shared;
use super::error::{ApiError, ApiResult};
use super::extract::{Anybody, JsonBody};
use super::work::Own;
use crate::seam::{mint, secret, sha256};
use crate::store::{EnvironmentRow, Registration};

/// Bytes of a name, a directory or a branch.
const TEXT_BYTES_MAX: usize = 4_096;
/// Agents or modes one bridge offers.
const CHOICES_MAX: usize = 64;

impl EnvironmentRow {
    /// The row as the API shows it.
    pub(crate) fn to_wire(&self, online: bool) -> Environment {
        Environment {
            id: self.id.clone(),
            machine_name: self.machine_name.clone(),
            directory: self.directory.clone(),
            branch: self.branch.clone(),
            online,
            last_seen_at_ms: self.last_seen_at_ms,
            max_sessions: self.max_sessions,
            agents: self.agents.clone(),
            permission_modes: self.permission_modes.clone(),
        }
    }
}

/// `GET /v1/environments`.
pub(super) async fn list(State(app): State<Shared>, caller: Anybody) -> ApiResult<Json<Page<Environment>>> {
    caller.at_least(Role::Viewer)?;
    let now_ms = app.clock.now_ms();
    let rows = app.store.environments().await?;
    let data: Vec<_> = rows.iter().map(|row| row.to_wire(app.hub.is_online(&row.id, now_ms))).collect();
    let (first_id, last_id) =
        (data.first().map(|row| row.id.to_string()), data.last().map(|row| row.id.to_string()));
    Ok(Json(Page { data, has_more: false, first_id, last_id }))
}

/// `POST /v1/environments/bridge`. Whoever registers again is a new process: what the old one held and did not keep
/// attached is ended, or started again when something waits for an agent.
pub(super) async fn register(
    State(app): State<Shared>,
    caller: Anybody,
    JsonBody(body): JsonBody<RegisterEnvironment>,
) -> ApiResult<Json<RegisteredEnvironment>> {
    let caller = caller.at_least(Role::Bridge)?;
    check(&body)?;
    let now_ms = app.clock.now_ms();
    let environment_secret = secret(&*app.entropy);
    let registration = Registration {
        fresh_id: fresh(&app)?,
        device_id: caller.device.id,
        secret_hash: sha256(&environment_secret),
        body,
    };
    let row = app.store.register(registration, now_ms).await?;
    let row = row.ok_or_else(|| ApiError::forbidden("that environment belongs to another machine"))?;
    app.store.release(row.id.clone(), app.hub.attached()).await?;
    app.hub.saw_bridge(&row.id, now_ms);
    app.hub.ring_work();
    tracing::info!(environment = %row.id, machine = row.machine_name, directory = row.directory, "a bridge registered");
    Ok(Json(RegisteredEnvironment { environment_id: row.id, environment_secret }))
}

/// `DELETE /v1/environments/bridge/{id}`, with the environment's secret or its device's access token.
pub(super) async fn deregister(State(app): State<Shared>, Own(id): Own) -> ApiResult<StatusCode> {
    app.store.deregister(id.clone()).await?;
    app.hub.lost_bridge(&id);
    tracing::info!(environment = %id, "a bridge left");
    Ok(StatusCode::NO_CONTENT)
}

fn fresh(app: &Shared) -> ApiResult<EnvironmentId> {
    EnvironmentId::parse(mint(&*app.entropy, "env_")).map_err(|error| ApiError::invalid(error.to_string()))
}

fn check(body: &RegisterEnvironment) -> ApiResult<()> {
    let branch = body.branch.as_deref().unwrap_or("");
    for (name, text) in
        [("machine_name", &*body.machine_name), ("directory", &*body.directory), ("branch", branch)]
    {
        if text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
            return Err(ApiError::invalid(format!(
                "`{name}` is at most {TEXT_BYTES_MAX} bytes of printable text"
            )));
        }
    }
    if !body.directory.starts_with('/') {
        return Err(ApiError::invalid("`directory` is an absolute path"));
    }
    if body.max_sessions == 0 || body.agents.len() > CHOICES_MAX || body.permission_modes.len() > CHOICES_MAX
    {
        return Err(ApiError::invalid(format!(
            "at least one session, at most {CHOICES_MAX} agents and modes"
        )));
    }
    if let Some(mode) = body.permission_modes.iter().find(|mode| PermissionMode::parse(mode).is_none()) {
        let mode = RawJson::from_value(mode);
        return Err(ApiError::invalid(format!("{} is no permission mode", mode.as_str())));
    }
    Ok(())
}
