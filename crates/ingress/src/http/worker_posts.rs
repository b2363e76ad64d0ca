//! What a worker says: checked item by item, written in one transaction, and then told to whoever listens.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use portcullis_protocol::RawJson;
use portcullis_protocol::approval;
use portcullis_protocol::id::{DeviceId, Incarnation, SessionId};
use portcullis_protocol::json::JsonError;
use portcullis_protocol::limits::{FOREIGN_ID_BYTES_MAX, POST_BYTES_MAX};
use portcullis_protocol::wire::client::PermissionState;
use portcullis_protocol::wire::worker::{
    DecisionDown, Lane, RequestStep, WorkerDown, WorkerItem, WorkerPost, WorkerPosted, WorkerState,
};
use serde::Deserialize;
use serde_json::Value;

use super::error::{ApiError, ApiResult};
use super::extract::{Ids, JsonBody, need_bearer};
use super::sessions::TITLE_CHARS_MAX;
use super::{App, Shared, work};
use crate::hub::{Note, Room};
use crate::seam::sha256;
use crate::store::{RequestRow, WorkerOutcome, WorkerWrite, Wrote};

/// Items of one POST: volatile ones come by the hundred.
const ITEMS_MAX: usize = 4_096;
/// Bytes of a reason or a state's text.
const TEXT_BYTES_MAX: usize = 4_096;

/// `POST /v1/session_ingress/session/{session}/events`.
pub(super) async fn post(
    State(app): State<Shared>,
    Held(id): Held,
    JsonBody(body): JsonBody<WorkerPost, POST_BYTES_MAX>,
) -> ApiResult<Json<WorkerPosted>> {
    let room = app.hub.room(&id);
    let WorkerPost { incarnation, lane, items } = body;
    let Some(first_n) = check_order(lane, &items)? else {
        return Ok(Json(volatile(&app, &room, &id, &incarnation, items).await?));
    };
    let mut writes = Vec::with_capacity(items.len());
    let mut says = Vec::with_capacity(items.len());
    for item in items {
        let (write, say) = read(item)?;
        writes.extend(write);
        says.push(say);
    }
    let now_ms = app.clock.now_ms();
    match app.store.write_worker(id.clone(), incarnation, lane, first_n, writes, now_ms).await? {
        WorkerOutcome::Taken { wrote, next_n, head_seq } => {
            let mut wrote = wrote.into_iter();
            for say in says {
                Teller { app: &app, room: &room }.tell(say, &mut wrote);
            }
            room.advance(head_seq);
            Ok(Json(WorkerPosted { next_n, head_seq }))
        }
        WorkerOutcome::Hole { expected_n } => Err(ApiError::hole(expected_n)),
        WorkerOutcome::Gone => Err(ApiError::gone(
            "this incarnation does not speak for the session: it ended, or did not attach",
        )),
    }
}

/// The session of the path, held by whoever calls; known before any of the body is read.
#[derive(Debug)]
pub(super) struct Held(SessionId);

impl FromRequestParts<Shared> for Held {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> ApiResult<Self> {
        let token = need_bearer(parts)?.to_owned();
        let Ids(id) = Ids::<SessionId>::from_request_parts(parts, app).await?;
        hold(app, &id, &token).await?;
        Ok(Self(id))
    }
}

/// The bridge that holds the session under this token.
pub(super) async fn hold(app: &App, id: &SessionId, token: &str) -> ApiResult<DeviceId> {
    let claims = work::verify(app, token)?;
    if claims.session_id != *id {
        return Err(ApiError::not_found("there is no such session"));
    }
    let lost = || {
        ApiError::lease_lost(StatusCode::CONFLICT, "another bridge holds this session, or its work is over")
    };
    let (work, bridge) = app.store.lease(id).await?.ok_or_else(lost)?;
    if work.lease_id.as_ref() == Some(&claims.lease_id) { Ok(bridge) } else { Err(lost()) }
}

/// The first `n` of a POST whose numbered items are dense and of its lane; `None` when it has volatile items alone.
fn check_order(lane: Lane, items: &[WorkerItem]) -> ApiResult<Option<u64>> {
    if items.len() > ITEMS_MAX {
        return Err(ApiError::too_large(format!("a POST carries at most {ITEMS_MAX} items")));
    }
    if items.iter().any(|item| item.lane() != lane) {
        return Err(ApiError::invalid("all items of a POST belong to its lane"));
    }
    let numbers: Vec<u64> = items.iter().filter_map(WorkerItem::n).collect();
    let is_dense = numbers.windows(2).all(|pair| pair[0].checked_add(1) == Some(pair[1]));
    if is_dense {
        Ok(numbers.first().copied())
    } else {
        Err(ApiError::invalid("the items of a POST are dense in `n`"))
    }
}

