//! Requests of agents, and everything a worker writes. A request's state changes here and nowhere else.

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use portcullis_protocol::RawJson;
use portcullis_protocol::approval::Decision;
use portcullis_protocol::id::{Incarnation, SessionId};
use portcullis_protocol::wire::client::PermissionState;
use portcullis_protocol::wire::worker::{Lane, WorkStatus, WorkerState};
use sqlx::SqliteConnection;

use super::super::{
    Attached, Decided, DecidedRow, DecisionFilter, RequestRow, RequestStore, Result, Ruling, WorkerOutcome,
    WorkerWrite, Wrote,
};
use super::SqliteStore;
use super::convert::{self, int, raw, request, to_json};
use super::log::{self, KeyUse};
use super::writer::Queue;
use crate::approvals;
use crate::seam::sha256;

#[async_trait]
impl RequestStore for SqliteStore {
    async fn open_requests(&self, id: &SessionId) -> Result<Vec<RequestRow>> {
        let rows = sqlx::query(
            "SELECT * FROM requests WHERE session_id = ? AND state IN ('pending', 'decided', 'delivered') \
             ORDER BY ordinal",
        )
        .bind(id.as_str())
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(request).collect()
    }

    async fn request(&self, id: &SessionId, request_id: &str) -> Result<Option<RequestRow>> {
        let row = sqlx::query(
            "SELECT * FROM requests WHERE session_id = ? AND request_id = ? ORDER BY ordinal DESC LIMIT 1",
        )
        .bind(id.as_str())
        .bind(request_id)
        .fetch_optional(&self.readers)
        .await?;
        row.as_ref().map(request).transpose()
    }

    async fn decide(
        &self,
        id: SessionId,
        incarnation: Incarnation,
        ruling: Ruling,
        now_ms: u64,
    ) -> Result<Decided> {
        self.write(move |db| Box::pin(decide(db, id, incarnation, ruling, now_ms))).await
    }

    async fn decisions(&self, filter: DecisionFilter, bytes_max: usize) -> Result<(Vec<DecidedRow>, bool)> {
        let mut rows = sqlx::query(
            "SELECT requests.*, sessions.title AS session_title, sessions.environment_id, sessions.directory, \
             sessions.archived = 0 AND sessions.incarnation = requests.incarnation AND EXISTS (SELECT 1 \
             FROM incarnations WHERE incarnations.session_id = requests.session_id AND \
             incarnations.incarnation = requests.incarnation AND incarnations.ended = 0) AS lives \
             FROM requests JOIN sessions ON sessions.id = requests.session_id \
             WHERE decision IS NOT NULL AND (?1 IS NULL OR requests.session_id = ?1) \
             AND (?2 = 0 OR requests.granted = 1) AND (?3 IS NULL OR requests.ordinal < ?3) \
             ORDER BY requests.ordinal DESC LIMIT ?4",
        )
        .bind(filter.session.as_ref().map(|id| id.as_str().to_owned()))
        .bind(filter.granted)
        .bind(filter.before.map(int))
        .bind(i64::try_from(filter.limit).unwrap_or(i64::MAX).saturating_add(1))
        .fetch(&self.readers);
        let (mut decided, mut bytes) = (Vec::new(), 0_usize);
        while let Some(row) = rows.try_next().await? {
            let row = convert::decided(&row)?;
            bytes = bytes.saturating_add(row.row.event.byte_len());
            if decided.len() == filter.limit || (bytes > bytes_max && !decided.is_empty()) {
                return Ok((decided, true));
            }
            decided.push(row);
        }
        Ok((decided, false))
    }

    async fn attach(&self, id: SessionId, incarnation: Incarnation) -> Result<Option<Attached>> {
        self.write(move |db| Box::pin(attach(db, id, incarnation))).await
    }

    async fn acknowledge(&self, id: SessionId, seq: u64) -> Result<()> {
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query(
                    "UPDATE sessions SET delivered_seq = max(delivered_seq, min(?, head_seq)) WHERE id = ?",
                )
                .bind(int(seq))
                .bind(id.as_str())
                .execute(db)
                .await?;
                Ok(())
            })
        })
        .await
    }

    async fn write_worker(
        &self,
        id: SessionId,
        incarnation: Incarnation,
        lane: Lane,
        first_n: u64,
        items: Vec<WorkerWrite>,
        now_ms: u64,
    ) -> Result<WorkerOutcome> {
        let queue = match lane {
            Lane::Control => Queue::Control,
            Lane::Content => Queue::Content { bytes: items.iter().map(WorkerWrite::byte_len).sum() },
        };
        self.write_in(queue, move |db| {
            Box::pin(async move { Worker { db, id, incarnation, now_ms }.take(lane, first_n, items).await })
        })
        .await
    }
}

