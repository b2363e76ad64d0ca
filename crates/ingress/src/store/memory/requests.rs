//! Requests of agents, and everything a worker writes. A request's state changes here and nowhere else.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use portcullis_protocol::RawJson;
use portcullis_protocol::id::{Incarnation, SessionId};
use portcullis_protocol::wire::client::PermissionState;
use portcullis_protocol::wire::worker::{Lane, WorkStatus, WorkerState};

use super::super::{
    Attached, Decided, DecidedRow, DecisionFilter, RequestRow, RequestStore, Result, Ruling, WorkerOutcome,
    WorkerWrite, Wrote,
};
use super::log::KeyUse;
use super::{MemoryStore, Positions, Session};
use crate::approvals;
use crate::seam::sha256;

#[async_trait]
impl RequestStore for MemoryStore {
    async fn open_requests(&self, id: &SessionId) -> Result<Vec<RequestRow>> {
        self.read(|tables| {
            let rows = tables.sessions.get(id).map(|session| session.requests.as_slice()).unwrap_or_default();
            rows.iter().filter(|row| !row.state.is_final()).cloned().collect()
        })
    }

    async fn request(&self, id: &SessionId, request_id: &str) -> Result<Option<RequestRow>> {
        self.read(|tables| {
            let session = tables.sessions.get(id)?;
            session.requests.iter().rev().find(|row| row.request_id == request_id).cloned()
        })
    }

    async fn decide(
        &self,
        id: SessionId,
        incarnation: Incarnation,
        ruling: Ruling,
        now_ms: u64,
    ) -> Result<Decided> {
        self.write(|tables| match tables.sessions.get_mut(&id) {
            Some(session) => session.decide(&incarnation, ruling, now_ms),
            None => Decided::Missing,
        })
        .await
    }

    async fn decisions(&self, filter: DecisionFilter, bytes_max: usize) -> Result<(Vec<DecidedRow>, bool)> {
        self.read(|tables| {
            let sessions = tables.sessions.values();
            let sessions = sessions.filter(|one| filter.session.as_ref().is_none_or(|id| one.row.id == *id));
            let mut all: Vec<DecidedRow> = sessions.flat_map(Session::decided).collect();
            all.retain(|one| filter.before.is_none_or(|before| one.row.ordinal < before));
            all.retain(|one| {
                !filter.granted || one.row.decision.as_ref().is_some_and(approvals::grants_more)
            });
            all.sort_by_key(|one| std::cmp::Reverse(one.row.ordinal));
            let mut bytes = 0_usize;
            let fits = all.iter().take(filter.limit).take_while(|one| {
                let is_first = bytes == 0;
                bytes = bytes.saturating_add(one.row.event.byte_len());
                is_first || bytes <= bytes_max
            });
            let fits = fits.count();
            let has_more = fits < all.len();
            all.truncate(fits);
            (all, has_more)
        })
    }

    async fn attach(&self, id: SessionId, incarnation: Incarnation) -> Result<Option<Attached>> {
        self.write(|tables| Ok(tables.session_mut(&id)?.attach(incarnation))).await?
    }

    async fn acknowledge(&self, id: SessionId, seq: u64) -> Result<()> {
        self.write(|tables| {
            if let Some(session) = tables.sessions.get_mut(&id) {
                let row = &mut session.row;
                row.delivered_seq = row.delivered_seq.max(seq.min(row.head_seq));
            }
        })
        .await
    }

    async fn write_worker(
        &self,
        id: SessionId,
        incarnation: Incarnation,
        lane: Lane,
        first_n: u64,
        mut items: Vec<WorkerWrite>,
        now_ms: u64,
    ) -> Result<WorkerOutcome> {
        let is_event = |item: &WorkerWrite| matches!(item, WorkerWrite::Event(_));
        if items.iter().any(is_event) && self.disk.losing.swap(false, Ordering::SeqCst) {
            let lost = items.iter_mut().rev().find(|item| is_event(item));
            if let Some(lost) = lost {
                *lost = WorkerWrite::Passing;
            }
        }
        self.write(|tables| match tables.sessions.get_mut(&id) {
            Some(session) => {
                let outcome = session.take(&incarnation, lane, first_n, items, now_ms);
                for row in session.requests.iter_mut().filter(|row| row.ordinal == 0) {
                    tables.asked += 1;
                    row.ordinal = tables.asked;
                }
                outcome
            }
            None => WorkerOutcome::Gone,
        })
        .await
    }
}

