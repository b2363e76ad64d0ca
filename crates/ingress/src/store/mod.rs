//! What outlives the process, behind a trait: devices, the log, requests, and the work queue.
//!
//! Everything that must be decided by one party alone (the next `seq`, the first decision, the holder of a lease) is
//! one method and one transaction here, so that a second implementation over another database needs nothing from its
//! callers. A method answers only after what it wrote is on disk.

#[cfg(feature = "memory")]
pub(crate) mod memory;
mod rows;
pub(crate) mod sqlite;

#[cfg(test)]
mod contract;

use async_trait::async_trait;
use portcullis_protocol::id::{DeviceId, EnvironmentId, Epoch, Incarnation, LeaseId, SessionId, WorkId};
use portcullis_protocol::limits::LEASE_TTL_S;
use portcullis_protocol::wire::client::SeqEvent;
use portcullis_protocol::wire::worker::Lane;

pub(crate) use rows::{
    AppendOutcome, Appended, Attached, Beat, DecidedRow, DecisionFilter, DeviceChange, DeviceEdit, DeviceRow,
    EnvironmentRow, Prompt, Redeemed, Registration, RequestRow, Ruling, SessionFilter, SessionRow, WorkRow,
    WorkState, WorkerOutcome, WorkerWrite, Wrote, never_confirmed, unarchived_by,
};

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database said no.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// A row that this program cannot have written.
    #[error("the database holds an unreadable {0}")]
    Corrupt(&'static str),
    /// A file or directory beside the database.
    #[error("{0}")]
    File(#[from] std::io::Error),
    /// The database was written by a newer version.
    #[error("the database has schema version {0}, which this version does not know: use the newer program")]
    Newer(i64),
    /// The writer is gone: the process is shutting down.
    #[error("the store is closed")]
    Closed,
}

type Result<T> = std::result::Result<T, StoreError>;

/// An item that was handed out and not acknowledged goes back to the queue after this long, in ms: the poll's answer
/// was lost, or the bridge had no room.
const TAKE_WITHIN_MS: u64 = 15_000;
/// Life of a lease between two heartbeats, in ms.
const LEASE_TTL_MS: u64 = LEASE_TTL_S * 1000;

/// Devices, their tokens, and the codes that admit them.
#[async_trait]
pub(crate) trait DeviceStore: Send + Sync {
    async fn add_pairing_code(&self, hash: String, expires_at_ms: u64, now_ms: u64) -> Result<()>;
    /// Uses up the code and adds `candidate`: as owner when no person's device exists, else as waiting.
    async fn redeem(&self, code_hash: String, candidate: DeviceRow, now_ms: u64) -> Result<Redeemed>;
    /// Adds `candidate` as it is, or returns the device that has its key already.
    async fn provision(&self, candidate: DeviceRow) -> Result<DeviceRow>;
    async fn device(&self, id: &DeviceId) -> Result<Option<DeviceRow>>;
    async fn devices(&self) -> Result<Vec<DeviceRow>>;
    async fn edit_device(&self, id: DeviceId, edit: DeviceEdit) -> Result<DeviceChange>;
    async fn delete_device(&self, id: DeviceId) -> Result<DeviceChange>;
    /// Forgets every device but the bridges, so that the next pairing is the first again.
    async fn forget_people(&self) -> Result<()>;
    async fn add_token(
        &self,
        hash: String,
        device_id: DeviceId,
        expires_at_ms: u64,
        now_ms: u64,
    ) -> Result<()>;
    /// The device of a token and when the token ends, whether or not it has ended.
    async fn token(&self, hash: &str) -> Result<Option<(DeviceRow, u64)>>;
    async fn drop_tokens(&self, device_id: DeviceId) -> Result<()>;
    async fn touch_device(&self, id: DeviceId, now_ms: u64) -> Result<()>;
}

/// Sessions and their logs.
#[async_trait]
pub(crate) trait LogStore: Send + Sync {
    /// The unbroken life of this store.
    fn epoch(&self) -> &Epoch;
    /// Adds a session, its first prompt and the work item for it.
    async fn create_session(
        &self,
        session: SessionRow,
        prompt: Option<Prompt>,
        work: WorkId,
    ) -> Result<SessionRow>;
    async fn session(&self, id: &SessionId) -> Result<Option<SessionRow>>;
    /// A page of sessions, last updated first, and whether more follow.
    async fn sessions(
        &self,
        filter: SessionFilter,
        after: Option<&SessionId>,
        limit: u32,
    ) -> Result<(Vec<SessionRow>, bool)>;
    /// Sets the title a person chose; `false` when there is no such session.
    async fn rename(&self, id: SessionId, title: String, now_ms: u64) -> Result<bool>;
    /// Sets the title if there is none yet.
    async fn suggest_title(&self, id: SessionId, title: String) -> Result<()>;
    /// Ends a session and orphans its open requests.
    async fn archive(&self, id: SessionId, now_ms: u64) -> Result<Archived>;
    /// Takes a session out of the archive, which the log says with who did it. A prompt that no agent is known to have
    /// got is not delivered any more: what its bridge knew of it was removed with the session. The log says so of each.
    /// The names of these events begin with `tag`.
    async fn unarchive(&self, id: SessionId, by: String, tag: String, now_ms: u64) -> Result<Unarchived>;
    /// Appends prompts, all or none, and queues work when nobody holds the session.
    async fn append_prompts(
        &self,
        id: SessionId,
        prompts: Vec<Prompt>,
        work: WorkId,
        now_ms: u64,
    ) -> Result<AppendOutcome>;
    /// Rows behind `after_seq`, oldest first: at most `limit`, and no more bytes than `bytes_max` but for a first row
    /// that is larger.
    async fn events_after(
        &self,
        id: &SessionId,
        after_seq: u64,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<SeqEvent>>;
    /// Rows before `before_seq`, oldest first, the nearest ones when there are more.
    async fn events_before(
        &self,
        id: &SessionId,
        before_seq: u64,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<SeqEvent>>;
    /// What clients said to the agent behind `after_seq`.
    async fn prompts_after(&self, id: &SessionId, after_seq: u64, limit: usize) -> Result<Vec<SeqEvent>>;
}

/// What became of archiving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Archived {
    Done(Vec<RequestRow>),
    Already,
    Missing,
}

/// What became of taking a session out of the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unarchived {
    Done,
    /// It is not archived.
    Active,
    Missing,
}

/// What became of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decided {
    /// It was the first; the row as it is now.
    Won(RequestRow),
    /// The row was no longer pending; as it is now.
    Lost(RequestRow),
    /// The decision's uuid came before with other bytes.
    OtherBytes,
    /// No such request of this incarnation.
    Missing,
}