/// Volatile events alone need no transaction.
async fn volatile(
    app: &App,
    room: &Room,
    id: &SessionId,
    incarnation: &Incarnation,
    items: Vec<WorkerItem>,
) -> ApiResult<WorkerPosted> {
    if room.incarnation().as_ref() != Some(incarnation) {
        let session = super::sessions::find(app, id).await?;
        if session.incarnation.as_ref() != Some(incarnation) {
            return Err(ApiError::gone("this incarnation does not speak for the session"));
        }
        room.advance(session.head_seq);
    }
    for item in items {
        if let (_, Say::Live { stream, n, event }) = read(item)? {
            room.stream(stream, n, event);
        }
    }
    let head_seq = room.head();
    Ok(WorkerPosted { next_n: 0, head_seq })
}

/// What has to be said about an item once it is written.
enum Say {
    Live {
        stream: String,
        n: u64,
        event: RawJson,
    },
    Event(RawJson),
    Reply {
        device: DeviceId,
        request_id: String,
        event: RawJson,
    },
    /// What the store says it did.
    Outcome,
}

fn read(item: WorkerItem) -> ApiResult<(Option<WorkerWrite>, Say)> {
    let outcome = |write| Ok((Some(write), Say::Outcome));
    match item {
        WorkerItem::Live { stream, n, event } => {
            check_text("stream", &stream, FOREIGN_ID_BYTES_MAX)?;
            let event =
                RawJson::parse(event.as_str()).map_err(|error| ApiError::invalid(error.to_string()))?;
            Ok((None, Say::Live { stream, n, event }))
        }
        WorkerItem::Event { event, .. } => {
            let event = storable(event);
            Ok((Some(WorkerWrite::Event(event.clone())), Say::Event(event)))
        }
        WorkerItem::Request { request_id, digest, event, .. } => {
            check_text("request_id", &request_id, FOREIGN_ID_BYTES_MAX)?;
            check_request(&request_id, &digest, &event)?;
            outcome(WorkerWrite::Request { request_id, digest, event })
        }
        WorkerItem::Cancel { request_id, .. } => outcome(WorkerWrite::Cancel { request_id }),
        WorkerItem::Step { request_id, step, reason, .. } => {
            let state = match step {
                RequestStep::Delivered => PermissionState::Delivered,
                RequestStep::Settled => PermissionState::Settled,
                RequestStep::Refused => PermissionState::Refused,
            };
            outcome(WorkerWrite::Step { request_id, state, reason: reason.map(|reason| cut(&reason)) })
        }
        WorkerItem::Reply { device_id, request_id, event, .. } => {
            let event = addressed(readable(event), &request_id);
            Ok((Some(WorkerWrite::Passing), Say::Reply { device: device_id, request_id, event }))
        }
        WorkerItem::State { state, .. } => outcome(WorkerWrite::State(bounded(state))),
        WorkerItem::Ended { reason, .. } => outcome(WorkerWrite::Ended { reason: cut(&reason) }),
    }
}

fn check_text(name: &str, text: &str, bytes_max: usize) -> ApiResult<()> {
    if (1..=bytes_max).contains(&text.len()) {
        return Ok(());
    }
    Err(ApiError::invalid(format!("`{name}` has 1 to {bytes_max} bytes")))
}

fn cut(text: &str) -> String {
    text.char_indices().take_while(|(at, _)| *at < TEXT_BYTES_MAX).map(|(_, c)| c).collect()
}

/// The state without what no badge could show.
fn bounded(state: WorkerState) -> WorkerState {
    let cut = |text: Option<String>| text.map(|text| cut(&text));
    WorkerState {
        agent: cut(state.agent),
        model: cut(state.model),
        permission_mode: cut(state.permission_mode),
        directory: cut(state.directory),
        standstill: cut(state.standstill),
        title: state.title.map(|title| title.chars().take(TITLE_CHARS_MAX).collect()),
        ..state
    }
}

/// The reply, or an error in its place when it breaks a limit: the asking device waits for one.
fn readable(event: RawJson) -> RawJson {
    let Err(error) = RawJson::parse(event.as_str()) else { return event };
    let response = serde_json::json!({ "subtype": "error", "error": error.to_string() });
    RawJson::from_value(&serde_json::json!({ "type": "control_response", "response": response }))
}

/// A request is what its digest says, and is called what its item says.
fn check_request(request_id: &str, digest: &str, event: &RawJson) -> ApiResult<()> {
    #[derive(Deserialize)]
    struct Asked {
        #[serde(rename = "type")]
        kind: String,
        request_id: String,
        request: RawJson,
    }
    let event = RawJson::parse(event.as_str()).map_err(|error| match error {
        JsonError::TooLarge { .. } => ApiError::too_large(error.to_string()),
        JsonError::TooDeep | JsonError::Syntax(_) | JsonError::NoType => ApiError::invalid(error.to_string()),
    })?;
    let asked: Asked = event.read().map_err(|error| ApiError::invalid(error.to_string()))?;
    if asked.kind != "control_request" || asked.request_id != request_id {
        return Err(ApiError::invalid("the event is not the `control_request` of that `request_id`"));
    }
    if approval::digest(&asked.request) != digest {
        return Err(ApiError::invalid("the digest is not of this request's bytes"));
    }
    Ok(())
}

