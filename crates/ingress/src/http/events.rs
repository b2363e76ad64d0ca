//! A session's log by REST: pages of it, and the uplink.

use axum::Json;
use axum::extract::{Query, State};
use portcullis_protocol::id::SessionId;
use portcullis_protocol::limits::{PAGE_EVENTS_MAX, POST_BYTES_MAX};
use portcullis_protocol::role::Role;
use portcullis_protocol::wire::rest::{EventsPage, PostEvents, PostedEvents};
use serde::Deserialize;

use super::error::{ApiError, ApiResult};
use super::extract::{Anybody, Ids, JsonBody};
use super::uplink::{self, Source};
use super::{Shared, sessions};

/// Bytes of one page, unless a single event is larger.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Events of a page that does not say how many.
const PAGE_EVENTS_DEFAULT: usize = 200;

/// `?after_seq=·before_seq=&limit=`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct PageQuery {
    after_seq: Option<u64>,
    before_seq: Option<u64>,
    limit: Option<usize>,
}

/// `GET /v1/sessions/{id}/events`. Without a position: the tail.
pub(super) async fn page(
    State(app): State<Shared>,
    caller: Anybody,
    Ids(id): Ids<SessionId>,
    query: Result<Query<PageQuery>, axum::extract::rejection::QueryRejection>,
) -> ApiResult<Json<EventsPage>> {
    caller.at_least(Role::Viewer)?;
    let Query(query) = query.map_err(|error| ApiError::invalid(error.body_text()))?;
    let limit = query.limit.unwrap_or(PAGE_EVENTS_DEFAULT).clamp(1, PAGE_EVENTS_MAX);
    sessions::find(&app, &id).await?;
    let (data, is_forward) = match (query.after_seq, query.before_seq) {
        (Some(_), Some(_)) => return Err(ApiError::invalid("either `after_seq` or `before_seq`")),
        (Some(after), None) => (app.store.events_after(&id, after, limit, PAGE_BYTES_MAX).await?, true),
        (None, before) => {
            let before = before.unwrap_or(u64::MAX);
            (app.store.events_before(&id, before, limit, PAGE_BYTES_MAX).await?, false)
        }
    };
    // Read after the rows, so that the head is never behind them.
    let head_seq = sessions::find(&app, &id).await?.head_seq;
    let has_more = match (data.first(), data.last()) {
        (Some(_), Some(last)) if is_forward => last.seq < head_seq,
        (Some(first), Some(_)) => first.seq > 1,
        _ => false,
    };
    Ok(Json(EventsPage { data, epoch: app.store.epoch().clone(), head_seq, has_more }))
}

/// `POST /v1/sessions/{id}/events`.
pub(super) async fn post(
    State(app): State<Shared>,
    Anybody(caller): Anybody,
    Ids(id): Ids<SessionId>,
    JsonBody(body): JsonBody<PostEvents, POST_BYTES_MAX>,
) -> ApiResult<Json<PostedEvents>> {
    let data = uplink::take(&app, &caller.device, &id, body.events, &Source::Post).await?;
    Ok(Json(PostedEvents { data }))
}
