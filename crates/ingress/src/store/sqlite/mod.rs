//! The store in one SQLite file: WAL, `synchronous=FULL`, a pool of readers and one writer.
//!
//! A transaction costs a flush of the disk, so the writer takes what waits for it and commits it together: each
//! write runs in its own savepoint, and nobody hears about his before the common commit.

mod checkpoint;
mod convert;
mod devices;
mod life;
mod log;
mod requests;
mod work;

use std::path::Path;
use std::time::Duration;

use futures_util::future::BoxFuture;
use portcullis_protocol::id::Epoch;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use super::{Result, StoreError};
use crate::seam::Entropy;
use checkpoint::Checkpoints;
use life::Life;

/// The schema this version writes, as `PRAGMA user_version`; the migrations lead from one to the next.
const MIGRATIONS: [&str; 2] = [include_str!("../schema.sql"), include_str!("../decided.sql")];
/// Writes that may wait for the writer; whoever comes then waits for a place.
const WRITES_WAITING_MAX: usize = 256;
/// Writes in one commit: enough to share the flush, few enough that the first is not kept waiting.
const WRITES_PER_COMMIT_MAX: usize = 64;
/// Readers at once.
const READERS_MAX: u32 = 4;
/// Wait for another process (a `pair` command) that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Tells the caller of one write what became of it, once the commit is known.
type Settle = Box<dyn FnOnce(Result<()>) + Send>;
type Work = Box<dyn for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, (bool, Settle)> + Send>;

/// A store in one SQLite file.
#[derive(Clone, Debug)]
pub(crate) struct SqliteStore {
    readers: SqlitePool,
    writer: mpsc::Sender<Job>,
    epoch: Epoch,
}

/// What the writer is asked for.
enum Job {
    Write(Work),
    /// To close the file; dropped when it is.
    Close(oneshot::Sender<()>),
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Job")
    }
}

impl SqliteStore {
    /// Opens the file, creating it and its tables where they are missing, and starts the writer.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be opened or is of a newer version.
    pub(crate) async fn open(file: &Path, entropy: &dyn Entropy) -> Result<Self> {
        create_private(file)?;
        let options = SqliteConnectOptions::new()
            .filename(file)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .pragma("wal_autocheckpoint", "0")
            .pragma("journal_size_limit", checkpoint::LOG_BYTES_KEPT)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        let mut writer = options.connect().await?;
        migrate(&mut writer).await?;
        let life = Life::resume(&mut writer, file, entropy).await?;
        let epoch = life.epoch().clone();
        let checkpoints = Checkpoints::start(&options).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .connect_with(options.read_only(true))
            .await?;
        let (sender, jobs) = mpsc::channel(WRITES_WAITING_MAX);
        tokio::spawn(write_all(writer, life, checkpoints, jobs));
        Ok(Self { readers, writer: sender, epoch })
    }

    /// Waits for every write that was accepted, and closes the file.
    pub(crate) async fn close(self) {
        let Self { readers, writer, epoch: _ } = self;
        readers.close().await;
        let (done, closed) = oneshot::channel();
        if writer.send(Job::Close(done)).await.is_ok() {
            // Ends when the last connection is closed, which writes the log into the file: a copy of it is whole then.
            let _ = closed.await;
        }
    }

    /// Runs `work` in a savepoint of the next commit, and answers once that commit is on disk.
    async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = Job::Write(Box::new(move |db| {
            Box::pin(async move {
                let outcome = work(db).await;
                let keep = outcome.is_ok();
                let settle: Settle = Box::new(move |commit| {
                    let _ = answer.send(commit.and(outcome));
                });
                (keep, settle)
            })
        }));
        self.writer.send(job).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

/// The writer: one task, one connection, one commit for all that waits.
async fn write_all(
    mut db: SqliteConnection,
    mut life: Life,
    checkpoints: Checkpoints,
    mut jobs: mpsc::Receiver<Job>,
) {
    let mut batch = Vec::new();
    let mut closing = None;
    while closing.is_none() && jobs.recv_many(&mut batch, WRITES_PER_COMMIT_MAX).await > 0 {
        let mut settles = Vec::with_capacity(batch.len());
        let writes: Vec<Work> = batch
            .drain(..)
            .map_while(|job| match job {
                Job::Write(work) => Some(work),
                Job::Close(done) => {
                    closing = Some(done);
                    None
                }
            })
            .collect();
        if writes.is_empty() {
            continue;
        }
        let committed = commit(&mut db, writes, &mut settles).await;
        match &committed {
            Ok(generation) => life.note(*generation),
            Err(error) => {
                tracing::error!(%error, "a commit failed; nothing of it was taken");
                let _ = sqlx::query("ROLLBACK").execute(&mut db).await;
            }
        }
        for settle in settles {
            settle(match &committed {
                Ok(_) => Ok(()),
                Err(error) => Err(StoreError::Database(sqlx::Error::Protocol(error.to_string()))),
            });
        }
        checkpoints.committed(&mut db).await;
    }
    checkpoints.end().await;
    let _ = db.close().await;
    drop(closing);
}

/// Commits all of them, and says as which generation.
async fn commit(db: &mut SqliteConnection, writes: Vec<Work>, settles: &mut Vec<Settle>) -> Result<u64> {
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *db).await?;
    for work in writes {
        sqlx::query("SAVEPOINT job").execute(&mut *db).await?;
        let (keep, settle) = work(db).await;
        settles.push(settle);
        if !keep {
            sqlx::query("ROLLBACK TO job").execute(&mut *db).await?;
        }
        sqlx::query("RELEASE job").execute(&mut *db).await?;
    }
    let generation = life::advance(db).await?;
    sqlx::query("COMMIT").execute(&mut *db).await?;
    Ok(generation)
}

async fn migrate(db: &mut SqliteConnection) -> Result<()> {
    let (version,): (i64,) = sqlx::query_as("PRAGMA user_version").fetch_one(&mut *db).await?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if version > known {
        return Err(StoreError::Newer(version));
    }
    let mut at = version;
    for script in MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or(0)) {
        at += 1;
        let mut step = db.begin().await?;
        sqlx::raw_sql(*script).execute(&mut *step).await?;
        sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA user_version = {at}"))).execute(&mut *step).await?;
        step.commit().await?;
    }
    Ok(())
}

/// SQLite gives its side files the mode of the main one.
fn create_private(file: &Path) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let opened = options.open(file)?;
    #[cfg(unix)]
    opened.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    drop(opened);
    Ok(())
}
