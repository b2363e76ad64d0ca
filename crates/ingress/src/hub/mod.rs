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

/// A bridge counts as online while it waits for work, and this long after its last call, in ms: so long it may take for
/// an item it was given, or rest because it has no room.
const ONLINE_MS: u64 = 15_000;

/// Every session's room, and which bridges were heard of lately.
#[derive(Debug)]
pub(crate) struct Hub {
    rooms: Mutex<BTreeMap<SessionId, Arc<Room>>>,
    bridges: Mutex<BTreeMap<EnvironmentId, Sighting>>,
    work: bell::Sender<u64>,
}

/// When a bridge was heard of, and how many of its calls wait for work now.
#[derive(Debug, Default)]
struct Sighting {
    seen_ms: u64,
    polls: u32,
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
        self.bridges().entry(id.clone()).or_default().seen_ms = now_ms;
    }

    /// Notes that a bridge went away in order.
    pub(crate) fn lost_bridge(&self, id: &EnvironmentId) {
        self.bridges().remove(id);
    }

    /// Notes that a bridge waits for work.
    pub(crate) fn poll_begins(&self, id: &EnvironmentId) {
        self.bridges().entry(id.clone()).or_default().polls += 1;
    }

    /// Notes that it does not any more: it was answered at `answered_ms`, or hung up, which says that it is gone.
    pub(crate) fn poll_ends(&self, id: &EnvironmentId, answered_ms: Option<u64>) {
        let mut bridges = self.bridges();
        let Some(sighting) = bridges.get_mut(id) else { return };
        sighting.polls = sighting.polls.saturating_sub(1);
        match answered_ms {
            Some(now_ms) => sighting.seen_ms = now_ms,
            // Another process may wait in its place.
            None if sighting.polls == 0 => drop(bridges.remove(id)),
            None => {}
        }
    }

    /// Whether a bridge is there.
    pub(crate) fn is_online(&self, id: &EnvironmentId, now_ms: u64) -> bool {
        let is_fresh = |seen_ms: u64| now_ms.saturating_sub(seen_ms) < ONLINE_MS;
        self.bridges().get(id).is_some_and(|bridge| bridge.polls > 0 || is_fresh(bridge.seen_ms))
    }

    fn all(&self) -> Vec<Arc<Room>> {
        self.rooms().values().map(Arc::clone).collect()
    }

    fn rooms(&self) -> MutexGuard<'_, BTreeMap<SessionId, Arc<Room>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bridges(&self) -> MutexGuard<'_, BTreeMap<EnvironmentId, Sighting>> {
        self.bridges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_is_there_while_it_waits_and_gone_as_soon_as_it_hangs_up() {
        let (hub, id) = (Hub::default(), EnvironmentId::parse("e").unwrap());
        hub.poll_begins(&id);
        assert!(hub.is_online(&id, 1_000_000), "however long");
        hub.poll_ends(&id, Some(1_000_000));
        assert!(hub.is_online(&id, 1_000_000 + ONLINE_MS - 1) && !hub.is_online(&id, 1_000_000 + ONLINE_MS));
        hub.poll_begins(&id);
        hub.poll_ends(&id, None);
        assert!(!hub.is_online(&id, 1_000_000));
        hub.poll_begins(&id);
        hub.poll_begins(&id);
        hub.poll_ends(&id, None);
        assert!(hub.is_online(&id, 1_000_000), "the process that came after it waits");
    }
}
