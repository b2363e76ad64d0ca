//! Environments, their work queues and leases.

use async_trait::async_trait;
use portcullis_protocol::id::{DeviceId, EnvironmentId, LeaseId, SessionId, WorkId};
use sqlx::SqliteConnection;

use super::super::{
    Beat, EnvironmentRow, LEASE_TTL_MS, LogStore as _, Registration, Result, SessionRow, TAKE_WITHIN_MS,
    WorkRow, WorkState, WorkStore,
};
use super::SqliteStore;
use super::convert::{environment, int, to_json, work};

#[async_trait]
impl WorkStore for SqliteStore {
    async fn register(&self, registration: Registration, now_ms: u64) -> Result<Option<EnvironmentRow>> {
        self.write(move |db| Box::pin(register(db, registration, now_ms))).await
    }

    async fn environment(&self, id: &EnvironmentId) -> Result<Option<EnvironmentRow>> {
        let row = sqlx::query("SELECT * FROM environments WHERE id = ?")
            .bind(id.as_str())
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(environment).transpose()
    }

    async fn environments(&self) -> Result<Vec<EnvironmentRow>> {
        let rows =
            sqlx::query("SELECT * FROM environments WHERE secret_hash IS NOT NULL ORDER BY machine_name, id")
                .fetch_all(&self.readers)
                .await?;
        rows.iter().map(environment).collect()
    }

    async fn environment_by_secret(
        &self,
        id: &EnvironmentId,
        secret_hash: &str,
    ) -> Result<Option<EnvironmentRow>> {
        let row = sqlx::query(
            "SELECT environments.* FROM environments JOIN devices ON devices.id = environments.device_id \
             WHERE environments.id = ? AND environments.secret_hash = ? AND devices.role = 'bridge' \
             AND devices.confirm_code IS NULL",
        )
        .bind(id.as_str())
        .bind(secret_hash)
        .fetch_optional(&self.readers)
        .await?;
        row.as_ref().map(environment).transpose()
    }

    async fn touch_environment(&self, id: EnvironmentId, now_ms: u64) -> Result<()> {
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query("UPDATE environments SET last_seen_at_ms = ? WHERE id = ?")
                    .bind(int(now_ms))
                    .bind(id.as_str())
                    .execute(db)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    async fn deregister(&self, id: EnvironmentId) -> Result<()> {
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query("UPDATE environments SET secret_hash = NULL WHERE id = ?")
                    .bind(id.as_str())
                    .execute(&mut *db)
                    .await?;
                sqlx::query(
                    "UPDATE work SET state = 'stopped' WHERE environment_id = ? AND state NOT IN ('queued', 'stopped')",
                )
                .bind(id.as_str())
                .execute(db)
                .await?;
                Ok(())
            })
        })
        .await
    }

    async fn claim(
        &self,
        id: EnvironmentId,
        lease: LeaseId,
        now_ms: u64,
    ) -> Result<Option<(WorkRow, SessionRow)>> {
        let claimed = self.write(move |db| Box::pin(claim(db, id, lease, now_ms))).await?;
        let Some(item) = claimed else { return Ok(None) };
        let session = self.session(&item.session_id).await?;
        Ok(session.map(|session| (item, session)))
    }

    async fn take_work(
        &self,
        environment: EnvironmentId,
        id: WorkId,
        now_ms: u64,
    ) -> Result<Option<WorkRow>> {
        self.write(move |db| {
            Box::pin(async move {
                let row = sqlx::query(
                    "UPDATE work SET state = CASE state WHEN 'starting' THEN 'active' ELSE state END, \
                     lease_until_ms = max(lease_until_ms, ?) \
                     WHERE id = ? AND environment_id = ? AND state IN ('starting', 'active', 'stopping') RETURNING *",
                )
                .bind(int(now_ms.saturating_add(LEASE_TTL_MS)))
                .bind(id.as_str())
                .bind(environment.as_str())
                .fetch_optional(db)
                .await?;
                row.as_ref().map(work).transpose()
            })
        })
        .await
    }

    async fn beat(
        &self,
        id: WorkId,
        lease: LeaseId,
        expected: String,
        fresh: String,
        now_ms: u64,
    ) -> Result<Beat> {
        self.write(move |db| Box::pin(beat(db, id, lease, expected, fresh, now_ms))).await
    }

    async fn stop_work(
        &self,
        environment: EnvironmentId,
        id: WorkId,
        next: WorkId,
        now_ms: u64,
    ) -> Result<Option<WorkRow>> {
        self.write(move |db| Box::pin(stop_work(db, environment, id, next, now_ms))).await
    }

    async fn requeue(
        &self,
        environment: EnvironmentId,
        session: SessionId,
        next: WorkId,
        now_ms: u64,
    ) -> Result<bool> {
        self.write(move |db| {
            Box::pin(async move {
                let found: Option<(i64,)> =
                    sqlx::query_as("SELECT archived FROM sessions WHERE id = ? AND environment_id = ?")
                        .bind(session.as_str())
                        .bind(environment.as_str())
                        .fetch_optional(&mut *db)
                        .await?;
                if !matches!(found, Some((0,))) {
                    return Ok(false);
                }
                sqlx::query("UPDATE work SET state = 'stopped' WHERE session_id = ? AND state <> 'stopped'")
                    .bind(session.as_str())
                    .execute(&mut *db)
                    .await?;
                enqueue(db, &environment, &session, &next, now_ms).await?;
                Ok(true)
            })
        })
        .await
    }

    async fn release(&self, environment: EnvironmentId, attached: Vec<SessionId>) -> Result<()> {
        self.write(move |db| Box::pin(release(db, environment, attached))).await
    }

    async fn lease(&self, session: &SessionId) -> Result<Option<(WorkRow, DeviceId)>> {
        let row = sqlx::query(
            "SELECT work.*, devices.id AS bridge_id FROM work \
             JOIN environments ON environments.id = work.environment_id \
             JOIN devices ON devices.id = environments.device_id \
             WHERE work.session_id = ? AND work.state IN ('starting', 'active', 'stopping') \
             AND devices.role = 'bridge' AND devices.confirm_code IS NULL",
        )
        .bind(session.as_str())
        .fetch_optional(&self.readers)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let bridge = super::convert::maybe(&row, "bridge_id")?.unwrap_or_default();
        let bridge = DeviceId::parse(bridge).map_err(|_| super::super::StoreError::Corrupt("device id"))?;
        Ok(Some((work(&row)?, bridge)))
    }
}