impl Session {
    /// Ends the open requests of the incarnations `whose` picks.
    pub(super) fn orphan(&mut self, whose: impl Fn(&Incarnation) -> bool, reason: &str) -> Vec<RequestRow> {
        let open = self.requests.iter_mut().filter(|row| !row.state.is_final() && whose(&row.incarnation));
        open.map(|row| {
            row.state = PermissionState::Orphaned;
            row.reason = Some(reason.to_owned());
            row.clone()
        })
        .collect()
    }

    /// What was decided here, with what the session says about it.
    fn decided(&self) -> impl Iterator<Item = DecidedRow> {
        let lives = |row: &RequestRow| {
            !self.row.archived
                && self.row.incarnation.as_ref() == Some(&row.incarnation)
                && self.incarnations.get(&row.incarnation).is_some_and(|positions| !positions.ended)
        };
        self.requests.iter().filter(|row| row.decision.is_some()).map(move |row| DecidedRow {
            row: row.clone(),
            session_id: self.row.id.clone(),
            session_title: self.row.title.clone(),
            environment_id: self.row.environment_id.clone(),
            directory: self.row.spec.directory.clone(),
            lives: lives(row),
        })
    }

    fn request_mut(&mut self, incarnation: &Incarnation, request_id: &str) -> Option<&mut RequestRow> {
        self.requests.iter_mut().find(|row| row.incarnation == *incarnation && row.request_id == request_id)
    }

    fn decide(&mut self, incarnation: &Incarnation, ruling: Ruling, now_ms: u64) -> Decided {
        let Some(row) = self.request_mut(incarnation, &ruling.request_id).cloned() else {
            return Decided::Missing;
        };
        if row.state != PermissionState::Pending {
            return Decided::Lost(row);
        }
        let hash = sha256(ruling.event.as_str());
        match self.key_use(&ruling.uuid, &hash) {
            KeyUse::Fresh => self.keep_key(&ruling.uuid, &hash, None),
            KeyUse::Same { .. } => {}
            KeyUse::OtherBytes => return Decided::OtherBytes,
        }
        self.touch(now_ms);
        let Some(row) = self.request_mut(incarnation, &ruling.request_id) else { return Decided::Missing };
        row.state = PermissionState::Decided;
        row.device_id = Some(ruling.device_id);
        row.decided_by = Some(ruling.decided_by);
        row.behavior = Some(ruling.behavior.to_owned());
        row.decision = Some(ruling.event);
        row.decided_at_ms = Some(now_ms);
        Decided::Won(row.clone())
    }

    fn attach(&mut self, incarnation: Incarnation) -> Option<Attached> {
        let is_current = self.row.incarnation.as_ref() == Some(&incarnation);
        let mut rested = None;
        let positions = match self.incarnations.get(&incarnation) {
            Some(_) if !is_current => return None,
            Some(known) => *known,
            None => {
                self.incarnations.insert(incarnation.clone(), Positions::default());
                self.row.incarnation = Some(incarnation.clone());
                let state = self.row.worker_state.as_mut().filter(|state| state.status != WorkStatus::Idle);
                rested = state.map(|state| {
                    state.status = WorkStatus::Idle;
                    state.clone()
                });
                Positions::default()
            }
        };
        let orphaned = self.orphan(|other| *other != incarnation, "the agent process that asked is gone");
        Some(Attached {
            head_seq: self.row.head_seq,
            delivered_seq: self.row.delivered_seq,
            content_next_n: positions.content_next_n,
            control_next_n: positions.control_next_n,
            orphaned,
            rested,
        })
    }

    fn take(
        &mut self,
        incarnation: &Incarnation,
        lane: Lane,
        first_n: u64,
        items: Vec<WorkerWrite>,
        now_ms: u64,
    ) -> WorkerOutcome {
        let is_current = self.row.incarnation.as_ref() == Some(incarnation);
        let positions = self.incarnations.get(incarnation).copied().filter(|_| is_current);
        let Some(positions) = positions else { return WorkerOutcome::Gone };
        let next_n = match lane {
            Lane::Content => positions.content_next_n,
            Lane::Control => positions.control_next_n,
        };
        if first_n > next_n {
            return WorkerOutcome::Hole { expected_n: next_n };
        }
        let known = usize::try_from(next_n - first_n).unwrap_or(usize::MAX).min(items.len());
        if known < items.len() && positions.ended && lane == Lane::Control {
            return WorkerOutcome::Gone;
        }
        let after_n = next_n + u64::try_from(items.len() - known).unwrap_or(0);
        let mut wrote = vec![Wrote::Duplicate; known];
        for item in items.into_iter().skip(known) {
            wrote.push(self.write(incarnation, item, now_ms));
        }
        if let Some(positions) = self.incarnations.get_mut(incarnation) {
            match lane {
                Lane::Content => positions.content_next_n = after_n,
                Lane::Control => positions.control_next_n = after_n,
            }
        }
        self.touch(now_ms);
        WorkerOutcome::Taken { wrote, next_n: after_n, head_seq: self.row.head_seq }
    }

