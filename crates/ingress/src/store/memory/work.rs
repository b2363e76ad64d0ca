//! Environments, their work queues and leases.

use async_trait::async_trait;
use portcullis_protocol::id::{DeviceId, EnvironmentId, LeaseId, SessionId, WorkId};
use portcullis_protocol::role::Role;

use super::super::{
    Beat, EnvironmentRow, LEASE_TTL_MS, Registration, Result, SessionRow, TAKE_WITHIN_MS, WorkRow, WorkState,
    WorkStore,
};
use super::{Environment, Item, MemoryStore, Session, Tables};

#[async_trait]
impl WorkStore for MemoryStore {
    async fn register(&self, registration: Registration, now_ms: u64) -> Result<Option<EnvironmentRow>> {
        self.write(|tables| tables.register(registration, now_ms)).await
    }

    async fn environment(&self, id: &EnvironmentId) -> Result<Option<EnvironmentRow>> {
        self.read(|tables| tables.environments.get(id).map(|environment| environment.row.clone()))
    }

    async fn environments(&self) -> Result<Vec<EnvironmentRow>> {
        self.read(|tables| {
            let registered = tables.environments.values().filter(|known| known.secret_hash.is_some());
            let mut rows: Vec<EnvironmentRow> = registered.map(|known| known.row.clone()).collect();
            rows.sort_by(|a, b| a.machine_name.cmp(&b.machine_name));
            rows
        })
    }

    async fn environment_by_secret(
        &self,
        id: &EnvironmentId,
        secret_hash: &str,
    ) -> Result<Option<EnvironmentRow>> {
        self.read(|tables| {
            let known = tables.environments.get(id)?;
            let fits = known.secret_hash.as_deref() == Some(secret_hash);
            (fits && tables.is_bridge(&known.row.device_id)).then(|| known.row.clone())
        })
    }

    async fn touch_environment(&self, id: EnvironmentId, now_ms: u64) -> Result<()> {
        self.write(|tables| {
            if let Some(known) = tables.environments.get_mut(&id) {
                known.row.last_seen_at_ms = now_ms;
            }
        })
        .await
    }

    async fn deregister(&self, id: EnvironmentId) -> Result<()> {
        self.write(|tables| {
            if let Some(known) = tables.environments.get_mut(&id) {
                known.secret_hash = None;
            }
            for item in tables.work.iter_mut().filter(|item| item.row.environment_id == id) {
                if item.row.state != WorkState::Queued {
                    item.row.state = WorkState::Stopped;
                }
            }
        })
        .await
    }

    async fn claim(
        &self,
        id: EnvironmentId,
        lease: LeaseId,
        now_ms: u64,
    ) -> Result<Option<(WorkRow, SessionRow)>> {
        self.write(|tables| tables.claim(&id, lease, now_ms)).await
    }

    async fn take_work(
        &self,
        environment: EnvironmentId,
        work: WorkId,
        now_ms: u64,
    ) -> Result<Option<WorkRow>> {
        self.write(|tables| {
            let row = &mut tables.item_mut(&environment, &work).filter(|item| is_held(&item.row))?.row;
            if row.state == WorkState::Starting {
                row.state = WorkState::Active;
            }
            row.lease_until_ms = row.lease_until_ms.max(now_ms.saturating_add(LEASE_TTL_MS));
            Some(row.clone())
        })
        .await
    }

    async fn beat(
        &self,
        work: WorkId,
        lease: LeaseId,
        expected: String,
        fresh: String,
        now_ms: u64,
    ) -> Result<Beat> {
        self.write(|tables| {
            let found = tables.work.iter_mut().find(|item| item.row.id == work);
            let Some(Item { row, .. }) = found else { return Beat::Lost(None) };
            // The one before counts too: the answer that carried the newest may have been lost.
            let is_expected = row.last_heartbeat.as_ref().is_none_or(|last| {
                *last == expected || row.previous_heartbeat.as_deref().unwrap_or("NO_HEARTBEAT") == expected
            });
            if !is_held(row) || row.lease_id.as_ref() != Some(&lease) || !is_expected {
                return Beat::Lost(Some(row.clone()));
            }
            row.lease_until_ms = now_ms.saturating_add(LEASE_TTL_MS);
            row.previous_heartbeat = row.last_heartbeat.replace(fresh);
            Beat::Extended(row.clone())
        })
        .await
    }

    async fn stop_work(
        &self,
        environment: EnvironmentId,
        work: WorkId,
        next: WorkId,
        now_ms: u64,
    ) -> Result<Option<WorkRow>> {
        self.write(|tables| {
            let item = tables.item_mut(&environment, &work)?;
            item.row.state = WorkState::Stopped;
            let (stopped, claimed_head) = (item.row.clone(), item.claimed_head);
            let unseen = tables.sessions.get(&stopped.session_id).is_some_and(|session| {
                !session.row.archived && session.has_prompt_after(session.row.delivered_seq.max(claimed_head))
            });
            if unseen {
                tables.enqueue(&environment, &stopped.session_id, next, now_ms);
            }
            Some(stopped)
        })
        .await
    }

