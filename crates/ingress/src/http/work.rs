//! The work queue as bridges see it: poll, take, keep, stop.

use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_protocol::RawJson;
use portcullis_protocol::id::{DeviceId, EnvironmentId, LeaseId, SessionId, WorkId};
use portcullis_protocol::limits::{LEASE_TTL_S, POLL_BLOCK_MAX_MS, WORKER_TOKEN_TTL_S};
use portcullis_protocol::role::Role;
use portcullis_protocol::wire::worker::{
    KNOWN_SESSIONS_MAX, KnownSessions, WORK_SECRET_VERSION, WorkData, WorkHeartbeat, WorkItem, WorkSecret,
};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::error::{ApiError, ApiResult};
use super::extract::{Bearer, Ids, JsonBody, MaybeBody, need_bearer, require};
use super::sessions::fresh_work;
use super::{App, Shared};
use crate::auth::signer::WorkerClaims;
use crate::seam::{mint, sha256};
use crate::store::{Beat, EnvironmentRow, SessionRow, WorkRow};

/// The queue is looked at this often even if nobody rang: an item handed out and never taken comes back by time.
const POLL_FLOOR: Duration = Duration::from_secs(2);
/// A bridge's last call is written down at most this often, in ms.
const SEEN_EVERY_MS: u64 = 30_000;

/// `?block_ms=`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct PollQuery {
    block_ms: Option<u64>,
}

/// `?expected_last_heartbeat=`, or the same in the body.
#[derive(Debug, Default, Deserialize)]
pub(super) struct BeatQuery {
    expected_last_heartbeat: Option<String>,
}

/// Body of `reconnect` and `archive`.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    session_id: SessionId,
}

type Query_<T> = Result<Query<T>, axum::extract::rejection::QueryRejection>;

/// `GET …/work/poll`: one item, or `null` when none came in time.
pub(super) async fn poll(
    State(app): State<Shared>,
    Bearer(secret): Bearer,
    Ids(id): Ids<EnvironmentId>,
    query: Query_<PollQuery>,
) -> ApiResult<Json<Option<WorkItem>>> {
    let Query(query) = query.map_err(|error| ApiError::invalid(error.body_text()))?;
    let environment = admit(&app, &id, &secret).await?;
    let block = Duration::from_millis(query.block_ms.unwrap_or(0).min(POLL_BLOCK_MAX_MS));
    let deadline = Instant::now() + block;
    let presence = Presence::begin(&app, &id);
    let mut bell = app.hub.work_bell();
    let mut leaving = app.leaving.clone();
    let answer = loop {
        bell.see();
        // The secret may have been renewed while this call was waiting: only the newest process gets work.
        if app.store.environment_by_secret(&id, &sha256(&secret)).await?.is_none() {
            return Err(ApiError::unauthorized("this environment was registered again by another process"));
        }
        let lease =
            LeaseId::parse(mint(&*app.entropy, "lease_")).map_err(|e| ApiError::invalid(e.to_string()))?;
        if let Some((work, session)) = app.store.claim(id.clone(), lease, app.clock.now_ms()).await? {
            tracing::info!(session = %session.id, work = %work.id, environment = %environment.id, "work handed out");
            break Some(item(&app, work, &session)?);
        }
        if Instant::now() >= deadline || leaving.get() {
            break None;
        }
        let until = deadline.min(Instant::now() + POLL_FLOOR);
        tokio::select! {
            biased;
            _ = timeout_at(until, bell.changed()) => {}
            _ = leaving.changed() => break None,
        }
    };
    presence.done(environment.last_seen_at_ms).await?;
    Ok(Json(answer))
}

/// A poll that is cut off in the middle says that its bridge is gone; one that was answered, that it is there.
struct Presence<'a> {
    app: &'a App,
    id: &'a EnvironmentId,
    is_done: bool,
}

impl<'a> Presence<'a> {
    fn begin(app: &'a App, id: &'a EnvironmentId) -> Self {
        app.hub.poll_begins(id);
        Self { app, id, is_done: false }
    }

    async fn done(mut self, written_at_ms: u64) -> ApiResult<()> {
        self.is_done = true;
        let now_ms = self.app.clock.now_ms();
        self.app.hub.poll_ends(self.id, Some(now_ms));
        if now_ms.saturating_sub(written_at_ms) > SEEN_EVERY_MS {
            self.app.store.touch_environment(self.id.clone(), now_ms).await?;
        }
        Ok(())
    }
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.app.hub.poll_ends(self.id, None);
        }
    }
}