    fn write(&mut self, incarnation: &Incarnation, item: WorkerWrite, now_ms: u64) -> Wrote {
        match item {
            WorkerWrite::Event(event) => Wrote::Event { seq: self.append(false, event) },
            WorkerWrite::Request { request_id, digest, event } => {
                self.ask(incarnation, request_id, digest, event, now_ms)
            }
            WorkerWrite::Cancel { request_id } => {
                let reason = Some("the agent withdrew it".to_owned());
                self.step(incarnation, &request_id, PermissionState::Cancelled, reason)
            }
            WorkerWrite::Step { request_id, state, reason } => {
                self.step(incarnation, &request_id, state, reason)
            }
            WorkerWrite::State(state) => {
                self.keep_state(state.clone());
                Wrote::State(state)
            }
            WorkerWrite::Passing => Wrote::Silent,
            WorkerWrite::Ended { reason } => self.end(incarnation, &reason),
        }
    }

    fn ask(
        &mut self,
        incarnation: &Incarnation,
        request_id: String,
        digest: String,
        event: RawJson,
        now_ms: u64,
    ) -> Wrote {
        if let Some(known) = self.request_mut(incarnation, &request_id) {
            if known.digest == digest {
                return Wrote::Silent;
            }
            let reason = Some("the agent used this request id for two different requests".to_owned());
            return self.step(incarnation, &request_id, PermissionState::Refused, reason);
        }
        let open = self.requests.iter().filter(|row| !row.state.is_final());
        let (count, bytes) =
            open.fold((0_usize, 0_usize), |(count, bytes), row| (count + 1, bytes + row.event.byte_len()));
        let state = approvals::admission(count, bytes.saturating_add(event.byte_len()));
        let denied = state != PermissionState::Pending;
        let seq = self.append(false, event.clone());
        let denial = denied.then(|| approvals::overflow_denial(&request_id, &digest, &event));
        let row = RequestRow {
            // Given once the session is written.
            ordinal: 0,
            incarnation: incarnation.clone(),
            state,
            event,
            asked_at_ms: now_ms,
            decided_at_ms: denied.then_some(now_ms),
            device_id: None,
            decided_by: denied.then(|| approvals::OVERFLOW_DECIDER.to_owned()),
            behavior: denial.as_ref().map(|denial| denial.behavior().to_owned()),
            decision: denial.as_ref().map(portcullis_protocol::approval::Decision::to_event),
            reason: denied.then(|| approvals::OVERFLOW_REASON.to_owned()),
            request_id,
            digest,
        };
        self.requests.push(row.clone());
        Wrote::Requests { seq: Some(seq), rows: vec![row] }
    }

    fn step(
        &mut self,
        incarnation: &Incarnation,
        request_id: &str,
        to: PermissionState,
        reason: Option<String>,
    ) -> Wrote {
        let Some(row) = self.request_mut(incarnation, request_id) else { return Wrote::Silent };
        let unanswered = row.state == PermissionState::Pending && to == PermissionState::Settled;
        let (to, reason) = if unanswered {
            (PermissionState::Cancelled, Some("the agent went on without an answer".to_owned()))
        } else {
            (to, reason)
        };
        if !row.state.may_become(to) {
            return Wrote::Silent;
        }
        row.state = to;
        row.reason = reason.or_else(|| row.reason.take());
        Wrote::Requests { seq: None, rows: vec![row.clone()] }
    }

    fn keep_state(&mut self, state: WorkerState) {
        if let Some(title) = state.title.clone().filter(|title| !title.is_empty() && !self.titled) {
            self.entitle(title);
        }
        self.row.worker_state = Some(state);
    }

    fn end(&mut self, incarnation: &Incarnation, reason: &str) -> Wrote {
        if let Some(positions) = self.incarnations.get_mut(incarnation) {
            positions.ended = true;
        }
        let reason = format!("the agent process ended: {reason}");
        let rows = self.orphan(|other| other == incarnation, &reason);
        let mut state = self.row.worker_state.clone().unwrap_or_default();
        state.status = WorkStatus::Idle;
        self.keep_state(state.clone());
        Wrote::Ended { rows, state }
    }
}