async fn decide(
    db: &mut SqliteConnection,
    id: SessionId,
    incarnation: Incarnation,
    ruling: Ruling,
    now_ms: u64,
) -> Result<Decided> {
    let row = find(db, &id, &incarnation, &ruling.request_id).await?;
    let Some(row) = row else { return Ok(Decided::Missing) };
    if row.state != PermissionState::Pending {
        return Ok(Decided::Lost(row));
    }
    let hash = sha256(ruling.event.as_str());
    match log::key_use(db, &id, &ruling.uuid, &hash).await? {
        KeyUse::Fresh => log::keep_key(db, &id, &ruling.uuid, &hash, None).await?,
        KeyUse::Same { .. } => {}
        KeyUse::OtherBytes => return Ok(Decided::OtherBytes),
    }
    sqlx::query(
        "UPDATE requests SET state = 'decided', device_id = ?, decided_by = ?, behavior = ?, decision = ?, \
         decided_at_ms = ?, granted = ? WHERE session_id = ? AND incarnation = ? AND request_id = ? AND state = 'pending'",
    )
    .bind(ruling.device_id.as_str())
    .bind(&ruling.decided_by)
    .bind(ruling.behavior)
    .bind(ruling.event.as_str())
    .bind(int(now_ms))
    .bind(approvals::grants_more(&ruling.event))
    .bind(id.as_str())
    .bind(incarnation.as_str())
    .bind(&ruling.request_id)
    .execute(&mut *db)
    .await?;
    log::touch(db, &id, now_ms).await?;
    let row = find(db, &id, &incarnation, &ruling.request_id).await?;
    Ok(row.map_or(Decided::Missing, Decided::Won))
}

async fn attach(
    db: &mut SqliteConnection,
    id: SessionId,
    incarnation: Incarnation,
) -> Result<Option<Attached>> {
    let (current, head, delivered): (Option<String>, i64, i64) =
        sqlx::query_as("SELECT incarnation, head_seq, delivered_seq FROM sessions WHERE id = ?")
            .bind(id.as_str())
            .fetch_one(&mut *db)
            .await?;
    let known: Option<(i64, i64)> = sqlx::query_as(
        "SELECT content_next_n, control_next_n FROM incarnations WHERE session_id = ? AND incarnation = ?",
    )
    .bind(id.as_str())
    .bind(incarnation.as_str())
    .fetch_optional(&mut *db)
    .await?;
    let is_current = current.as_deref() == Some(incarnation.as_str());
    let mut rested = None;
    let (content, control) = match known {
        Some(_) if !is_current => return Ok(None),
        Some(next) => next,
        None => {
            sqlx::query("INSERT INTO incarnations (session_id, incarnation) VALUES (?, ?)")
                .bind(id.as_str())
                .bind(incarnation.as_str())
                .execute(&mut *db)
                .await?;
            sqlx::query("UPDATE sessions SET incarnation = ? WHERE id = ?")
                .bind(incarnation.as_str())
                .bind(id.as_str())
                .execute(&mut *db)
                .await?;
            rested = rest(db, &id).await?;
            (0, 0)
        }
    };
    let orphaned =
        orphan(db, &id, Some((&incarnation, false)), "the agent process that asked is gone").await?;
    let position = |n: i64| u64::try_from(n).unwrap_or(0);
    Ok(Some(Attached {
        head_seq: position(head),
        delivered_seq: position(delivered),
        content_next_n: position(content),
        control_next_n: position(control),
        orphaned,
        rested,
    }))
}

/// A process that is gone does nothing any more, whatever it said last.
async fn rest(db: &mut SqliteConnection, id: &SessionId) -> Result<Option<WorkerState>> {
    let state = last_state(db, id).await?;
    if state.status == WorkStatus::Idle {
        return Ok(None);
    }
    let state = WorkerState { status: WorkStatus::Idle, ..state };
    sqlx::query("UPDATE sessions SET worker_state = ? WHERE id = ?")
        .bind(to_json(&state))
        .bind(id.as_str())
        .execute(db)
        .await?;
    Ok(Some(state))
}

/// What was reported last, by any process.
async fn last_state(db: &mut SqliteConnection, id: &SessionId) -> Result<WorkerState> {
    let (state,): (Option<String>,) = sqlx::query_as("SELECT worker_state FROM sessions WHERE id = ?")
        .bind(id.as_str())
        .fetch_one(db)
        .await?;
    Ok(match state {
        Some(text) => raw(&text)?.read().unwrap_or_default(),
        None => WorkerState::default(),
    })
}