async fn register(
    db: &mut SqliteConnection,
    registration: Registration,
    now_ms: u64,
) -> Result<Option<EnvironmentRow>> {
    let Registration { fresh_id, device_id, secret_hash, body } = registration;
    // A bridge that forgot its id is recognised by device, machine and directory, so its sessions stay reachable.
    let known: Option<(String, String)> = match &body.environment_id {
        Some(id) => {
            sqlx::query_as("SELECT id, device_id FROM environments WHERE id = ?")
                .bind(id.as_str())
                .fetch_optional(&mut *db)
                .await?
        }
        None => {
            sqlx::query_as(
                "SELECT id, device_id FROM environments WHERE device_id = ? AND machine_name = ? AND directory = ?",
            )
            .bind(device_id.as_str())
            .bind(&body.machine_name)
            .bind(&body.directory)
            .fetch_optional(&mut *db)
            .await?
        }
    };
    if known.as_ref().is_some_and(|(_, owner)| owner != device_id.as_str()) {
        return Ok(None);
    }
    let id = known.map_or_else(|| fresh_id.as_str().to_owned(), |(id, _)| id);
    let row = sqlx::query(
        "INSERT INTO environments (id, device_id, machine_name, directory, branch, max_sessions, agents, \
         permission_modes, secret_hash, last_seen_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (id) DO UPDATE SET machine_name = excluded.machine_name, directory = excluded.directory, \
         branch = excluded.branch, max_sessions = excluded.max_sessions, agents = excluded.agents, \
         permission_modes = excluded.permission_modes, secret_hash = excluded.secret_hash, \
         last_seen_at_ms = excluded.last_seen_at_ms RETURNING *",
    )
    .bind(id)
    .bind(device_id.as_str())
    .bind(&body.machine_name)
    .bind(&body.directory)
    .bind(&body.branch)
    .bind(i64::from(body.max_sessions))
    .bind(to_json(&body.agents))
    .bind(to_json(&body.permission_modes))
    .bind(secret_hash)
    .bind(int(now_ms))
    .fetch_one(db)
    .await?;
    environment(&row).map(Some)
}

/// Queues the session unless an item of it is alive already.
pub(super) async fn enqueue(
    db: &mut SqliteConnection,
    environment: &EnvironmentId,
    session: &SessionId,
    id: &WorkId,
    now_ms: u64,
) -> Result<()> {
    enqueue_named(db, environment.as_str(), session, id, now_ms).await
}

pub(super) async fn enqueue_named(
    db: &mut SqliteConnection,
    environment: &str,
    session: &SessionId,
    id: &WorkId,
    now_ms: u64,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO work (id, environment_id, session_id, state, created_at_ms) VALUES (?, ?, ?, 'queued', ?) \
         ON CONFLICT (session_id) WHERE state <> 'stopped' DO NOTHING",
    )
    .bind(id.as_str())
    .bind(environment)
    .bind(session.as_str())
    .bind(int(now_ms))
    .execute(db)
    .await?;
    Ok(())
}

