//! Sessions: listed, created, read, renamed, archived and taken out of the archive.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use portcullis_protocol::id::{EnvironmentId, SessionId, WorkId};
use portcullis_protocol::role::{PermissionMode, Role};
use portcullis_protocol::wire::client::Presence;
use portcullis_protocol::wire::close as codes;
use portcullis_protocol::wire::prompt::text_prompt;
use portcullis_protocol::wire::rest::{CreateSession, Page, SessionInfo, SessionPatch, SessionStatus};
use portcullis_protocol::wire::worker::{SessionSpec, StopDown, WorkStatus, WorkerDown};
use serde::Deserialize;

use super::error::{ApiError, ApiResult};
use super::extract::{Anybody, Ids, JsonBody};
use super::{App, Shared};
use crate::hub::Note;
use crate::seam::{mint, sha256};
use crate::store::{Archived, EnvironmentRow, Prompt, SessionFilter, SessionRow, Unarchived};

/// Sessions in one page.
const PAGE_MAX: u32 = 200;
/// Characters of a title.
pub(super) const TITLE_CHARS_MAX: usize = 200;
/// Characters of a title made from a prompt.
const PROMPT_TITLE_CHARS: usize = 60;
/// Bytes of a directory, an agent's or a model's name.
const WORD_BYTES_MAX: usize = 4_096;
/// Body of a creation: a first prompt may be a pasted file.
const CREATE_BYTES_MAX: usize = 1024 * 1024;

/// `?limit=&after_id=&state=`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ListQuery {
    limit: Option<u32>,
    after_id: Option<SessionId>,
    state: Option<Wanted>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Wanted {
    Active,
    Archived,
    All,
}

/// `GET /v1/sessions`.
pub(super) async fn list(
    State(app): State<Shared>,
    caller: Anybody,
    query: Result<Query<ListQuery>, axum::extract::rejection::QueryRejection>,
) -> ApiResult<Json<Page<SessionInfo>>> {
    caller.at_least(Role::Viewer)?;
    let Query(query) = query.map_err(|error| ApiError::invalid(error.body_text()))?;
    let filter = match query.state {
        Some(Wanted::Active) => SessionFilter::Active,
        Some(Wanted::Archived) => SessionFilter::Archived,
        None | Some(Wanted::All) => SessionFilter::All,
    };
    let limit = query.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let (rows, has_more) = app.store.sessions(filter, query.after_id.as_ref(), limit).await?;
    let mut data = Vec::with_capacity(rows.len());
    for row in rows {
        data.push(info(&app, row).await?);
    }
    let (first_id, last_id) =
        (data.first().map(|row| row.id.to_string()), data.last().map(|row| row.id.to_string()));
    Ok(Json(Page { data, has_more, first_id, last_id }))
}

/// `GET /v1/sessions/{id}`.
pub(super) async fn read(
    State(app): State<Shared>,
    caller: Anybody,
    Ids(id): Ids<SessionId>,
) -> ApiResult<Json<SessionInfo>> {
    caller.at_least(Role::Viewer)?;
    Ok(Json(info(&app, find(&app, &id).await?).await?))
}

/// `POST /v1/sessions`.
pub(super) async fn create(
    State(app): State<Shared>,
    caller: Anybody,
    JsonBody(body): JsonBody<CreateSession, CREATE_BYTES_MAX>,
) -> ApiResult<(StatusCode, Json<SessionInfo>)> {
    let caller = caller.at_least(Role::Operator)?;
    let environment = choose(&app, body.environment_id.as_ref()).await?;
    check(&body, &environment, caller.device.role)?;
    let now_ms = app.clock.now_ms();
    let id = SessionId::parse(mint(&*app.entropy, "session_"))
        .map_err(|error| ApiError::invalid(error.to_string()))?;
    let prompt = body.prompt.as_deref().filter(|text| !text.trim().is_empty()).map(|text| {
        let uuid = mint(&*app.entropy, "");
        let event = text_prompt(&uuid, text);
        Prompt { hash: sha256(event.as_str()), event, uuid }
    });
    let given = body.title.as_deref().map(str::trim).unwrap_or_default().to_owned();
    let title = match (&body.prompt, given.is_empty()) {
        (Some(prompt), true) => title_from(prompt),
        _ => given.clone(),
    };
    let row = SessionRow {
        id,
        title,
        environment_id: environment.id,
        spec: SessionSpec {
            title: given,
            directory: body.directory.or(Some(environment.directory)),
            agent: body.agent,
            model: body.model,
            permission_mode: body.permission_mode,
        },
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
        head_seq: 0,
        delivered_seq: 0,
        archived: false,
        worker_state: None,
        incarnation: None,
        pending_count: 0,
    };
    let row = app.store.create_session(row, prompt, fresh_work(&app)?).await?;
    tracing::info!(session = %row.id, by = %caller.device.id, "a session was created");
    app.hub.ring_work();
    Ok((StatusCode::CREATED, Json(info(&app, row).await?)))
}

