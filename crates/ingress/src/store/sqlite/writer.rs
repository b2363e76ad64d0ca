//! The writer: one task, one connection. A transaction costs a flush of the disk, so it takes what waits for it and
//! commits it together: each write runs in its own savepoint, and nobody hears about his before the common commit.
//!
//! What agents print waits in a queue of its own. Decisions, prompts and requests have the next commit and share it with
//! none of that, however many agents print; so that they cannot starve it either, the two take turns.

use futures_util::future::BoxFuture;
use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use super::checkpoint::Checkpoints;
use super::life::{self, Life};
use crate::store::{Result, StoreError};

/// Writes that may wait in a queue; whoever comes then waits for a place.
const WRITES_WAITING_MAX: usize = 256;
/// Writes in one commit: enough to share the flush, few enough that the first is not kept waiting.
const WRITES_PER_COMMIT_MAX: usize = 64;
/// Bytes of content behind which a commit takes no more of it: whoever decides something meanwhile waits for all of
/// them. A single POST may bring more.
const CONTENT_BYTES_PER_COMMIT: usize = 4 * 1_024 * 1_024;

/// Tells the caller of one write what became of it, once the commit is known.
pub(super) type Settle = Box<dyn FnOnce(Result<()>) + Send>;
/// One write: whether it is kept, and who hears of it.
pub(super) type Work =
    Box<dyn for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, (bool, Settle)> + Send>;

/// Where a write waits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Queue {
    /// Decisions, prompts, requests, devices, work.
    Control,
    /// What an agent printed.
    Content { bytes: usize },
}

/// The way to the writer.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    control: mpsc::Sender<Job>,
    content: mpsc::Sender<Content>,
}

/// What the writer is asked for ahead of content.
enum Job {
    Write(Work),
    /// To close the file; dropped when it is.
    Close(oneshot::Sender<()>),
}

/// What an agent printed.
struct Content {
    bytes: usize,
    work: Work,
}

impl Writer {
    /// Starts the task.
    pub(super) fn start(db: SqliteConnection, life: Life, checkpoints: Checkpoints) -> Self {
        let (control, control_waits) = mpsc::channel(WRITES_WAITING_MAX);
        let (content, content_waits) = mpsc::channel(WRITES_WAITING_MAX);
        tokio::spawn(write_all(db, life, checkpoints, Waiting::new(control_waits, content_waits)));
        Self { control, content }
    }

    /// Queues a write.
    pub(super) async fn write(&self, queue: Queue, work: Work) -> Result<()> {
        let queued = match queue {
            Queue::Control => self.control.send(Job::Write(work)).await.is_ok(),
            Queue::Content { bytes } => self.content.send(Content { bytes, work }).await.is_ok(),
        };
        queued.then_some(()).ok_or(StoreError::Closed)
    }

    /// Waits for every write that was accepted, and for the file to be closed.
    pub(super) async fn close(self) {
        let (done, closed) = oneshot::channel();
        if self.control.send(Job::Close(done)).await.is_ok() {
            // Ends when the last connection is closed, which writes the log into the file: a copy of it is whole then.
            let _ = closed.await;
        }
    }
}

/// What waits for the writer.
struct Waiting {
    control: mpsc::Receiver<Job>,
    content: mpsc::Receiver<Content>,
    /// Control that was taken out and not written yet.
    first: Option<Work>,
    /// Content that was taken out and did not fit.
    held: Option<Content>,
    /// Control was written since content was.
    is_contents_turn: bool,
    /// Nothing more is taken from the queue of control.
    is_over: bool,
    /// Who waits for the end.
    closing: Option<oneshot::Sender<()>>,
}

impl Waiting {
    fn new(control: mpsc::Receiver<Job>, content: mpsc::Receiver<Content>) -> Self {
        Self {
            control,
            content,
            first: None,
            held: None,
            is_contents_turn: false,
            is_over: false,
            closing: None,
        }
    }

    /// The writes of the next commit, at least one; nothing when there will be no more.
    async fn next(&mut self) -> Option<Vec<Work>> {
        loop {
            let order = if self.is_contents_turn {
                [Self::take_content, Self::take_control]
            } else {
                [Self::take_control, Self::take_content]
            };
            for take in order {
                let batch = take(self);
                if !batch.is_empty() {
                    return Some(batch);
                }
            }
            if self.is_over {
                return None;
            }
            tokio::select! {
                biased;
                job = self.control.recv() => self.first = self.read(job),
                Some(content) = self.content.recv() => self.held = Some(content),
            }
        }
    }

