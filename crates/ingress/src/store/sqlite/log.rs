//! Sessions and their logs.

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use portcullis_protocol::RawJson;
use portcullis_protocol::id::{Epoch, SessionId, WorkId};
use portcullis_protocol::wire::client::SeqEvent;
use sqlx::SqliteConnection;

use super::super::{
    AppendOutcome, Appended, Archived, LogStore, Prompt, RequestRow, Result, SessionFilter, SessionRow,
    Unarchived, never_confirmed, unarchived_by,
};
use super::convert::{int, seq_event, session};
use super::{SqliteStore, requests, work};

/// Every query for whole sessions starts so.
macro_rules! select_session {
    ($rest:literal) => {
        concat!(
            "SELECT *, (SELECT count(*) FROM requests WHERE requests.session_id = sessions.id ",
            "AND requests.state = 'pending') AS pending_count FROM sessions ",
            $rest
        )
    };
}

#[async_trait]
impl LogStore for SqliteStore {
    fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    async fn create_session(
        &self,
        row: SessionRow,
        prompt: Option<Prompt>,
        work: WorkId,
    ) -> Result<SessionRow> {
        self.write(move |db| {
            Box::pin(async move {
                insert_session(db, &row).await?;
                if let Some(prompt) = &prompt {
                    append_prompt(db, &row.id, prompt).await?;
                }
                work::enqueue(db, &row.environment_id, &row.id, &work, row.created_at_ms).await?;
                let found =
                    sqlx::query(select_session!("WHERE id = ?")).bind(row.id.as_str()).fetch_one(db).await?;
                session(&found)
            })
        })
        .await
    }

    async fn session(&self, id: &SessionId) -> Result<Option<SessionRow>> {
        let row = sqlx::query(select_session!("WHERE id = ?"))
            .bind(id.as_str())
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(session).transpose()
    }

    async fn sessions(
        &self,
        filter: SessionFilter,
        after: Option<&SessionId>,
        limit: u32,
    ) -> Result<(Vec<SessionRow>, bool)> {
        let (active, archived) = match filter {
            SessionFilter::Active => (true, false),
            SessionFilter::Archived => (false, true),
            SessionFilter::All => (true, true),
        };
        let rows = sqlx::query(select_session!(
            "WHERE ((archived = 0 AND ?1) OR (archived = 1 AND ?2)) AND (?3 IS NULL OR (updated_at_ms, id) < \
             (SELECT updated_at_ms, id FROM sessions WHERE id = ?3)) ORDER BY updated_at_ms DESC, id DESC LIMIT ?4"
        ))
        .bind(active)
        .bind(archived)
        .bind(after.map(SessionId::as_str))
        .bind(i64::from(limit) + 1)
        .fetch_all(&self.readers)
        .await?;
        let mut sessions = rows.iter().map(session).collect::<Result<Vec<_>>>()?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = sessions.len() > limit;
        sessions.truncate(limit);
        Ok((sessions, has_more))
    }

    async fn rename(&self, id: SessionId, title: String, now_ms: u64) -> Result<bool> {
        self.write(move |db| {
            Box::pin(async move {
                let changed =
                    sqlx::query("UPDATE sessions SET title = ?, titled = 1, updated_at_ms = ? WHERE id = ?")
                        .bind(title)
                        .bind(int(now_ms))
                        .bind(id.as_str())
                        .execute(db)
                        .await?;
                Ok(changed.rows_affected() > 0)
            })
        })
        .await
    }