/// `PATCH /v1/sessions/{id}`.
pub(super) async fn rename(
    State(app): State<Shared>,
    caller: Anybody,
    Ids(id): Ids<SessionId>,
    JsonBody(body): JsonBody<SessionPatch>,
) -> ApiResult<Json<SessionInfo>> {
    caller.at_least(Role::Operator)?;
    find(&app, &id).await?;
    if let Some(title) = body.title {
        let title = title.trim().to_owned();
        if title.is_empty() || !is_title(&title) {
            return Err(ApiError::invalid(format!(
                "a title has 1 to {TITLE_CHARS_MAX} printable characters"
            )));
        }
        app.store.rename(id.clone(), title, app.clock.now_ms()).await?;
    }
    Ok(Json(info(&app, find(&app, &id).await?).await?))
}

/// `POST /v1/sessions/{id}/archive`.
pub(super) async fn archive(
    State(app): State<Shared>,
    caller: Anybody,
    Ids(id): Ids<SessionId>,
) -> ApiResult<Json<SessionInfo>> {
    let caller = caller.at_least(Role::Operator)?;
    close(&app, &id).await?;
    tracing::info!(session = %id, by = %caller.device.id, "a session was archived");
    Ok(Json(info(&app, find(&app, &id).await?).await?))
}

/// Archives the session, and tells everybody who is on it.
pub(super) async fn close(app: &App, id: &SessionId) -> ApiResult<()> {
    match app.store.archive(id.clone(), app.clock.now_ms()).await? {
        Archived::Missing => Err(ApiError::not_found("there is no such session")),
        Archived::Already => Err(ApiError::conflict("this session was archived before")),
        Archived::Done(orphaned) => {
            let room = app.hub.room(id);
            for row in orphaned {
                room.tell(&Note::Permission(row.into()));
            }
            room.send_down(WorkerDown::Stop(StopDown { reason: "the session was archived".into() }));
            room.tell(&Note::Close(codes::ARCHIVED, "the session was archived"));
            Ok(())
        }
    }
}

/// `POST /v1/sessions/{id}/unarchive`: it takes prompts again; its next agent begins anew.
pub(super) async fn unarchive(
    State(app): State<Shared>,
    caller: Anybody,
    Ids(id): Ids<SessionId>,
) -> ApiResult<Json<SessionInfo>> {
    let caller = caller.at_least(Role::Operator)?;
    let (by, tag) = (caller.device.name.clone(), mint(&*app.entropy, "un_"));
    match app.store.unarchive(id.clone(), by, tag, app.clock.now_ms()).await? {
        Unarchived::Missing => return Err(ApiError::not_found("there is no such session")),
        Unarchived::Active => return Err(ApiError::conflict("this session is not archived")),
        Unarchived::Done => {}
    }
    tracing::info!(session = %id, by = %caller.device.id, "a session was taken out of the archive");
    let row = find(&app, &id).await?;
    app.hub.room(&id).advance(row.head_seq);
    Ok(Json(info(&app, row).await?))
}

/// `POST /v1/sessions/{id}/stop`: its agent's process ends, and with it whatever was granted to that process alone. The
/// session stays; the next prompt starts a new process.
pub(super) async fn stop(
    State(app): State<Shared>,
    caller: Anybody,
    Ids(id): Ids<SessionId>,
) -> ApiResult<Json<SessionInfo>> {
    let caller = caller.at_least(Role::Operator)?;
    let row = find(&app, &id).await?;
    if row.archived {
        return Err(ApiError::gone("this session was archived: nothing of it runs"));
    }
    let stop = StopDown { reason: format!("stopped by {}", caller.device.name) };
    if !app.hub.room(&id).send_down(WorkerDown::Stop(stop)) {
        let why = "no bridge holds this session now, so its agent cannot be stopped from here";
        return Err(ApiError::unavailable(why));
    }
    tracing::info!(session = %id, by = %caller.device.id, "an agent was stopped");
    Ok(Json(info(&app, row).await?))
}

/// The session, or 404.
pub(super) async fn find(app: &App, id: &SessionId) -> ApiResult<SessionRow> {
    app.store.session(id).await?.ok_or_else(|| ApiError::not_found("there is no such session"))
}

/// An id for a work item.
pub(super) fn fresh_work(app: &App) -> ApiResult<WorkId> {
    WorkId::parse(mint(&*app.entropy, "work_")).map_err(|error| ApiError::invalid(error.to_string()))
}