/// Ends every open request: of all incarnations, of `(this, true)`, or of all but `(this, false)`.
pub(super) async fn orphan(
    db: &mut SqliteConnection,
    id: &SessionId,
    whose: Option<(&Incarnation, bool)>,
    reason: &str,
) -> Result<Vec<RequestRow>> {
    let rows = sqlx::query(
        "UPDATE requests SET state = 'orphaned', reason = ?1 WHERE session_id = ?2 \
         AND state IN ('pending', 'decided', 'delivered') AND (?3 IS NULL OR (incarnation = ?3) = ?4) RETURNING *",
    )
    .bind(reason)
    .bind(id.as_str())
    .bind(whose.map(|(incarnation, _)| incarnation.as_str()))
    .bind(whose.is_some_and(|(_, same)| same))
    .fetch_all(db)
    .await?;
    rows.iter().map(request).collect()
}

async fn find(
    db: &mut SqliteConnection,
    id: &SessionId,
    incarnation: &Incarnation,
    request_id: &str,
) -> Result<Option<RequestRow>> {
    let row =
        sqlx::query("SELECT * FROM requests WHERE session_id = ? AND incarnation = ? AND request_id = ?")
            .bind(id.as_str())
            .bind(incarnation.as_str())
            .bind(request_id)
            .fetch_optional(db)
            .await?;
    row.as_ref().map(request).transpose()
}

/// One POST of a worker inside its transaction.
struct Worker<'c> {
    db: &'c mut SqliteConnection,
    id: SessionId,
    incarnation: Incarnation,
    now_ms: u64,
}