    async fn requeue(
        &self,
        environment: EnvironmentId,
        session: SessionId,
        next: WorkId,
        now_ms: u64,
    ) -> Result<bool> {
        self.write(|tables| {
            let is_here = |known: &&Session| known.row.environment_id == environment && !known.row.archived;
            if tables.sessions.get(&session).filter(is_here).is_none() {
                return false;
            }
            for item in tables.work.iter_mut().filter(|item| item.row.session_id == session) {
                item.row.state = WorkState::Stopped;
            }
            tables.enqueue(&environment, &session, next, now_ms);
            true
        })
        .await
    }

    async fn release(&self, environment: EnvironmentId, attached: Vec<SessionId>) -> Result<()> {
        self.write(|tables| {
            let Tables { work, sessions, .. } = tables;
            for Item { row, .. } in work {
                let is_ours = row.environment_id == environment && is_held(row);
                if !is_ours || attached.contains(&row.session_id) {
                    continue;
                }
                let again = sessions.get(&row.session_id).is_some_and(|session| {
                    let asks = || session.requests.iter().any(|request| !request.state.is_final());
                    !session.row.archived && (asks() || session.has_prompt_after(session.row.delivered_seq))
                });
                row.state = if again { WorkState::Queued } else { WorkState::Stopped };
                row.lease_id = None;
                row.lease_until_ms = 0;
            }
        })
        .await
    }

    async fn lease(&self, session: &SessionId) -> Result<Option<(WorkRow, DeviceId)>> {
        self.read(|tables| {
            let row =
                &tables.work.iter().find(|item| item.row.session_id == *session && is_held(&item.row))?.row;
            let device = tables.environments.get(&row.environment_id)?.row.device_id.clone();
            tables.is_bridge(&device).then(|| (row.clone(), device))
        })
    }
}

fn is_held(row: &WorkRow) -> bool {
    matches!(row.state, WorkState::Starting | WorkState::Active | WorkState::Stopping)
}

impl Session {
    fn has_prompt_after(&self, seq: u64) -> bool {
        (1..).zip(&self.events).any(|(at, event): (u64, _)| at > seq && event.up)
    }
}

impl Tables {
    /// Queues the session unless an item of it is alive already.
    pub(super) fn enqueue(
        &mut self,
        environment: &EnvironmentId,
        session: &SessionId,
        id: WorkId,
        now_ms: u64,
    ) {
        let is_alive = |item: &Item| item.row.session_id == *session && item.row.state != WorkState::Stopped;
        if self.work.iter().any(is_alive) {
            return;
        }
        let row = WorkRow {
            id,
            environment_id: environment.clone(),
            session_id: session.clone(),
            state: WorkState::Queued,
            lease_id: None,
            lease_until_ms: 0,
            last_heartbeat: None,
            previous_heartbeat: None,
        };
        self.work.push(Item { row, created_at_ms: now_ms, claimed_head: 0 });
    }

    fn is_bridge(&self, device: &DeviceId) -> bool {
        let device = self.devices.get(device);
        device.is_some_and(|device| device.role == Role::Bridge && device.confirm_code.is_none())
    }

    fn item_mut(&mut self, environment: &EnvironmentId, id: &WorkId) -> Option<&mut Item> {
        self.work.iter_mut().find(|item| item.row.id == *id && item.row.environment_id == *environment)
    }

    fn register(&mut self, registration: Registration, now_ms: u64) -> Option<EnvironmentRow> {
        let Registration { fresh_id, device_id, secret_hash, body } = registration;
        let is_twin = |row: &EnvironmentRow| {
            row.device_id == device_id
                && row.machine_name == body.machine_name
                && row.directory == body.directory
        };
        let known = match &body.environment_id {
            Some(id) => self.environments.get(id).map(|known| &known.row),
            None => self.environments.values().map(|known| &known.row).find(|row| is_twin(row)),
        };
        if known.is_some_and(|known| known.device_id != device_id) {
            return None;
        }
        let id = known.map_or(fresh_id, |known| known.id.clone());
        let row = EnvironmentRow {
            id: id.clone(),
            device_id,
            machine_name: body.machine_name,
            directory: body.directory,
            branch: body.branch,
            max_sessions: body.max_sessions,
            agents: body.agents,
            permission_modes: body.permission_modes,
            last_seen_at_ms: now_ms,
        };
        self.environments.insert(id, Environment { row: row.clone(), secret_hash: Some(secret_hash) });
        Some(row)
    }

    fn claim(
        &mut self,
        environment: &EnvironmentId,
        lease: LeaseId,
        now_ms: u64,
    ) -> Option<(WorkRow, SessionRow)> {
        let is_free = |item: &&mut Item| {
            let row = &item.row;
            let lapsed =
                matches!(row.state, WorkState::Starting | WorkState::Active) && row.lease_until_ms <= now_ms;
            row.environment_id == *environment && (row.state == WorkState::Queued || lapsed)
        };
        let item = self.work.iter_mut().filter(is_free).min_by_key(|item| item.created_at_ms)?;
        item.row.state = WorkState::Starting;
        item.row.lease_id = Some(lease);
        item.row.lease_until_ms = now_ms.saturating_add(TAKE_WITHIN_MS);
        item.row.last_heartbeat = None;
        item.row.previous_heartbeat = None;
        let session = self.sessions.get(&item.row.session_id)?.shown();
        item.claimed_head = session.head_seq;
        Some((item.row.clone(), session))
    }
}
