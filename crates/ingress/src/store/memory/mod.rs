//! The store in memory, for simulations: the same decisions as over a database, made under one lock, and what a
//! database cannot offer a test. A handle can die as its process does, and the data can be put back to what it was.
//!
//! Writes queue for one writer, take the time of a flush, and are seen only after it, as they are over a disk.

mod devices;
mod log;
mod requests;
mod work;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_protocol::RawJson;
use portcullis_protocol::id::{DeviceId, EnvironmentId, Epoch, Incarnation, SessionId};

use super::{DeviceRow, EnvironmentRow, RequestRow, Result, SessionRow, StoreError, WorkRow};
use crate::seam::{Entropy, mint};

/// What a commit takes: about what a disk needs to flush.
const FLUSH: Duration = Duration::from_millis(2);

/// Everything that is kept.
#[derive(Clone, Debug, Default)]
struct Tables {
    codes: BTreeMap<String, Code>,
    devices: BTreeMap<DeviceId, DeviceRow>,
    tokens: BTreeMap<String, (DeviceId, u64)>,
    environments: BTreeMap<EnvironmentId, Environment>,
    sessions: BTreeMap<SessionId, Session>,
    /// In the order they were queued.
    work: Vec<Item>,
    /// Requests so far, of all sessions.
    asked: u64,
}

#[derive(Clone, Debug)]
struct Code {
    expires_at_ms: u64,
    used: bool,
}

#[derive(Clone, Debug)]
struct Environment {
    row: EnvironmentRow,
    /// Absent once it was deregistered.
    secret_hash: Option<String>,
}

#[derive(Clone, Debug)]
struct Session {
    row: SessionRow,
    /// Whether a person chose the title.
    titled: bool,
    events: Vec<Event>,
    /// Idempotency keys of the uplink: uuid → hash and place.
    uplink: BTreeMap<String, (String, Option<u64>)>,
    incarnations: BTreeMap<Incarnation, Positions>,
    /// Oldest first.
    requests: Vec<RequestRow>,
}

#[derive(Clone, Debug)]
struct Event {
    /// Whether a client said it to the agent.
    up: bool,
    event: RawJson,
}

#[derive(Clone, Copy, Debug, Default)]
struct Positions {
    content_next_n: u64,
    control_next_n: u64,
    ended: bool,
}

#[derive(Clone, Debug)]
struct Item {
    row: WorkRow,
    created_at_ms: u64,
    /// Head of the log when it was handed out.
    claimed_head: u64,
}

/// All the data at one moment; see [`MemoryStore::restore`].
#[derive(Clone, Debug)]
pub struct Snapshot(Tables);

/// What the disk of an ingress holds, and the right of one process to use it.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    disk: Arc<Disk>,
    epoch: Epoch,
    /// Cleared when the process of this handle is gone.
    alive: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Disk {
    tables: Mutex<Tables>,
    epoch: Mutex<Epoch>,
    key: [u8; 32],
    writer: tokio::sync::Mutex<()>,
    losing: AtomicBool,
}

impl MemoryStore {
    /// An empty store with a key and an epoch of its own.
    #[must_use]
    pub fn new(entropy: &dyn Entropy) -> Self {
        let mut key = [0; 32];
        entropy.fill(&mut key);
        let epoch = fresh_epoch(entropy);
        let disk = Disk {
            tables: Mutex::default(),
            epoch: Mutex::new(epoch.clone()),
            key,
            writer: tokio::sync::Mutex::default(),
            losing: AtomicBool::new(false),
        };
        Self { disk: Arc::new(disk), epoch, alive: Arc::new(AtomicBool::new(true)) }
    }

    /// The next process over the same data. Whatever still runs over `self` reads and writes nothing any more, as
    /// after `kill -9`.
    #[must_use]
    pub fn reopen(&self) -> Self {
        self.alive.store(false, Ordering::SeqCst);
        let epoch = self.disk.epoch.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { disk: Arc::clone(&self.disk), epoch, alive: Arc::new(AtomicBool::new(true)) }
    }

    /// The data as it is now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.tables().clone())
    }

    /// Puts the data back to an earlier state, under a fresh epoch: rows that were acknowledged since are gone.
    /// Reopen afterwards; the process that ran over the data before must not go on.
    pub fn restore(&self, snapshot: Snapshot, entropy: &dyn Entropy) {
        self.alive.store(false, Ordering::SeqCst);
        *self.tables() = snapshot.0;
        *self.disk.epoch.lock().unwrap_or_else(PoisonError::into_inner) = fresh_epoch(entropy);
    }

    /// Ends the life of every access token, as time does.
    pub fn expire_tokens(&self) {
        self.tables().tokens.values_mut().for_each(|(_, expires_at_ms)| *expires_at_ms = 0);
    }

    /// Breaks the store on purpose: from now on the worker's next events are acknowledged and not kept. For tests
    /// that show that a checker can fail.
    pub fn lose_the_next_event(&self) {
        self.disk.losing.store(true, Ordering::SeqCst);
    }

    /// The log of a session, in order: what a client said is marked.
    #[must_use]
    pub fn log(&self, id: &SessionId) -> Vec<(u64, bool, RawJson)> {
        let tables = self.tables();
        let events = tables.sessions.get(id).map(|session| session.events.as_slice()).unwrap_or_default();
        (1..).zip(events).map(|(seq, event)| (seq, event.up, event.event.clone())).collect()
    }

    /// The newest place in the log of a session.
    #[must_use]
    pub fn head(&self, id: &SessionId) -> u64 {
        self.tables().sessions.get(id).map_or(0, |session| session.row.head_seq)
    }

    /// Every request of a session, oldest first.
    #[must_use]
    pub fn requests(&self, id: &SessionId) -> Vec<portcullis_protocol::wire::client::Permission> {
        let tables = self.tables();
        let rows = tables.sessions.get(id).map(|session| session.requests.as_slice()).unwrap_or_default();
        rows.iter().map(|row| row.to_wire(true)).collect()
    }

    /// The key the ingress signs with.
    pub(crate) fn key(&self) -> [u8; 32] {
        self.disk.key
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.disk.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_alive(&self) -> Result<()> {
        if self.alive.load(Ordering::SeqCst) { Ok(()) } else { Err(StoreError::Closed) }
    }

    fn read<T>(&self, read: impl FnOnce(&Tables) -> T) -> Result<T> {
        self.check_alive()?;
        Ok(read(&self.tables()))
    }

    /// One transaction. Whoever dies while it is being flushed has not written.
    async fn write<T>(&self, write: impl FnOnce(&mut Tables) -> T) -> Result<T> {
        let turn = self.disk.writer.lock().await;
        self.check_alive()?;
        tokio::time::sleep(FLUSH).await;
        self.check_alive()?;
        let outcome = write(&mut self.tables());
        drop(turn);
        Ok(outcome)
    }
}

fn fresh_epoch(entropy: &dyn Entropy) -> Epoch {
    Epoch::parse(mint(entropy, "e")).expect("hex digits are id characters")
}
