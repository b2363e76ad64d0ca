//! The log of decisions. It is made of the very rows that the decisions were taken on, so it cannot say anything else.

use axum::Json;
use axum::extract::{Query, State};
use portcullis_protocol::RawJson;
use portcullis_protocol::approval::{Decision, Verdict};
use portcullis_protocol::id::SessionId;
use portcullis_protocol::role::Role;
use portcullis_protocol::wire::decisions::DecisionEntry;
use portcullis_protocol::wire::rest::Page;
use serde::Deserialize;

use super::Shared;
use super::error::{ApiError, ApiResult};
use super::extract::Anybody;
use crate::store::{DecidedRow, DecisionFilter};

/// Decisions of one page.
const PAGE_MAX: usize = 100;
/// Bytes of the requests of one page, unless a single one is larger.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// `?session=&granted=&before=&limit=`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ListQuery {
    session: Option<SessionId>,
    #[serde(default)]
    granted: bool,
    before: Option<u64>,
    limit: Option<usize>,
}

/// `GET /v1/decisions`, for whoever may decide.
pub(super) async fn list(
    State(app): State<Shared>,
    caller: Anybody,
    query: Result<Query<ListQuery>, axum::extract::rejection::QueryRejection>,
) -> ApiResult<Json<Page<DecisionEntry>>> {
    caller.at_least(Role::Approver)?;
    let Query(ListQuery { session, granted, before, limit }) =
        query.map_err(|error| ApiError::invalid(error.body_text()))?;
    let limit = limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let filter = DecisionFilter { session, granted, before, limit };
    let (rows, has_more) = app.store.decisions(filter, PAGE_BYTES_MAX).await?;
    let mut data = Vec::with_capacity(rows.len());
    for row in rows {
        let home = match &row.directory {
            Some(directory) => directory.clone(),
            None => {
                let environment = app.store.environment(&row.environment_id).await?;
                environment.map(|row| row.directory).unwrap_or_default()
            }
        };
        data.push(entry(row, home));
    }
    let id = |entry: Option<&DecisionEntry>| entry.map(|entry| entry.id.to_string());
    let (first_id, last_id) = (id(data.first()), id(data.last()));
    Ok(Json(Page { data, has_more, first_id, last_id }))
}

fn entry(decided: DecidedRow, directory: String) -> DecisionEntry {
    #[derive(Deserialize)]
    struct Asked {
        request: RawJson,
    }
    let DecidedRow { row, session_id, session_title, lives, .. } = decided;
    let request = row.event.read::<Asked>().map_or_else(|_| row.event.clone(), |asked| asked.request);
    let decision = row.decision.as_ref().and_then(|decision| Decision::parse(decision).ok());
    let edited = decision.as_ref().is_some_and(|decision| decision.edited);
    let (edited_input, granted, message) = match decision.map(|decision| decision.verdict) {
        Some(Verdict::Allow { updated_input, updated_permissions }) => {
            (edited.then_some(updated_input), updated_permissions, None)
        }
        Some(Verdict::Deny { message, .. }) => {
            (None, Vec::new(), Some(message).filter(|text| !text.is_empty()))
        }
        Some(Verdict::Answer(_)) | None => (None, Vec::new(), None),
    };
    DecisionEntry {
        id: row.ordinal,
        session_id,
        session_title,
        directory,
        request_id: row.request_id,
        digest: row.digest,
        request,
        asked_at_ms: row.asked_at_ms,
        decided_at_ms: row.decided_at_ms,
        device_id: row.device_id,
        decided_by: row.decided_by.unwrap_or_default(),
        behavior: row.behavior.unwrap_or_default(),
        edited_input,
        message,
        state: row.state,
        reason: row.reason,
        granted,
        lives,
    }
}
