//! Sessions and their logs.

use std::collections::BTreeMap;

use async_trait::async_trait;
use portcullis_protocol::RawJson;
use portcullis_protocol::id::{Epoch, SessionId, WorkId};
use portcullis_protocol::wire::client::{PermissionState, SeqEvent};

use super::super::{
    AppendOutcome, Appended, Archived, LogStore, Prompt, Result, SessionFilter, SessionRow, StoreError,
    Unarchived, WorkState, never_confirmed, unarchived_by,
};
use super::{Event, MemoryStore, Session, Tables};

#[async_trait]
impl LogStore for MemoryStore {
    fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    async fn create_session(
        &self,
        row: SessionRow,
        prompt: Option<Prompt>,
        work: WorkId,
    ) -> Result<SessionRow> {
        self.write(|tables| {
            let (id, now_ms) = (row.id.clone(), row.created_at_ms);
            let mut session = Session {
                titled: !row.spec.title.is_empty(),
                row,
                events: Vec::new(),
                uplink: BTreeMap::new(),
                incarnations: BTreeMap::new(),
                requests: Vec::new(),
            };
            if let Some(prompt) = &prompt {
                session.append_prompt(prompt);
            }
            let made = session.shown();
            tables.sessions.insert(id.clone(), session);
            tables.enqueue(&made.environment_id, &id, work, now_ms);
            made
        })
        .await
    }

    async fn session(&self, id: &SessionId) -> Result<Option<SessionRow>> {
        self.read(|tables| tables.sessions.get(id).map(Session::shown))
    }

    async fn sessions(
        &self,
        filter: SessionFilter,
        after: Option<&SessionId>,
        limit: u32,
    ) -> Result<(Vec<SessionRow>, bool)> {
        let mut rows: Vec<SessionRow> = self.read(|tables| {
            let wanted = |session: &&Session| match filter {
                SessionFilter::Active => !session.row.archived,
                SessionFilter::Archived => session.row.archived,
                SessionFilter::All => true,
            };
            tables.sessions.values().filter(wanted).map(Session::shown).collect()
        })?;
        let place = |row: &SessionRow| (row.updated_at_ms, row.id.clone());
        rows.sort_by_key(|row| std::cmp::Reverse(place(row)));
        let from = self.read(|tables| after.and_then(|id| tables.sessions.get(id)).map(|s| place(&s.row)))?;
        rows.retain(|row| from.as_ref().is_none_or(|from| place(row) < *from));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        Ok((rows, has_more))
    }

    async fn rename(&self, id: SessionId, title: String, now_ms: u64) -> Result<bool> {
        self.write(|tables| {
            let Some(session) = tables.sessions.get_mut(&id) else { return false };
            session.row.updated_at_ms = now_ms;
            session.titled = true;
            session.entitle(title);
            true
        })
        .await
    }

    async fn suggest_title(&self, id: SessionId, title: String) -> Result<()> {
        self.write(|tables| {
            if let Some(session) = tables.sessions.get_mut(&id)
                && session.row.title.is_empty()
            {
                session.entitle(title);
            }
        })
        .await
    }

    async fn archive(&self, id: SessionId, now_ms: u64) -> Result<Archived> {
        self.write(|tables| {
            let Some(session) = tables.sessions.get_mut(&id) else { return Archived::Missing };
            if session.row.archived {
                return Archived::Already;
            }
            session.row.archived = true;
            session.row.updated_at_ms = now_ms;
            let rows = session.orphan(|_| true, "the session was archived");
            for item in tables.work.iter_mut().filter(|item| item.row.session_id == id) {
                item.row.state = match item.row.state {
                    WorkState::Queued | WorkState::Stopped => WorkState::Stopped,
                    WorkState::Starting | WorkState::Active | WorkState::Stopping => WorkState::Stopping,
                };
            }
            Archived::Done(rows)
        })
        .await
    }

    async fn unarchive(&self, id: SessionId, by: String, tag: String, now_ms: u64) -> Result<Unarchived> {
        self.write(|tables| {
            let Some(session) = tables.sessions.get_mut(&id) else { return Unarchived::Missing };
            if !session.row.archived {
                return Unarchived::Active;
            }
            session.append(false, unarchived_by(&by, &tag));
            for (nth, prompt) in session.undelivered().iter().enumerate() {
                session.append(false, never_confirmed(prompt, &tag, nth));
            }
            session.row.archived = false;
            session.row.delivered_seq = session.row.head_seq;
            session.touch(now_ms);
            Unarchived::Done
        })
        .await
    }

    async fn append_prompts(
        &self,
        id: SessionId,
        prompts: Vec<Prompt>,
        work: WorkId,
        now_ms: u64,
    ) -> Result<AppendOutcome> {
        self.write(|tables| tables.append_prompts(&id, &prompts, work, now_ms)).await
    }