/// `POST …/work/{id}/ack`.
pub(super) async fn take(
    State(app): State<Shared>,
    Bearer(secret): Bearer,
    Ids((id, work)): Ids<(EnvironmentId, WorkId)>,
) -> ApiResult<Json<WorkItem>> {
    admit(&app, &id, &secret).await?;
    let taken = app.store.take_work(id, work, app.clock.now_ms()).await?;
    let taken = taken.ok_or_else(|| ApiError::gone("this work is over, or was handed to somebody else"))?;
    Ok(Json(shown(taken)))
}

/// `POST …/work/{id}/heartbeat`, with the session's token: keeps the lease, and renews the token.
pub(super) async fn heartbeat(
    State(app): State<Shared>,
    Holder { claims, work }: Holder,
    query: Query_<BeatQuery>,
    MaybeBody(body): MaybeBody<BeatQuery>,
) -> ApiResult<Json<WorkHeartbeat>> {
    let Query(query) = query.map_err(|error| ApiError::invalid(error.body_text()))?;
    let id = claims.environment_id.clone();
    let now_ms = app.clock.now_ms();
    let expected = query.expected_last_heartbeat.or(body.and_then(|body| body.expected_last_heartbeat));
    let expected = expected.unwrap_or_else(|| "NO_HEARTBEAT".into());
    let fresh = mint(&*app.entropy, "hb_");
    match app.store.beat(work, claims.lease_id.clone(), expected, fresh, now_ms).await? {
        Beat::Extended(row) => {
            app.hub.saw_bridge(&id, now_ms);
            let exp = now_ms / 1000 + WORKER_TOKEN_TTL_S;
            let renewed = WorkerClaims::new(claims.session_id, claims.environment_id, claims.lease_id, exp);
            Ok(Json(WorkHeartbeat {
                kind: "work_heartbeat".into(),
                last_heartbeat: row.last_heartbeat.unwrap_or_default(),
                lease_extended: true,
                state: row.state.as_str().into(),
                ttl_seconds: LEASE_TTL_S,
                session_ingress_token: app.gate.key.sign_worker(&renewed),
            }))
        }
        Beat::Lost(row) => Err(lost(row.map_or("stopped", |row| row.state.as_str()))),
    }
}

fn lost(state: &str) -> ApiError {
    let message =
        format!("heartbeat_precondition_failed: another holds this work, or it is over (state: {state})");
    ApiError::lease_lost(StatusCode::PRECONDITION_FAILED, message)
}

/// Who has a token for the work of the path, which is the live item of its session; known before the body is read.
#[derive(Debug)]
pub(super) struct Holder {
    claims: WorkerClaims,
    work: WorkId,
}

impl FromRequestParts<Shared> for Holder {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> ApiResult<Self> {
        let claims = verify(app, need_bearer(parts)?)?;
        let Ids((id, work)) = Ids::<(EnvironmentId, WorkId)>::from_request_parts(parts, app).await?;
        if claims.environment_id != id {
            return Err(ApiError::forbidden("this token is for another environment"));
        }
        if app.store.lease(&claims.session_id).await?.is_none_or(|(held, _)| held.id != work) {
            return Err(lost("stopped"));
        }
        Ok(Self { claims, work })
    }
}

/// `POST …/work/{id}/stop`.
pub(super) async fn stop(
    State(app): State<Shared>,
    Bearer(secret): Bearer,
    Ids((id, work)): Ids<(EnvironmentId, WorkId)>,
) -> ApiResult<Json<WorkItem>> {
    admit(&app, &id, &secret).await?;
    let stopped = app.store.stop_work(id, work, fresh_work(&app)?, app.clock.now_ms()).await?;
    let stopped = stopped.ok_or_else(|| ApiError::not_found("there is no such work"))?;
    app.hub.ring_work();
    Ok(Json(shown(stopped)))
}

/// `POST …/bridge/reconnect {session_id}`: the session goes back into the queue under a fresh lease.
pub(super) async fn reconnect(
    State(app): State<Shared>,
    Own(id): Own,
    JsonBody(body): JsonBody<Named>,
) -> ApiResult<StatusCode> {
    if !app.store.requeue(id, body.session_id, fresh_work(&app)?, app.clock.now_ms()).await? {
        return Err(ApiError::not_found("there is no such session in this environment, or it was archived"));
    }
    app.hub.ring_work();
    Ok(StatusCode::NO_CONTENT)
}

