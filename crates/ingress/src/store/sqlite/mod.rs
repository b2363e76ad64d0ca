//! The store in one SQLite file: WAL, `synchronous=FULL`, a pool of readers and one writer.

mod checkpoint;
mod convert;
mod devices;
mod life;
mod log;
mod requests;
mod work;
mod writer;

use std::path::Path;
use std::time::Duration;

use futures_util::future::BoxFuture;
use portcullis_protocol::id::Epoch;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::oneshot;

use super::{Result, StoreError};
use crate::seam::Entropy;
use checkpoint::Checkpoints;
use life::Life;
use writer::{Queue, Settle, Work, Writer};

/// The schema this version writes, as `PRAGMA user_version`; the migrations lead from one to the next.
const MIGRATIONS: [&str; 2] = [include_str!("../schema.sql"), include_str!("../decided.sql")];
/// Bytes of a page of a new file. An event of 8 MiB is 512 of them: with the usual 4 KiB, whoever decided something
/// meanwhile waited for four times as many to be found, summed and written.
const PAGE_BYTES: u32 = 16 * 1_024;
/// Readers at once.
const READERS_MAX: u32 = 4;
/// Wait for another process (a `pair` command) that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A store in one SQLite file.
#[derive(Clone, Debug)]
pub(crate) struct SqliteStore {
    readers: SqlitePool,
    writer: Writer,
    epoch: Epoch,
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
            .page_size(PAGE_BYTES)
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
        Ok(Self { readers, writer: Writer::start(writer, life, checkpoints), epoch })
    }

    /// Waits for every write that was accepted, and closes the file.
    pub(crate) async fn close(self) {
        let Self { readers, writer, epoch: _ } = self;
        readers.close().await;
        writer.close().await;
    }

    /// Runs `work` in a savepoint of the next commit, and answers once that commit is on disk.
    async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T>> + Send + 'static,
    {
        self.write_in(Queue::Control, work).await
    }

    /// The same in the queue it belongs to.
    async fn write_in<T, F>(&self, queue: Queue, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move |db| {
            Box::pin(async move {
                let outcome = work(db).await;
                let keep = outcome.is_ok();
                let settle: Settle = Box::new(move |commit| {
                    let _ = answer.send(commit.and(outcome));
                });
                (keep, settle)
            })
        });
        self.writer.write(queue, work).await?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
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