async fn claim(
    db: &mut SqliteConnection,
    id: EnvironmentId,
    lease: LeaseId,
    now_ms: u64,
) -> Result<Option<WorkRow>> {
    let row = sqlx::query(
        "UPDATE work SET state = 'starting', lease_id = ?1, lease_until_ms = ?2, last_heartbeat = NULL, \
         previous_heartbeat = NULL, \
         claimed_head = (SELECT head_seq FROM sessions WHERE sessions.id = work.session_id) \
         WHERE id = (SELECT id FROM work WHERE environment_id = ?3 AND (state = 'queued' \
         OR (state IN ('starting', 'active') AND lease_until_ms <= ?4)) ORDER BY created_at_ms, id LIMIT 1) \
         RETURNING *",
    )
    .bind(lease.as_str())
    .bind(int(now_ms.saturating_add(TAKE_WITHIN_MS)))
    .bind(id.as_str())
    .bind(int(now_ms))
    .fetch_optional(db)
    .await?;
    row.as_ref().map(work).transpose()
}

async fn beat(
    db: &mut SqliteConnection,
    id: WorkId,
    lease: LeaseId,
    expected: String,
    fresh: String,
    now_ms: u64,
) -> Result<Beat> {
    let row =
        sqlx::query("SELECT * FROM work WHERE id = ?").bind(id.as_str()).fetch_optional(&mut *db).await?;
    let Some(current) = row.as_ref().map(work).transpose()? else { return Ok(Beat::Lost(None)) };
    let is_over = matches!(current.state, WorkState::Stopped | WorkState::Queued);
    // The one before counts too: the answer that carried the newest may have been lost.
    let is_expected = match &current.last_heartbeat {
        None => true,
        Some(last) => {
            *last == expected || current.previous_heartbeat.as_deref().unwrap_or("NO_HEARTBEAT") == expected
        }
    };
    if is_over || current.lease_id.as_ref() != Some(&lease) || !is_expected {
        return Ok(Beat::Lost(Some(current)));
    }
    let row = sqlx::query(
        "UPDATE work SET lease_until_ms = ?, previous_heartbeat = last_heartbeat, last_heartbeat = ? \
         WHERE id = ? RETURNING *",
    )
    .bind(int(now_ms.saturating_add(LEASE_TTL_MS)))
    .bind(fresh)
    .bind(id.as_str())
    .fetch_one(db)
    .await?;
    Ok(Beat::Extended(work(&row)?))
}

async fn stop_work(
    db: &mut SqliteConnection,
    environment: EnvironmentId,
    id: WorkId,
    next: WorkId,
    now_ms: u64,
) -> Result<Option<WorkRow>> {
    let row =
        sqlx::query("UPDATE work SET state = 'stopped' WHERE id = ? AND environment_id = ? RETURNING *")
            .bind(id.as_str())
            .bind(environment.as_str())
            .fetch_optional(&mut *db)
            .await?;
    let Some(row) = row else { return Ok(None) };
    let stopped = work(&row)?;
    let waits: Option<(i64,)> = sqlx::query_as(
        "SELECT events.seq FROM events JOIN sessions ON sessions.id = events.session_id \
         JOIN work ON work.id = ? WHERE events.session_id = ? AND events.up = 1 AND sessions.archived = 0 \
         AND events.seq > sessions.delivered_seq AND events.seq > work.claimed_head LIMIT 1",
    )
    .bind(id.as_str())
    .bind(stopped.session_id.as_str())
    .fetch_optional(&mut *db)
    .await?;
    if waits.is_some() {
        enqueue(db, &environment, &stopped.session_id, &next, now_ms).await?;
    }
    Ok(Some(stopped))
}

async fn release(
    db: &mut SqliteConnection,
    environment: EnvironmentId,
    attached: Vec<SessionId>,
) -> Result<()> {
    let held: Vec<(String, String)> = sqlx::query_as(
        "SELECT id, session_id FROM work WHERE environment_id = ? AND state IN ('starting', 'active', 'stopping')",
    )
    .bind(environment.as_str())
    .fetch_all(&mut *db)
    .await?;
    for (id, session) in held {
        if attached.iter().any(|attached| attached.as_str() == session) {
            continue;
        }
        // What waits for an agent (a prompt nobody got, a request of a process that is gone) is started again.
        sqlx::query(
            "UPDATE work SET lease_id = NULL, lease_until_ms = 0, state = CASE WHEN EXISTS (SELECT 1 FROM sessions \
             WHERE sessions.id = ?1 AND sessions.archived = 0) AND (EXISTS (SELECT 1 FROM requests WHERE requests.session_id = ?1 \
             AND requests.state IN ('pending', 'decided', 'delivered')) \
             OR EXISTS (SELECT 1 FROM events JOIN sessions ON sessions.id = events.session_id \
             WHERE events.session_id = ?1 AND events.up = 1 AND events.seq > sessions.delivered_seq)) \
             THEN 'queued' ELSE 'stopped' END WHERE id = ?2",
        )
        .bind(&session)
        .bind(id)
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}