/// A title out of the first words of a prompt.
pub(super) fn title_from(prompt: &str) -> String {
    let words: Vec<&str> = prompt.split_whitespace().take(PROMPT_TITLE_CHARS).collect();
    let line: String = words.join(" ").chars().filter(|c| !c.is_control()).collect();
    if line.chars().count() <= PROMPT_TITLE_CHARS {
        return line;
    }
    let cut: String = line.chars().take(PROMPT_TITLE_CHARS).collect();
    format!("{}…", cut.trim_end())
}

/// The row as lists and heads show it.
async fn info(app: &App, row: SessionRow) -> ApiResult<SessionInfo> {
    let worker = app.hub.room(&row.id).worker_status(row.worker_state.as_ref());
    let is_online = worker.state != Presence::Offline;
    let state = worker.worker_state.unwrap_or_default();
    let status = if row.archived {
        SessionStatus::Archived
    } else if row.pending_count > 0 {
        SessionStatus::RequiresAction
    } else if is_online && state.status != WorkStatus::Idle {
        SessionStatus::Running
    } else {
        SessionStatus::Idle
    };
    // Where the bridge was told to work, not where the agent says it is: that line may say anything. A working tree of
    // the session's own is named after it.
    let tree = state.directory.filter(|directory| directory.split('/').any(|part| part == row.id.as_str()));
    let directory = match tree.or(row.spec.directory) {
        Some(directory) => directory,
        None => {
            app.store.environment(&row.environment_id).await?.map(|row| row.directory).unwrap_or_default()
        }
    };
    Ok(SessionInfo {
        id: row.id,
        title: row.title,
        status,
        environment_id: row.environment_id,
        directory,
        agent: state.agent.or(row.spec.agent),
        model: state.model.or(row.spec.model),
        permission_mode: state.permission_mode.or(row.spec.permission_mode),
        created_at: row.created_at_ms,
        updated_at: row.updated_at_ms,
        head_seq: row.head_seq,
        epoch: app.store.epoch().clone(),
        pending_count: row.pending_count,
        total_cost_usd: state.total_cost_usd,
    })
}

/// The named environment, or the only one that is online.
async fn choose(app: &App, wanted: Option<&EnvironmentId>) -> ApiResult<EnvironmentRow> {
    if let Some(id) = wanted {
        let found = app.store.environment(id).await?;
        return found.ok_or_else(|| ApiError::not_found("there is no such environment"));
    }
    let now_ms = app.clock.now_ms();
    let all = app.store.environments().await?;
    let mut online: Vec<_> = all.into_iter().filter(|row| app.hub.is_online(&row.id, now_ms)).collect();
    match (online.pop(), online.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => {
            Err(ApiError::invalid("no bridge is online: start `portcullis remote-control` in a project"))
        }
        (Some(last), false) => {
            online.push(last);
            let names: Vec<_> = online
                .iter()
                .map(|row| format!("{} ({} {})", row.id, row.machine_name, row.directory))
                .collect();
            Err(ApiError::invalid(format!("name an `environment_id`, one of: {}", names.join(", "))))
        }
    }
}

fn check(body: &CreateSession, environment: &EnvironmentRow, role: Role) -> ApiResult<()> {
    if body.title.as_deref().is_some_and(|title| !is_title(title.trim())) {
        return Err(ApiError::invalid(format!("a title has at most {TITLE_CHARS_MAX} printable characters")));
    }
    for (name, word) in [("directory", &body.directory), ("agent", &body.agent), ("model", &body.model)] {
        let is_bad = |word: &String| {
            word.is_empty()
                || word.len() > WORD_BYTES_MAX
                || word.starts_with('-')
                || word.chars().any(char::is_control)
        };
        if word.as_ref().is_some_and(is_bad) {
            return Err(ApiError::invalid(format!(
                "`{name}` is printable text that does not start with `-`"
            )));
        }
    }
    if body.directory.as_deref().is_some_and(|directory| !directory.starts_with('/')) {
        return Err(ApiError::invalid("`directory` is an absolute path"));
    }
    if let Some(agent) = &body.agent
        && !environment.agents.is_empty()
        && !environment.agents.contains(agent)
    {
        let agents = environment.agents.join(", ");
        return Err(ApiError::invalid(format!("this bridge has no such agent; it has: {agents}")));
    }
    let Some(mode) = &body.permission_mode else { return Ok(()) };
    let parsed =
        PermissionMode::parse(mode).ok_or_else(|| ApiError::invalid("there is no such permission mode"))?;
    if !environment.permission_modes.contains(mode) {
        let modes = environment.permission_modes.join(", ");
        return Err(ApiError::forbidden(format!(
            "the policy of this bridge does not allow that mode; it allows: {modes}"
        )));
    }
    if !parsed.is_no_laxer_than(PermissionMode::Default) {
        super::extract::require(role, Role::Owner)?;
    }
    Ok(())
}

fn is_title(title: &str) -> bool {
    title.chars().count() <= TITLE_CHARS_MAX && !title.chars().any(char::is_control)
}
