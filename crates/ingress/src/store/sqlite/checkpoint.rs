//! Copies the write-ahead log into the file, beside the writer. Left alone, SQLite does it inside of each commit that
//! finds the log longer than 4 MiB; whoever waits for that commit, such as a decision, would wait for two more flushes
//! of the disk and for everything that some agent printed before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tokio::sync::{Notify, oneshot};

use crate::store::Result;

/// Between two copies: often enough that the log stays short, seldom enough that they do not compete with commits.
const PERIOD: Duration = Duration::from_millis(250);
/// Pages in the log above which the writer itself copies the rest between two commits, so that the log begins anew:
/// beside a writer that never rests, copying alone never reaches the end. Whoever waits for a commit waits for that copy
/// as well, so it has to be seldom: at 50 MB/s, once in five seconds. 256 MiB.
const PAGES_MAX: i64 = 16 * 1_024;
/// Longest the log's file stays after it began anew, in bytes.
pub(super) const LOG_BYTES_KEPT: &str = "67108864";

/// The writer's end of it. Dropped, the copying ends.
pub(super) struct Checkpoints {
    wanted: Arc<Notify>,
    overdue: Arc<AtomicBool>,
    end: oneshot::Sender<oneshot::Sender<()>>,
}

impl Checkpoints {
    /// Starts copying over a connection of its own.
    pub(super) async fn start(options: &SqliteConnectOptions) -> Result<Self> {
        let db = options.connect().await?;
        let (wanted, overdue) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let (end, ended) = oneshot::channel();
        tokio::spawn(copy_all(db, Arc::clone(&wanted), Arc::clone(&overdue), ended));
        Ok(Self { wanted, overdue, end })
    }

    /// Something was committed over `writer`.
    pub(super) async fn committed(&self, writer: &mut SqliteConnection) {
        if self.overdue.swap(false, Ordering::Relaxed)
            && let Err(error) = copy(writer).await
        {
            tracing::warn!(%error, "the log of the database could not be copied");
        }
        self.wanted.notify_one();
    }

    /// Ends it, and returns when its connection is closed.
    pub(super) async fn end(self) {
        let (done, closed) = oneshot::channel();
        if self.end.send(done).is_ok() {
            let _ = closed.await;
        }
    }
}

async fn copy_all(
    mut db: SqliteConnection,
    wanted: Arc<Notify>,
    overdue: Arc<AtomicBool>,
    mut ended: oneshot::Receiver<oneshot::Sender<()>>,
) {
    let done = loop {
        // Right behind a commit, in the pause it leaves: begun at any other moment, the copy would still be under way
        // when the log grows again, and would seldom reach its end.
        let is_behind = wanted.notified().now_or_never().is_some();
        tokio::select! {
            done = &mut ended => break done,
            () = wanted.notified() => {}
            () = tokio::time::sleep(PERIOD), if is_behind => {}
        }
        match copy(&mut db).await {
            Ok(pages) => overdue.store(pages > PAGES_MAX, Ordering::Relaxed),
            Err(error) => tracing::warn!(%error, "the log of the database could not be copied"),
        }
        tokio::select! {
            done = &mut ended => break done,
            () = tokio::time::sleep(PERIOD) => {}
        }
    };
    let _ = db.close().await;
    drop(done);
}

/// Copies what no reader stands in the way of, and says how many pages the log has.
async fn copy(db: &mut SqliteConnection) -> Result<i64> {
    let (_busy, pages, _copied): (i64, i64, i64) =
        sqlx::query_as("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(db).await?;
    Ok(pages)
}