/// Requests of agents, and everything a worker writes.
#[async_trait]
pub(crate) trait RequestStore: Send + Sync {
    /// Rows that are pending, decided or delivered, oldest first.
    async fn open_requests(&self, id: &SessionId) -> Result<Vec<RequestRow>>;
    /// The newest row of that id, of whatever incarnation.
    async fn request(&self, id: &SessionId, request_id: &str) -> Result<Option<RequestRow>>;
    /// The compare-and-set from pending to decided.
    async fn decide(
        &self,
        id: SessionId,
        incarnation: Incarnation,
        ruling: Ruling,
        now_ms: u64,
    ) -> Result<Decided>;
    /// What was decided, newest request first, and whether more follow: no more bytes of requests than `bytes_max`
    /// but for a first row that is larger.
    async fn decisions(&self, filter: DecisionFilter, bytes_max: usize) -> Result<(Vec<DecidedRow>, bool)>;
    /// Makes `incarnation` the one that speaks; `None` when a newer one came after it.
    async fn attach(&self, id: SessionId, incarnation: Incarnation) -> Result<Option<Attached>>;
    /// Everything up to `seq` reached the agent.
    async fn acknowledge(&self, id: SessionId, seq: u64) -> Result<()>;
    /// Takes one POST of a worker, whose items have the dense positions `first_n..`.
    async fn write_worker(
        &self,
        id: SessionId,
        incarnation: Incarnation,
        lane: Lane,
        first_n: u64,
        items: Vec<WorkerWrite>,
        now_ms: u64,
    ) -> Result<WorkerOutcome>;
}

/// Environments, their work queues and leases.
#[async_trait]
pub(crate) trait WorkStore: Send + Sync {
    /// Adds or renews a registration; `None` when the named one belongs to another device.
    async fn register(&self, registration: Registration, now_ms: u64) -> Result<Option<EnvironmentRow>>;
    async fn environment(&self, id: &EnvironmentId) -> Result<Option<EnvironmentRow>>;
    /// The registered ones.
    async fn environments(&self) -> Result<Vec<EnvironmentRow>>;
    /// The environment, if that is its secret and its device is still paired as a bridge.
    async fn environment_by_secret(
        &self,
        id: &EnvironmentId,
        secret_hash: &str,
    ) -> Result<Option<EnvironmentRow>>;
    async fn touch_environment(&self, id: EnvironmentId, now_ms: u64) -> Result<()>;
    async fn deregister(&self, id: EnvironmentId) -> Result<()>;
    /// Hands out the oldest item that nobody holds, under `lease`.
    async fn claim(
        &self,
        id: EnvironmentId,
        lease: LeaseId,
        now_ms: u64,
    ) -> Result<Option<(WorkRow, SessionRow)>>;
    /// Takes the item for good; `None` when it is not there or over.
    async fn take_work(
        &self,
        environment: EnvironmentId,
        work: WorkId,
        now_ms: u64,
    ) -> Result<Option<WorkRow>>;
    async fn beat(
        &self,
        work: WorkId,
        lease: LeaseId,
        expected: String,
        fresh: String,
        now_ms: u64,
    ) -> Result<Beat>;
    /// Ends the item; queues `next` when something arrived that its holder never saw.
    async fn stop_work(
        &self,
        environment: EnvironmentId,
        work: WorkId,
        next: WorkId,
        now_ms: u64,
    ) -> Result<Option<WorkRow>>;
    /// Puts the session back into the queue, whoever held it; `false` when it is not of this environment.
    async fn requeue(
        &self,
        environment: EnvironmentId,
        session: SessionId,
        next: WorkId,
        now_ms: u64,
    ) -> Result<bool>;
    /// Ends what `environment` held, but for `attached` sessions; queues again what still waits for an agent.
    async fn release(&self, environment: EnvironmentId, attached: Vec<SessionId>) -> Result<()>;
    /// The live item of a session and the bridge it is with, if that device is still paired.
    async fn lease(&self, session: &SessionId) -> Result<Option<(WorkRow, DeviceId)>>;
}

/// The whole store.
pub(crate) trait Store: DeviceStore + LogStore + RequestStore + WorkStore {}

impl<T: DeviceStore + LogStore + RequestStore + WorkStore> Store for T {}