/// The event, or a stub with its size and hash in its place: nothing is dropped in silence, and nothing that breaks
/// a limit is stored.
fn storable(event: RawJson) -> RawJson {
    let Err(error) = RawJson::parse(event.as_str()).and_then(|event| event.header()) else { return event };
    let header = event.header().unwrap_or_default();
    tracing::warn!(%error, bytes = event.byte_len(), "an event was stored as a stub");
    RawJson::from_value(&serde_json::json!({
        "type": "system",
        "subtype": "event_too_large",
        "bytes": event.byte_len(),
        "sha256": sha256(event.as_str()),
        "original_type": header.kind,
        "reason": error.to_string(),
        "uuid": header.uuid,
    }))
}

/// The reply under the id the device gave its request; the agent knew it under another.
fn addressed(event: RawJson, request_id: &str) -> RawJson {
    let rewritten = || {
        let mut outer: serde_json::Map<String, Value> = event.read().ok()?;
        outer.get_mut("response")?.as_object_mut()?.insert("request_id".into(), request_id.into());
        Some(RawJson::from_value(&outer))
    };
    let is_fitting = event.header().is_ok_and(|header| header.correlation_id() == Some(request_id));
    if is_fitting { event } else { rewritten().unwrap_or(event) }
}

struct Teller<'a> {
    app: &'a App,
    room: &'a Room,
}

impl Teller<'_> {
    fn tell(&self, say: Say, wrote: &mut impl Iterator<Item = Wrote>) {
        match say {
            // Live items take no place among the writes.
            Say::Live { stream, n, event } => self.room.stream(stream, n, event),
            Say::Event(event) => {
                if let Some(Wrote::Event { seq }) = wrote.next() {
                    self.app.metrics.worker_event();
                    self.room.advance(seq);
                    if let Ok(header) = event.header() {
                        self.room.seal(&header);
                    }
                }
            }
            Say::Reply { device, request_id, event } => {
                if let Some(Wrote::Silent) = wrote.next() {
                    self.room.reply(&device, request_id, event);
                }
            }
            Say::Outcome => match wrote.next() {
                Some(Wrote::Requests { seq, rows }) => {
                    seq.into_iter().for_each(|seq| self.room.advance(seq));
                    self.requests(rows);
                }
                Some(Wrote::State(state)) => self.room.report(state),
                Some(Wrote::Ended { rows, state }) => {
                    self.room.end_streams();
                    self.requests(rows);
                    self.room.report(state);
                }
                Some(Wrote::Event { seq }) => self.room.advance(seq),
                Some(Wrote::Duplicate | Wrote::Silent) | None => {}
            },
        }
    }

    fn requests(&self, rows: Vec<RequestRow>) {
        for row in rows {
            let is_new = matches!(row.state, PermissionState::Decided | PermissionState::Refused);
            let denial = if row.is_overflow() && is_new { decision(&row) } else { None };
            self.room.tell(&Note::Permission(row.into()));
            if let Some(denial) = denial {
                self.room.send_down(denial);
            }
        }
    }
}

/// The frame that tells a worker what was decided.
pub(super) fn decision(row: &RequestRow) -> Option<WorkerDown> {
    Some(WorkerDown::Decision(DecisionDown {
        request_id: row.request_id.clone(),
        decided_by: row.decided_by.clone().unwrap_or_default(),
        event: row.decision.clone()?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_breaks_a_limit_becomes_a_stub_that_says_so() {
        let deep = format!(r#"{{"type":"user","uuid":"u","x":{}{}}}"#, "[".repeat(100), "]".repeat(100));
        let event: RawJson = serde_json::from_str(&deep).unwrap();
        let stub: Value = storable(event.clone()).read().unwrap();
        assert_eq!(stub["subtype"], "event_too_large");
        assert_eq!((stub["original_type"].as_str(), stub["uuid"].as_str()), (Some("user"), Some("u")));
        assert_eq!(stub["bytes"].as_u64().unwrap(), u64::try_from(event.byte_len()).unwrap());
        let fine = RawJson::parse(r#"{"type":"user"}"#).unwrap();
        assert_eq!(storable(fine.clone()), fine);
    }

    #[test]
    fn a_title_of_the_agent_is_no_longer_than_one_of_a_person() {
        let state = WorkerState { title: Some("é".repeat(5_000)), ..WorkerState::default() };
        assert_eq!(bounded(state).title, Some("é".repeat(TITLE_CHARS_MAX)));
    }

    #[test]
    fn a_reply_is_addressed_by_the_id_its_device_gave() {
        let event = RawJson::parse(r#"{"type":"control_response","response":{"subtype":"success","request_id":"pc_1","response":{"a":1.0}}}"#).unwrap();
        assert_eq!(addressed(event, "mine").header().unwrap().correlation_id(), Some("mine"));
    }
}
