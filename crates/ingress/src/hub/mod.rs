//! Who listens to what: per session the sockets of its readers, the link of its worker and the previews of what is
//! being streamed. Nothing here waits, and nothing here is the truth: the store is, the hub rings the bell.

pub(crate) mod outflow;
mod room;
mod streams;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_protocol::id::{DeviceId, EnvironmentId, SessionId};
use portcullis_protocol::wire::close;

use crate::bell;
pub(crate) use room::{Forward, Joined, NotForwarded, Note, Room, WorkerLink};

/// A bridge counts as online this long after its last call, in ms: a poll blocks for up to 30 s, and one that has no
/// room for work still sends heartbeats every 45 s at the latest.
const ONLINE_MS: u64 = 60_000;

/// Every session's room, and which bridges were heard of lately.
#[derive(Debug)]
pub(crate) struct Hub {
    rooms: Mutex<BTreeMap<SessionId, Arc<Room>>>,
    bridges: Mutex<BTreeMap<EnvironmentId, u64>>,
    work: bell::Sender<u64>,
}

impl Default for Hub {
    fn default() -> Self {
        Self { rooms: Mutex::default(), bridges: Mutex::default(), work: bell::Sender::new(0) }
    }
}

impl Hub {
    /// The room of a session; made when somebody comes first.
    pub(crate) fn room(&self, id: &SessionId) -> Arc<Room> {
        Arc::clone(self.rooms().entry(id.clone()).or_default())
    }

    /// Ends every socket of a device: it was revoked, or logged out.
    pub(crate) fn close_device(&self, device: &DeviceId) {
        for room in self.all() {
            room.close_device(device, close::REFUSED, "this device is no longer let in");
        }
    }

    /// Lets every socket of a device come back under its new role.
    pub(crate) fn close_device_softly(&self, device: &DeviceId) {
        for room in self.all() {
            room.close_device(device, close::RESTART, "the role of this device changed");
        }
    }

    /// Tells every reader that the server is about to go.
    pub(crate) fn say_goaway(&self) {
        for room in self.all() {
            room.tell(&Note::Goaway);
            room.tell(&Note::Close(close::RESTART, "the server restarts"));
            room.drop_worker();
        }
    }

    /// Sessions whose worker is attached now.
    pub(crate) fn attached(&self) -> Vec<SessionId> {
        let rooms = self.rooms();
        rooms.iter().filter(|(_, room)| room.is_attached()).map(|(id, _)| id.clone()).collect()
    }

    /// Rings for everybody who polls for work.
    pub(crate) fn ring_work(&self) {
        self.work.set_if(|rung| Some(rung.wrapping_add(1)));
    }

    /// The bell of the work queues.
    pub(crate) fn work_bell(&self) -> bell::Receiver<u64> {
        self.work.subscribe()
    }

    /// Notes that a bridge was heard of.
    pub(crate) fn saw_bridge(&self, id: &EnvironmentId, now_ms: u64) {
        self.bridges().insert(id.clone(), now_ms);
    }

    /// Notes that a bridge went away.
    pub(crate) fn lost_bridge(&self, id: &EnvironmentId) {
        self.bridges().remove(id);
    }

    /// Whether a bridge was heard of lately.
    pub(crate) fn is_online(&self, id: &EnvironmentId, now_ms: u64) -> bool {
        self.bridges().get(id).is_some_and(|seen| now_ms.saturating_sub(*seen) < ONLINE_MS)
    }

    fn all(&self) -> Vec<Arc<Room>> {
        self.rooms().values().map(Arc::clone).collect()
    }

    fn rooms(&self) -> MutexGuard<'_, BTreeMap<SessionId, Arc<Room>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bridges(&self) -> MutexGuard<'_, BTreeMap<EnvironmentId, u64>> {
        self.bridges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