    async fn events_after(
        &self,
        id: &SessionId,
        after_seq: u64,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<SeqEvent>> {
        self.rows(id, bytes_max, |rows| {
            rows.filter(|(row, _)| row.seq > after_seq).map(|(row, _)| row).take(limit).collect()
        })
    }

    async fn events_before(
        &self,
        id: &SessionId,
        before_seq: u64,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<SeqEvent>> {
        let mut rows = self.rows(id, bytes_max, |rows| {
            let before: Vec<SeqEvent> =
                rows.filter(|(row, _)| row.seq < before_seq).map(|(row, _)| row).collect();
            before.into_iter().rev().take(limit).collect()
        })?;
        rows.reverse();
        Ok(rows)
    }

    async fn prompts_after(&self, id: &SessionId, after_seq: u64, limit: usize) -> Result<Vec<SeqEvent>> {
        self.rows(id, usize::MAX, |rows| {
            rows.filter(|(row, up)| row.seq > after_seq && *up).map(|(row, _)| row).take(limit).collect()
        })
    }
}

impl MemoryStore {
    /// The rows `pick` takes, cut before `bytes_max` is passed, but never to none.
    fn rows(
        &self,
        id: &SessionId,
        bytes_max: usize,
        pick: impl FnOnce(&mut dyn Iterator<Item = (SeqEvent, bool)>) -> Vec<SeqEvent>,
    ) -> Result<Vec<SeqEvent>> {
        let mut rows = self.read(|tables| {
            let events = tables.sessions.get(id).map(|session| session.events.as_slice()).unwrap_or_default();
            let mut rows =
                (1..).zip(events).map(|(seq, row)| (SeqEvent { seq, event: row.event.clone() }, row.up));
            pick(&mut rows)
        })?;
        let mut bytes = 0_usize;
        let fitting = rows.iter().take_while(|row| {
            bytes = bytes.saturating_add(row.event.byte_len());
            bytes <= bytes_max
        });
        let fitting = fitting.count().max(1);
        rows.truncate(fitting);
        Ok(rows)
    }
}

/// What an idempotency key was used for before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyUse {
    Fresh,
    Same { seq: Option<u64> },
    OtherBytes,
}

impl Session {
    /// The row with what is counted.
    pub(super) fn shown(&self) -> SessionRow {
        let waits = self.requests.iter().filter(|row| row.state == PermissionState::Pending).count();
        SessionRow { pending_count: u32::try_from(waits).unwrap_or(u32::MAX), ..self.row.clone() }
    }

    /// Gives `event` the next `seq`.
    pub(super) fn append(&mut self, up: bool, event: RawJson) -> u64 {
        self.events.push(Event { up, event });
        self.row.head_seq += 1;
        self.row.head_seq
    }

    pub(super) fn key_use(&self, uuid: &str, hash: &str) -> KeyUse {
        match self.uplink.get(uuid) {
            None => KeyUse::Fresh,
            Some((known, seq)) if known == hash => KeyUse::Same { seq: *seq },
            Some(_) => KeyUse::OtherBytes,
        }
    }

    pub(super) fn keep_key(&mut self, uuid: &str, hash: &str, seq: Option<u64>) {
        self.uplink.insert(uuid.to_owned(), (hash.to_owned(), seq));
    }

    pub(super) fn touch(&mut self, now_ms: u64) {
        self.row.updated_at_ms = self.row.updated_at_ms.max(now_ms);
    }

    pub(super) fn entitle(&mut self, title: String) {
        self.row.spec.title.clone_from(&title);
        self.row.title = title;
    }

    /// The uuids of prompts that no worker acknowledged, oldest first.
    fn undelivered(&self) -> Vec<String> {
        let late = |(uuid, (_, seq)): (&String, &(String, Option<u64>))| {
            seq.filter(|seq| *seq > self.row.delivered_seq).map(|seq| (seq, uuid.clone()))
        };
        let late: BTreeMap<u64, String> = self.uplink.iter().filter_map(late).collect();
        late.into_values().collect()
    }

    fn append_prompt(&mut self, prompt: &Prompt) -> u64 {
        let seq = self.append(true, prompt.event.clone());
        self.keep_key(&prompt.uuid, &prompt.hash, Some(seq));
        seq
    }
}

impl Tables {
    fn append_prompts(
        &mut self,
        id: &SessionId,
        prompts: &[Prompt],
        work: WorkId,
        now_ms: u64,
    ) -> AppendOutcome {
        let Some(session) = self.sessions.get_mut(id) else { return AppendOutcome::Missing };
        if session.row.archived {
            return AppendOutcome::Archived;
        }
        for (index, prompt) in prompts.iter().enumerate() {
            let twin = prompts[..index].iter().find(|earlier| earlier.uuid == prompt.uuid);
            let differs = twin.is_some_and(|twin| twin.hash != prompt.hash);
            if differs || session.key_use(&prompt.uuid, &prompt.hash) == KeyUse::OtherBytes {
                return AppendOutcome::OtherBytes { index };
            }
        }
        let appended: Vec<Appended> = prompts
            .iter()
            .map(|prompt| match session.key_use(&prompt.uuid, &prompt.hash) {
                KeyUse::Same { seq } => Appended::Duplicate { seq },
                KeyUse::Fresh | KeyUse::OtherBytes => Appended::New { seq: session.append_prompt(prompt) },
            })
            .collect();
        let head_seq = session.row.head_seq;
        if appended.iter().any(|appended| matches!(appended, Appended::New { .. })) {
            session.touch(now_ms);
            let environment = session.row.environment_id.clone();
            self.enqueue(&environment, id, work, now_ms);
        }
        AppendOutcome::Taken { appended, head_seq }
    }

    pub(super) fn session_mut(&mut self, id: &SessionId) -> Result<&mut Session> {
        self.sessions.get_mut(id).ok_or(StoreError::Corrupt("session"))
    }
}