/// `POST …/bridge/archive {session_id}`: the bridge ends, and was told to close what it served.
pub(super) async fn archive(
    State(app): State<Shared>,
    Own(id): Own,
    JsonBody(body): JsonBody<Named>,
) -> ApiResult<StatusCode> {
    let session = super::sessions::find(&app, &body.session_id).await?;
    if session.environment_id != id {
        return Err(ApiError::not_found("there is no such session in this environment"));
    }
    super::sessions::close(&app, &body.session_id).await?;
    tracing::info!(session = %body.session_id, environment = %id, "a session was archived by its bridge");
    Ok(StatusCode::NO_CONTENT)
}

/// `POST …/bridge/sessions {sessions}`: which of them belong to this machine and live on.
pub(super) async fn known(
    State(app): State<Shared>,
    Own(id): Own,
    JsonBody(body): JsonBody<KnownSessions>,
) -> ApiResult<Json<KnownSessions>> {
    if body.sessions.len() > KNOWN_SESSIONS_MAX {
        return Err(ApiError::invalid(format!("at most {KNOWN_SESSIONS_MAX} sessions at once")));
    }
    let device_of = async |id: &EnvironmentId| -> ApiResult<Option<DeviceId>> {
        Ok(app.store.environment(id).await?.map(|row| row.device_id))
    };
    let machine = device_of(&id).await?;
    let mut sessions = Vec::new();
    for session in body.sessions {
        if let Some(row) = app.store.session(&session).await?
            && !row.archived
            && device_of(&row.environment_id).await? == machine
        {
            sessions.push(session);
        }
    }
    Ok(Json(KnownSessions { sessions }))
}

/// The environment of the path, of whoever calls: by its secret, or by its device's access token. Known before any
/// body is read.
#[derive(Debug)]
pub(super) struct Own(pub EnvironmentId);

impl FromRequestParts<Shared> for Own {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> ApiResult<Self> {
        let token = need_bearer(parts)?.to_owned();
        let Ids(id) = Ids::<EnvironmentId>::from_request_parts(parts, app).await?;
        if app.store.environment_by_secret(&id, &sha256(&token)).await?.is_some() {
            return Ok(Self(id));
        }
        let caller = app.gate.authenticate(&token).await?;
        require(caller.device.role, Role::Bridge)?;
        match app.store.environment(&id).await? {
            Some(row) if row.device_id == caller.device.id => Ok(Self(id)),
            _ => Err(ApiError::not_found("there is no such environment")),
        }
    }
}

/// The claims of a worker's token.
pub(super) fn verify(app: &App, token: &str) -> ApiResult<WorkerClaims> {
    app.gate.key.verify_worker(token, app.clock.now_ms()).map_err(|error| {
        app.metrics.refused();
        ApiError::unauthorized(error.to_string())
    })
}

async fn admit(app: &App, id: &EnvironmentId, secret: &str) -> ApiResult<EnvironmentRow> {
    let environment = app.store.environment_by_secret(id, &sha256(secret)).await?;
    if environment.is_none() {
        app.metrics.refused();
    }
    environment
        .ok_or_else(|| ApiError::unauthorized("this is not the secret of that environment: register again"))
}

fn item(app: &App, work: WorkRow, session: &SessionRow) -> ApiResult<WorkItem> {
    let lease =
        work.lease_id.clone().ok_or_else(|| ApiError::unavailable("the work has no lease: try again"))?;
    let exp = app.clock.now_ms() / 1000 + WORKER_TOKEN_TTL_S;
    let claims = WorkerClaims::new(session.id.clone(), work.environment_id.clone(), lease, exp);
    let secret = WorkSecret {
        version: WORK_SECRET_VERSION,
        session_ingress_token: app.gate.key.sign_worker(&claims),
        api_base_url: app.base_url.clone(),
        session: session.spec.clone(),
    };
    let secret = URL_SAFE_NO_PAD.encode(RawJson::from_value(&secret).as_str());
    Ok(WorkItem { secret: Some(secret), ..shown(work) })
}

fn shown(work: WorkRow) -> WorkItem {
    WorkItem {
        kind: "work".into(),
        id: work.id,
        environment_id: work.environment_id,
        data: WorkData { kind: "session".into(), id: work.session_id },
        state: work.state.as_str().into(),
        secret: None,
    }
}