impl Worker<'_> {
    async fn take(mut self, lane: Lane, first_n: u64, items: Vec<WorkerWrite>) -> Result<WorkerOutcome> {
        let position: Option<(i64, i64, i64)> = sqlx::query_as(
            "SELECT content_next_n, control_next_n, ended FROM incarnations \
             JOIN sessions ON sessions.id = incarnations.session_id \
             AND sessions.incarnation = incarnations.incarnation \
             WHERE incarnations.session_id = ? AND incarnations.incarnation = ?",
        )
        .bind(self.id.as_str())
        .bind(self.incarnation.as_str())
        .fetch_optional(&mut *self.db)
        .await?;
        let Some((content, control, ended)) = position else { return Ok(WorkerOutcome::Gone) };
        let next = match lane {
            Lane::Content => content,
            Lane::Control => control,
        };
        let next_n = u64::try_from(next).unwrap_or(0);
        if first_n > next_n {
            return Ok(WorkerOutcome::Hole { expected_n: next_n });
        }
        let known = usize::try_from(next_n - first_n).unwrap_or(usize::MAX).min(items.len());
        if known < items.len() && ended != 0 && lane == Lane::Control {
            return Ok(WorkerOutcome::Gone);
        }
        let after_n = next_n + u64::try_from(items.len() - known).unwrap_or(0);
        let mut wrote = vec![Wrote::Duplicate; known];
        for item in items.into_iter().skip(known) {
            wrote.push(self.write(item).await?);
        }
        self.keep_position(lane, after_n).await?;
        let (head,): (i64,) = sqlx::query_as("SELECT head_seq FROM sessions WHERE id = ?")
            .bind(self.id.as_str())
            .fetch_one(&mut *self.db)
            .await?;
        Ok(WorkerOutcome::Taken { wrote, next_n: after_n, head_seq: u64::try_from(head).unwrap_or(0) })
    }

    async fn keep_position(&mut self, lane: Lane, next_n: u64) -> Result<()> {
        let query = match lane {
            Lane::Content => {
                "UPDATE incarnations SET content_next_n = ? WHERE session_id = ? AND incarnation = ?"
            }
            Lane::Control => {
                "UPDATE incarnations SET control_next_n = ? WHERE session_id = ? AND incarnation = ?"
            }
        };
        sqlx::query(query)
            .bind(int(next_n))
            .bind(self.id.as_str())
            .bind(self.incarnation.as_str())
            .execute(&mut *self.db)
            .await?;
        log::touch(self.db, &self.id, self.now_ms).await
    }

    async fn write(&mut self, item: WorkerWrite) -> Result<Wrote> {
        match item {
            WorkerWrite::Event(event) => {
                Ok(Wrote::Event { seq: log::append(self.db, &self.id, false, &event).await? })
            }
            WorkerWrite::Request { request_id, digest, event } => self.ask(request_id, digest, event).await,
            WorkerWrite::Cancel { request_id } => {
                self.step(&request_id, PermissionState::Cancelled, Some("the agent withdrew it".into())).await
            }
            WorkerWrite::Step { request_id, state, reason } => self.step(&request_id, state, reason).await,
            WorkerWrite::State(state) => self.keep_state(state).await,
            WorkerWrite::Passing => Ok(Wrote::Silent),
            WorkerWrite::Ended { reason } => self.end(&reason).await,
        }
    }

    async fn ask(&mut self, request_id: String, digest: String, event: RawJson) -> Result<Wrote> {
        if let Some(known) = find(self.db, &self.id, &self.incarnation, &request_id).await? {
            if known.digest == digest {
                return Ok(Wrote::Silent);
            }
            tracing::warn!(session = %self.id, request_id, "one request id with two different bodies");
            let reason = "the agent used this request id for two different requests".to_owned();
            return self.step(&request_id, PermissionState::Refused, Some(reason)).await;
        }
        let (open, bytes): (i64, i64) = sqlx::query_as(
            "SELECT count(*), coalesce(sum(length(CAST(event AS BLOB))), 0) FROM requests \
             WHERE session_id = ? AND state IN ('pending', 'decided', 'delivered')",
        )
        .bind(self.id.as_str())
        .fetch_one(&mut *self.db)
        .await?;
        let seq = log::append(self.db, &self.id, false, &event).await?;
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX).saturating_add(event.byte_len());
        let state = approvals::admission(usize::try_from(open).unwrap_or(usize::MAX), bytes);
        let denied = state != PermissionState::Pending;
        let denial = denied.then(|| approvals::overflow_denial(&request_id, &digest, &event));
        sqlx::query(
            "INSERT INTO requests (session_id, incarnation, request_id, state, digest, event, asked_at_ms, \
             decided_by, behavior, decision, reason, decided_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(self.id.as_str())
        .bind(self.incarnation.as_str())
        .bind(&request_id)
        .bind(state.as_str())
        .bind(&digest)
        .bind(event.as_str())
        .bind(int(self.now_ms))
        .bind(denial.as_ref().map(|_| approvals::OVERFLOW_DECIDER))
        .bind(denial.as_ref().map(Decision::behavior))
        .bind(denial.as_ref().map(|denial| denial.to_event().as_str().to_owned()))
        .bind(denial.as_ref().map(|_| approvals::OVERFLOW_REASON))
        .bind(denial.as_ref().map(|_| int(self.now_ms)))
        .execute(&mut *self.db)
        .await?;
        let row = find(self.db, &self.id, &self.incarnation, &request_id).await?;
        Ok(Wrote::Requests { seq: Some(seq), rows: row.into_iter().collect() })
    }

    /// Moves a row on where the table of states lets it; a step that comes too late changes nothing.
    async fn step(&mut self, request_id: &str, to: PermissionState, reason: Option<String>) -> Result<Wrote> {
        let Some(row) = find(self.db, &self.id, &self.incarnation, request_id).await? else {
            return Ok(Wrote::Silent);
        };
        let unanswered = row.state == PermissionState::Pending && to == PermissionState::Settled;
        let (to, reason) = if unanswered {
            (PermissionState::Cancelled, Some("the agent went on without an answer".to_owned()))
        } else {
            (to, reason)
        };
        if !row.state.may_become(to) {
            return Ok(Wrote::Silent);
        }
        sqlx::query(
            "UPDATE requests SET state = ?, reason = coalesce(?, reason) \
             WHERE session_id = ? AND incarnation = ? AND request_id = ?",
        )
        .bind(to.as_str())
        .bind(reason)
        .bind(self.id.as_str())
        .bind(self.incarnation.as_str())
        .bind(request_id)
        .execute(&mut *self.db)
        .await?;
        let row = find(self.db, &self.id, &self.incarnation, request_id).await?;
        Ok(Wrote::Requests { seq: None, rows: row.into_iter().collect() })
    }

    async fn keep_state(&mut self, state: WorkerState) -> Result<Wrote> {
        sqlx::query(
            "UPDATE sessions SET worker_state = ?, \
             title = CASE WHEN titled = 0 AND ? <> '' THEN ? ELSE title END WHERE id = ?",
        )
        .bind(to_json(&state))
        .bind(state.title.clone().unwrap_or_default())
        .bind(state.title.clone().unwrap_or_default())
        .bind(self.id.as_str())
        .execute(&mut *self.db)
        .await?;
        Ok(Wrote::State(state))
    }

    async fn end(&mut self, reason: &str) -> Result<Wrote> {
        sqlx::query("UPDATE incarnations SET ended = 1 WHERE session_id = ? AND incarnation = ?")
            .bind(self.id.as_str())
            .bind(self.incarnation.as_str())
            .execute(&mut *self.db)
            .await?;
        let reason = format!("the agent process ended: {reason}");
        let rows = orphan(self.db, &self.id, Some((&self.incarnation, true)), &reason).await?;
        let state = WorkerState { status: WorkStatus::Idle, ..last_state(self.db, &self.id).await? };
        self.keep_state(state.clone()).await?;
        Ok(Wrote::Ended { rows, state })
    }
}