    async fn suggest_title(&self, id: SessionId, title: String) -> Result<()> {
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query("UPDATE sessions SET title = ? WHERE id = ? AND title = ''")
                    .bind(title)
                    .bind(id.as_str())
                    .execute(db)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    async fn archive(&self, id: SessionId, now_ms: u64) -> Result<Archived> {
        self.write(move |db| Box::pin(archive(db, id, now_ms))).await
    }

    async fn unarchive(&self, id: SessionId, by: String, tag: String, now_ms: u64) -> Result<Unarchived> {
        self.write(move |db| Box::pin(unarchive(db, id, by, tag, now_ms))).await
    }

    async fn append_prompts(
        &self,
        id: SessionId,
        prompts: Vec<Prompt>,
        work: WorkId,
        now_ms: u64,
    ) -> Result<AppendOutcome> {
        self.write(move |db| Box::pin(append_prompts(db, id, prompts, work, now_ms))).await
    }

    async fn events_after(
        &self,
        id: &SessionId,
        after_seq: u64,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<SeqEvent>> {
        let rows = sqlx::query(
            "SELECT seq, event FROM events WHERE session_id = ? AND seq > ? ORDER BY seq LIMIT ?",
        )
        .bind(id.as_str())
        .bind(int(after_seq))
        .bind(limit_of(limit))
        .fetch(&self.readers);
        within(rows, bytes_max).await
    }

    async fn events_before(
        &self,
        id: &SessionId,
        before_seq: u64,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<SeqEvent>> {
        let rows = sqlx::query(
            "SELECT seq, event FROM events WHERE session_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?",
        )
        .bind(id.as_str())
        .bind(int(before_seq))
        .bind(limit_of(limit))
        .fetch(&self.readers);
        let mut events = within(rows, bytes_max).await?;
        events.reverse();
        Ok(events)
    }

    async fn prompts_after(&self, id: &SessionId, after_seq: u64, limit: usize) -> Result<Vec<SeqEvent>> {
        let rows = sqlx::query(
            "SELECT seq, event FROM events WHERE session_id = ? AND seq > ? AND up = 1 ORDER BY seq LIMIT ?",
        )
        .bind(id.as_str())
        .bind(int(after_seq))
        .bind(limit_of(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(seq_event).collect()
    }
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Reads rows until `bytes_max` would be passed, but always one.
async fn within<'r, S>(mut rows: S, bytes_max: usize) -> Result<Vec<SeqEvent>>
where
    S: futures_util::Stream<Item = sqlx::Result<sqlx::sqlite::SqliteRow>> + Unpin + Send + 'r,
{
    let (mut events, mut bytes) = (Vec::new(), 0_usize);
    while let Some(row) = rows.try_next().await? {
        let event = seq_event(&row)?;
        bytes = bytes.saturating_add(event.event.byte_len());
        if bytes > bytes_max && !events.is_empty() {
            break;
        }
        events.push(event);
    }
    Ok(events)
}

/// Gives `event` the next `seq` of the session.
pub(super) async fn append(
    db: &mut SqliteConnection,
    id: &SessionId,
    up: bool,
    event: &RawJson,
) -> Result<u64> {
    let (seq,): (i64,) =
        sqlx::query_as("UPDATE sessions SET head_seq = head_seq + 1 WHERE id = ? RETURNING head_seq")
            .bind(id.as_str())
            .fetch_one(&mut *db)
            .await?;
    sqlx::query("INSERT INTO events (session_id, seq, up, event) VALUES (?, ?, ?, ?)")
        .bind(id.as_str())
        .bind(seq)
        .bind(up)
        .bind(event.as_str())
        .execute(db)
        .await?;
    Ok(u64::try_from(seq).unwrap_or(0))
}

/// What an idempotency key was used for before.
pub(super) enum KeyUse {
    Fresh,
    Same { seq: Option<u64> },
    OtherBytes,
}

pub(super) async fn key_use(
    db: &mut SqliteConnection,
    id: &SessionId,
    uuid: &str,
    hash: &str,
) -> Result<KeyUse> {
    let known: Option<(String, Option<i64>)> =
        sqlx::query_as("SELECT hash, seq FROM uplink WHERE session_id = ? AND uuid = ?")
            .bind(id.as_str())
            .bind(uuid)
            .fetch_optional(db)
            .await?;
    Ok(match known {
        None => KeyUse::Fresh,
        Some((known, seq)) if known == hash => {
            KeyUse::Same { seq: seq.and_then(|seq| u64::try_from(seq).ok()) }
        }
        Some(_) => KeyUse::OtherBytes,
    })
}

pub(super) async fn keep_key(
    db: &mut SqliteConnection,
    id: &SessionId,
    uuid: &str,
    hash: &str,
    seq: Option<u64>,
) -> Result<()> {
    sqlx::query("INSERT INTO uplink (session_id, uuid, hash, seq) VALUES (?, ?, ?, ?)")
        .bind(id.as_str())
        .bind(uuid)
        .bind(hash)
        .bind(seq.map(int))
        .execute(db)
        .await?;
    Ok(())
}

async fn append_prompt(db: &mut SqliteConnection, id: &SessionId, prompt: &Prompt) -> Result<u64> {
    let seq = append(db, id, true, &prompt.event).await?;
    keep_key(db, id, &prompt.uuid, &prompt.hash, Some(seq)).await?;
    Ok(seq)
}

async fn append_prompts(
    db: &mut SqliteConnection,
    id: SessionId,
    prompts: Vec<Prompt>,
    work: WorkId,
    now_ms: u64,
) -> Result<AppendOutcome> {
    let found: Option<(i64, String)> =
        sqlx::query_as("SELECT archived, environment_id FROM sessions WHERE id = ?")
            .bind(id.as_str())
            .fetch_optional(&mut *db)
            .await?;
    let Some((archived, environment)) = found else { return Ok(AppendOutcome::Missing) };
    if archived != 0 {
        return Ok(AppendOutcome::Archived);
    }
    let mut appended = Vec::with_capacity(prompts.len());
    // The first pass looks alone, so that a refusal leaves nothing behind.
    for (index, prompt) in prompts.iter().enumerate() {
        let twin = prompts[..index].iter().find(|earlier| earlier.uuid == prompt.uuid);
        let differs = twin.is_some_and(|twin| twin.hash != prompt.hash);
        if differs || matches!(key_use(db, &id, &prompt.uuid, &prompt.hash).await?, KeyUse::OtherBytes) {
            return Ok(AppendOutcome::OtherBytes { index });
        }
    }
    let mut any_new = false;
    for prompt in &prompts {
        appended.push(match key_use(db, &id, &prompt.uuid, &prompt.hash).await? {
            KeyUse::Same { seq } => Appended::Duplicate { seq },
            KeyUse::Fresh | KeyUse::OtherBytes => {
                any_new = true;
                Appended::New { seq: append_prompt(db, &id, prompt).await? }
            }
        });
    }
    if any_new {
        touch(db, &id, now_ms).await?;
        work::enqueue_named(db, &environment, &id, &work, now_ms).await?;
    }
    let (head,): (i64,) =
        sqlx::query_as("SELECT head_seq FROM sessions WHERE id = ?").bind(id.as_str()).fetch_one(db).await?;
    Ok(AppendOutcome::Taken { appended, head_seq: u64::try_from(head).unwrap_or(0) })
}

pub(super) async fn touch(db: &mut SqliteConnection, id: &SessionId, now_ms: u64) -> Result<()> {
    sqlx::query("UPDATE sessions SET updated_at_ms = max(updated_at_ms, ?) WHERE id = ?")
        .bind(int(now_ms))
        .bind(id.as_str())
        .execute(db)
        .await?;
    Ok(())
}

async fn archive(db: &mut SqliteConnection, id: SessionId, now_ms: u64) -> Result<Archived> {
    let found: Option<(i64,)> = sqlx::query_as("SELECT archived FROM sessions WHERE id = ?")
        .bind(id.as_str())
        .fetch_optional(&mut *db)
        .await?;
    match found {
        None => return Ok(Archived::Missing),
        Some((archived,)) if archived != 0 => return Ok(Archived::Already),
        Some(_) => {}
    }
    sqlx::query("UPDATE sessions SET archived = 1, updated_at_ms = ? WHERE id = ?")
        .bind(int(now_ms))
        .bind(id.as_str())
        .execute(&mut *db)
        .await?;
    sqlx::query(
        "UPDATE work SET state = CASE state WHEN 'queued' THEN 'stopped' ELSE 'stopping' END \
         WHERE session_id = ? AND state <> 'stopped'",
    )
    .bind(id.as_str())
    .execute(&mut *db)
    .await?;
    let rows: Vec<RequestRow> = requests::orphan(db, &id, None, "the session was archived").await?;
    Ok(Archived::Done(rows))
}

async fn unarchive(
    db: &mut SqliteConnection,
    id: SessionId,
    by: String,
    tag: String,
    now_ms: u64,
) -> Result<Unarchived> {
    let found: Option<(i64,)> = sqlx::query_as("SELECT archived FROM sessions WHERE id = ?")
        .bind(id.as_str())
        .fetch_optional(&mut *db)
        .await?;
    match found {
        None => return Ok(Unarchived::Missing),
        Some((0,)) => return Ok(Unarchived::Active),
        Some(_) => {}
    }
    let undelivered: Vec<(String,)> = sqlx::query_as(
        "SELECT uplink.uuid FROM uplink JOIN sessions ON sessions.id = uplink.session_id \
         WHERE uplink.session_id = ? AND uplink.seq > sessions.delivered_seq ORDER BY uplink.seq",
    )
    .bind(id.as_str())
    .fetch_all(&mut *db)
    .await?;
    append(db, &id, false, &unarchived_by(&by, &tag)).await?;
    for (nth, (prompt,)) in undelivered.into_iter().enumerate() {
        append(db, &id, false, &never_confirmed(&prompt, &tag, nth)).await?;
    }
    sqlx::query(
        "UPDATE sessions SET archived = 0, delivered_seq = head_seq, updated_at_ms = max(updated_at_ms, ?) \
         WHERE id = ?",
    )
    .bind(int(now_ms))
    .bind(id.as_str())
    .execute(db)
    .await?;
    Ok(Unarchived::Done)
}

async fn insert_session(db: &mut SqliteConnection, row: &SessionRow) -> Result<()> {
    sqlx::query(
        "INSERT INTO sessions (id, title, titled, environment_id, directory, agent, model, permission_mode, \
         created_at_ms, updated_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(row.id.as_str())
    .bind(&row.title)
    .bind(!row.spec.title.is_empty())
    .bind(row.environment_id.as_str())
    .bind(&row.spec.directory)
    .bind(&row.spec.agent)
    .bind(&row.spec.model)
    .bind(&row.spec.permission_mode)
    .bind(int(row.created_at_ms))
    .bind(int(row.updated_at_ms))
    .execute(db)
    .await?;
    Ok(())
}