    fn read(&mut self, job: Option<Job>) -> Option<Work> {
        self.closing = match job {
            Some(Job::Write(work)) => return Some(work),
            Some(Job::Close(done)) => Some(done),
            None => None,
        };
        self.is_over = true;
        None
    }

    fn take_control(&mut self) -> Vec<Work> {
        let mut batch: Vec<Work> = self.first.take().into_iter().collect();
        while batch.len() < WRITES_PER_COMMIT_MAX
            && !self.is_over
            && let Ok(job) = self.control.try_recv()
        {
            batch.extend(self.read(Some(job)));
        }
        self.is_contents_turn = !batch.is_empty();
        batch
    }

    fn take_content(&mut self) -> Vec<Work> {
        let (mut batch, mut bytes) = (Vec::new(), 0_usize);
        while batch.len() < WRITES_PER_COMMIT_MAX
            && let Some(content) = self.held.take().or_else(|| self.content.try_recv().ok())
        {
            bytes = bytes.saturating_add(content.bytes);
            if bytes > CONTENT_BYTES_PER_COMMIT && !batch.is_empty() {
                self.held = Some(content);
                break;
            }
            batch.push(content.work);
        }
        self.is_contents_turn = false;
        batch
    }
}

async fn write_all(mut db: SqliteConnection, mut life: Life, checkpoints: Checkpoints, mut waiting: Waiting) {
    while let Some(writes) = waiting.next().await {
        let mut settles = Vec::with_capacity(writes.len());
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
    drop(waiting.closing);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing() -> Work {
        Box::new(|_| Box::pin(async { (true, Box::new(|_| {}) as Settle) }))
    }

    struct Queues {
        writer: Writer,
        waiting: Waiting,
    }

    fn queues() -> Queues {
        let (control, control_waits) = mpsc::channel(WRITES_WAITING_MAX);
        let (content, content_waits) = mpsc::channel(WRITES_WAITING_MAX);
        Queues { writer: Writer { control, content }, waiting: Waiting::new(control_waits, content_waits) }
    }

    async fn sizes(waiting: &mut Waiting, commits: usize) -> Vec<usize> {
        let mut sizes = Vec::new();
        for _ in 0..commits {
            sizes.push(waiting.next().await.unwrap().len());
        }
        sizes
    }

    #[tokio::test]
    async fn a_decision_shares_no_commit_with_content_and_waits_for_one_of_them_at_most() {
        let Queues { writer, mut waiting } = queues();
        for _ in 0..6 {
            writer.write(Queue::Content { bytes: CONTENT_BYTES_PER_COMMIT / 2 }, nothing()).await.unwrap();
        }
        assert_eq!(sizes(&mut waiting, 1).await, [2]);
        for _ in 0..3 {
            writer.write(Queue::Control, nothing()).await.unwrap();
        }
        assert_eq!(sizes(&mut waiting, 1).await, [3], "it has the next one");
        writer.write(Queue::Control, nothing()).await.unwrap();
        assert_eq!(sizes(&mut waiting, 3).await, [2, 1, 2], "and then it is the other's turn");
    }

    #[tokio::test]
    async fn one_post_above_the_bound_has_a_commit_of_its_own() {
        let Queues { writer, mut waiting } = queues();
        for bytes in [1, 2 * CONTENT_BYTES_PER_COMMIT, 1, 1] {
            writer.write(Queue::Content { bytes }, nothing()).await.unwrap();
        }
        assert_eq!(sizes(&mut waiting, 3).await, [1, 1, 2]);
    }

    #[tokio::test]
    async fn what_was_accepted_before_the_end_is_written() {
        let Queues { writer, mut waiting } = queues();
        writer.write(Queue::Content { bytes: 1 }, nothing()).await.unwrap();
        writer.write(Queue::Control, nothing()).await.unwrap();
        let closing = tokio::spawn(writer.close());
        tokio::task::yield_now().await;
        assert_eq!(sizes(&mut waiting, 2).await, [1, 1]);
        assert!(waiting.next().await.is_none());
        drop(waiting);
        closing.await.unwrap();
        let Queues { writer, mut waiting } = queues();
        writer.write(Queue::Content { bytes: 1 }, nothing()).await.unwrap();
        drop(writer);
        assert_eq!(sizes(&mut waiting, 1).await, [1]);
        assert!(waiting.next().await.is_none());
    }
}
