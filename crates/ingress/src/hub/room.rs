//! One session's room: its readers' seats, its worker's link, its previews. Every method takes the lock for a few
//! instructions and waits for nobody: a reader that does not keep up loses volatile events first, then his seat.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_protocol::RawJson;
use portcullis_protocol::id::{DeviceId, Incarnation};
use portcullis_protocol::json::Header;
use portcullis_protocol::limits::{SOCKETS_PER_DEVICE_MAX, UUID_RING_MAX};
use portcullis_protocol::wire::client::{LiveEvent, Presence, WorkerStatus};
use portcullis_protocol::wire::worker::{ControlDown, WorkerDown, WorkerState};
use tokio::sync::mpsc;

use super::streams::Streams;
use crate::bell;
use crate::store::RequestRow;

/// Notes that wait for one socket: every step of all requests that can be open, and room for the rest.
const NOTES_WAITING_MAX: usize = 2_048;
/// Volatile events that wait for one socket.
const LIVE_WAITING_MAX: usize = 2_048;
/// Frames that wait for a worker: decisions of all requests that can wait, and controls.
const DOWN_WAITING_MAX: usize = 512;

/// Places among them that controls leave free: a client that asks without end neither holds a decision up nor costs
/// the worker its link.
const DOWN_RESERVED: usize = DOWN_WAITING_MAX / 2;

/// A control request on its way to the worker.
#[derive(Debug)]
pub(crate) struct Forward {
    /// Whose it is, and under which uuid.
    pub key: String,
    /// SHA-256 over what the client sent.
    pub hash: String,
    pub frame: ControlDown,
}

/// Why control requests were not forwarded: none of them was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotForwarded {
    /// The uuid of the one at `index` came before with other bytes.
    OtherBytes { index: usize },
    /// No worker is attached.
    Offline,
    /// Too many frames wait for the worker.
    Busy,
}

/// Something a socket is told at once, never behind content.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    Permission(Arc<RequestRow>),
    Reply { request_id: String, event: RawJson },
    Worker(Box<WorkerStatus>),
    Goaway,
    Close(u16, &'static str),
}

/// Why there is no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JoinError {
    #[error("this device has {SOCKETS_PER_DEVICE_MAX} sockets on this session already")]
    TooMany,
}

/// One session's room.
#[derive(Debug)]
pub(crate) struct Room {
    head: bell::Sender<u64>,
    inner: Mutex<Inner>,
}

impl Default for Room {
    fn default() -> Self {
        Self { head: bell::Sender::new(0), inner: Mutex::default() }
    }
}

#[derive(Debug, Default)]
struct Inner {
    next_id: u64,
    seats: Vec<Seat>,
    worker: Option<Worker>,
    worker_state: Option<WorkerState>,
    delivered_seq: Option<u64>,
    streams: Streams,
    /// Uuids of control requests that were forwarded: they are not logged, and a repeated POST must not ask twice.
    controls: VecDeque<(String, String)>,
}

#[derive(Debug)]
struct Seat {
    id: u64,
    device: DeviceId,
    notes: mpsc::Sender<Note>,
    live: mpsc::Sender<Arc<LiveEvent>>,
}

#[derive(Debug)]
struct Worker {
    id: u64,
    device: DeviceId,
    incarnation: Incarnation,
    down: mpsc::Sender<WorkerDown>,
}

/// A reader's seat; dropping it leaves the room.
#[derive(Debug)]
pub(crate) struct Joined {
    room: Arc<Room>,
    id: u64,
    pub notes: mpsc::Receiver<Note>,
    pub live: mpsc::Receiver<Arc<LiveEvent>>,
    pub head: bell::Receiver<u64>,
    /// Previews of what is being streamed, up to this moment; what follows comes through `live`.
    pub replay: Vec<Arc<LiveEvent>>,
}

/// The worker's end of its link; dropping it makes the session offline.
#[derive(Debug)]
pub(crate) struct WorkerLink {
    room: Arc<Room>,
    id: u64,
    pub down: mpsc::Receiver<WorkerDown>,
    pub head: bell::Receiver<u64>,
}

impl Room {
    /// Takes a seat for a socket of `device`.
    pub(crate) fn join(self: &Arc<Self>, device: &DeviceId) -> Result<Joined, JoinError> {
        let mut inner = self.lock();
        if inner.seats.iter().filter(|seat| seat.device == *device).count() >= SOCKETS_PER_DEVICE_MAX {
            return Err(JoinError::TooMany);
        }
        let (notes, noted) = mpsc::channel(NOTES_WAITING_MAX);
        let (live, lived) = mpsc::channel(LIVE_WAITING_MAX);
        let id = inner.take_id();
        inner.seats.push(Seat { id, device: device.clone(), notes, live });
        let replay = inner.streams.replay();
        Ok(Joined {
            room: Arc::clone(self),
            id,
            notes: noted,
            live: lived,
            head: self.head.subscribe(),
            replay,
        })
    }

    /// Links a worker, in the place of whoever was linked before.
    pub(crate) fn attach(self: &Arc<Self>, device: &DeviceId, incarnation: &Incarnation) -> WorkerLink {
        let mut inner = self.lock();
        let (down, downs) = mpsc::channel(DOWN_WAITING_MAX);
        let id = inner.take_id();
        if inner.worker.as_ref().is_some_and(|before| before.incarnation != *incarnation) {
            inner.streams.clear();
        }
        let incarnation = incarnation.clone();
        inner.worker = Some(Worker { id, device: device.clone(), incarnation, down });
        inner.tell_worker();
        WorkerLink { room: Arc::clone(self), id, down: downs, head: self.head.subscribe() }
    }

    /// The log grew to `seq`.
    pub(crate) fn advance(&self, seq: u64) {
        self.head.set_if(|head| Some(seq).filter(|seq| *seq > head));
    }

    /// Every prompt up to `seq` was written to the agent's stdin; readers are told when that is news.
    pub(crate) fn deliver(&self, seq: u64) {
        let seq = seq.min(self.head());
        let mut inner = self.lock();
        if inner.delivered_seq.unwrap_or_default() < seq {
            inner.delivered_seq = Some(seq);
            inner.tell_worker();
        }
    }

    /// The newest known position of the log.
    pub(crate) fn head(&self) -> u64 {
        self.head.get()
    }

    /// A durable event was logged: previews it made final are dropped.
    pub(crate) fn seal(&self, event: &Header) {
        self.lock().streams.seal(event);
    }

    /// Sends a volatile event of `incarnation` to every reader. Who has no room for it loses it.
    pub(crate) fn stream(&self, stream: String, n: u64, event: RawJson) {
        let mut inner = self.lock();
        let after_seq = self.head.get();
        let live = Arc::new(LiveEvent { stream, n, after_seq, event });
        if inner.streams.keep(&live) {
            for seat in &inner.seats {
                let _ = seat.live.try_send(Arc::clone(&live));
            }
        }
    }

    /// Tells every reader; who has no room even for this loses his seat.
    pub(crate) fn tell(&self, note: &Note) {
        self.lock().tell(note);
    }

    /// Tells the sockets of `device` alone.
    pub(crate) fn reply(&self, device: &DeviceId, request_id: String, event: RawJson) {
        let note = Note::Reply { request_id, event };
        self.lock().seats.retain(|seat| seat.device != *device || seat.notes.try_send(note.clone()).is_ok());
    }

    /// The worker reported its state.
    pub(crate) fn report(&self, state: WorkerState) {
        let mut inner = self.lock();
        inner.worker_state = Some(state);
        inner.tell_worker();
    }

    /// The agent process ended: what it was streaming will not go on.
    pub(crate) fn end_streams(&self) {
        self.lock().streams.clear();
    }

    /// Hands a frame to the worker; `false` when none is attached or it does not keep up.
    pub(crate) fn send_down(&self, frame: WorkerDown) -> bool {
        let mut inner = self.lock();
        let Some(worker) = &inner.worker else { return false };
        let taken = worker.down.try_send(frame).is_ok();
        if !taken {
            inner.worker = None;
            inner.tell_worker();
        }
        taken
    }

    /// Ends the worker's link.
    pub(crate) fn drop_worker(&self) {
        self.lock().worker = None;
    }

    /// Whether a worker is attached.
    pub(crate) fn is_attached(&self) -> bool {
        self.lock().worker.is_some()
    }

    /// The incarnation of the attached worker.
    pub(crate) fn incarnation(&self) -> Option<Incarnation> {
        self.lock().worker.as_ref().map(|worker| worker.incarnation.clone())
    }

    /// Presence and the last reported state, or `stored` when none was reported to this process.
    pub(crate) fn worker_status(&self, stored: Option<&WorkerState>) -> WorkerStatus {
        let inner = self.lock();
        let mut status = inner.worker_status();
        if status.worker_state.is_none() {
            status.worker_state = stored.cloned();
        }
        status
    }

    /// Forwards control requests to the worker, all or none; tells for each whether it is new.
    pub(crate) fn forward(&self, controls: Vec<Forward>) -> Result<Vec<bool>, NotForwarded> {
        let mut inner = self.lock();
        let mut news = Vec::with_capacity(controls.len());
        for (index, control) in controls.iter().enumerate() {
            let before = inner.controls.iter().map(|(key, hash)| (key, hash));
            let beside = controls[..index].iter().map(|other| (&other.key, &other.hash));
            let known = before.chain(beside).find(|(key, _)| **key == control.key);
            if known.is_some_and(|(_, hash)| *hash != control.hash) {
                return Err(NotForwarded::OtherBytes { index });
            }
            news.push(known.is_none());
        }
        let count = news.iter().filter(|is_new| **is_new).count();
        if count == 0 {
            return Ok(news);
        }
        let worker = inner.worker.as_ref().ok_or(NotForwarded::Offline)?;
        if worker.down.is_closed() {
            return Err(NotForwarded::Offline);
        }
        if worker.down.capacity() < DOWN_RESERVED + count {
            return Err(NotForwarded::Busy);
        }
        let down = worker.down.clone();
        for (Forward { key, hash, frame }, _) in
            controls.into_iter().zip(&news).filter(|(_, is_new)| **is_new)
        {
            // Only this lock lets anybody send, so the places are still there.
            let _ = down.try_send(WorkerDown::Control(frame));
            if inner.controls.len() >= UUID_RING_MAX {
                inner.controls.pop_front();
            }
            inner.controls.push_back((key, hash));
        }
        Ok(news)
    }

    /// Ends every socket of a device.
    pub(crate) fn close_device(&self, device: &DeviceId, code: u16, why: &'static str) {
        let mut inner = self.lock();
        for seat in inner.seats.iter().filter(|seat| seat.device == *device) {
            let _ = seat.notes.try_send(Note::Close(code, why));
        }
        inner.seats.retain(|seat| seat.device != *device);
        if inner.worker.as_ref().is_some_and(|worker| worker.device == *device) {
            inner.worker = None;
            inner.tell_worker();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn tell(&mut self, note: &Note) {
        self.seats.retain(|seat| seat.notes.try_send(note.clone()).is_ok());
    }

    fn tell_worker(&mut self) {
        let status = self.worker_status();
        self.tell(&Note::Worker(Box::new(status)));
    }

    fn worker_status(&self) -> WorkerStatus {
        let state = if self.worker.is_some() { Presence::Online } else { Presence::Offline };
        WorkerStatus { state, worker_state: self.worker_state.clone(), delivered_seq: self.delivered_seq }
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        let id = self.id;
        self.room.lock().seats.retain(|seat| seat.id != id);
    }
}

impl Drop for WorkerLink {
    fn drop(&mut self) {
        let mut inner = self.room.lock();
        if inner.worker.as_ref().is_some_and(|worker| worker.id == self.id) {
            inner.worker = None;
            inner.tell_worker();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str) -> DeviceId {
        DeviceId::parse(name).unwrap()
    }

    fn delta(n: u64) -> (String, u64, RawJson) {
        ("s".to_owned(), n, RawJson::parse(r#"{"type":"stream_event","event":{"type":"x"}}"#).unwrap())
    }

    fn stream(room: &Room, n: u64) {
        let (stream, n, event) = delta(n);
        room.stream(stream, n, event);
    }

    #[test]
    fn a_joiner_gets_each_preview_exactly_once() {
        let room = Arc::new(Room::default());
        stream(&room, 0);
        let mut joined = room.join(&device("a")).unwrap();
        stream(&room, 1);
        stream(&room, 1);
        assert_eq!(joined.replay.iter().map(|live| live.n).collect::<Vec<_>>(), [0]);
        assert_eq!(joined.live.try_recv().unwrap().n, 1);
        assert!(joined.live.try_recv().is_err());
    }

    #[test]
    fn a_reader_that_reads_nothing_loses_volatile_events_and_keeps_his_seat() {
        let room = Arc::new(Room::default());
        let mut slow = room.join(&device("a")).unwrap();
        for n in 0..5_000 {
            stream(&room, n);
        }
        room.tell(&Note::Goaway);
        assert!(matches!(slow.notes.try_recv(), Ok(Note::Goaway)));
        assert!(slow.live.len() < 5_000);
    }

    #[test]
    fn a_reader_without_room_for_notes_loses_his_seat_and_nobody_else_does() {
        let room = Arc::new(Room::default());
        let slow = room.join(&device("slow")).unwrap();
        let mut quick = room.join(&device("quick")).unwrap();
        for _ in 0..=NOTES_WAITING_MAX {
            room.tell(&Note::Goaway);
            assert!(quick.notes.try_recv().is_ok());
        }
        assert!(slow.notes.is_closed());
        assert!(!quick.notes.is_closed());
    }

    #[test]
    fn a_device_has_a_bounded_number_of_seats_and_gets_one_back_when_it_leaves() {
        let room = Arc::new(Room::default());
        let mut seats: Vec<_> =
            (0..SOCKETS_PER_DEVICE_MAX).map(|_| room.join(&device("a")).unwrap()).collect();
        assert!(matches!(room.join(&device("a")), Err(JoinError::TooMany)));
        assert!(room.join(&device("b")).is_ok());
        seats.pop();
        assert!(room.join(&device("a")).is_ok());
    }

    #[test]
    fn a_replaced_worker_does_not_take_its_successor_offline() {
        let room = Arc::new(Room::default());
        let incarnation = Incarnation::parse("i").unwrap();
        let old = room.attach(&device("b"), &incarnation);
        let new = room.attach(&device("b"), &incarnation);
        drop(old);
        assert!(room.is_attached());
        drop(new);
        assert!(!room.is_attached());
    }

    fn control(key: &str, hash: &str) -> Forward {
        let frame = ControlDown {
            device_id: device("a"),
            request_id: key.into(),
            needs_policy: false,
            event: RawJson::null(),
        };
        Forward { key: key.into(), hash: hash.into(), frame }
    }

    #[test]
    fn controls_are_forwarded_once_all_or_none_and_never_with_other_bytes() {
        let room = Arc::new(Room::default());
        assert_eq!(room.forward(vec![control("a", "1")]), Err(NotForwarded::Offline));
        let mut link = room.attach(&device("b"), &Incarnation::parse("i").unwrap());
        let twins = vec![control("a", "1"), control("b", "1"), control("a", "2")];
        assert_eq!(room.forward(twins), Err(NotForwarded::OtherBytes { index: 2 }));
        assert!(link.down.try_recv().is_err(), "nothing of a refused POST was sent");
        assert_eq!(room.forward(vec![control("a", "1"), control("a", "1")]), Ok(vec![true, false]));
        assert_eq!(room.forward(vec![control("a", "1")]), Ok(vec![false]));
        assert_eq!(room.forward(vec![control("a", "2")]), Err(NotForwarded::OtherBytes { index: 0 }));
        assert!(link.down.try_recv().is_ok());
        assert!(link.down.try_recv().is_err(), "asked once");
    }

    #[test]
    fn a_flood_of_controls_leaves_the_worker_its_link_and_room_for_decisions() {
        let room = Arc::new(Room::default());
        let link = room.attach(&device("b"), &Incarnation::parse("i").unwrap());
        let mut sent = 0;
        while room.forward(vec![control(&sent.to_string(), "1")]).is_ok() {
            sent += 1;
        }
        assert_eq!(room.forward(vec![control("next", "1")]), Err(NotForwarded::Busy));
        assert_eq!(sent, DOWN_WAITING_MAX - DOWN_RESERVED);
        assert!(room.is_attached() && room.send_down(WorkerDown::KeepAlive));
        drop(link);
    }

    #[test]
    fn a_reply_reaches_the_asking_device_alone() {
        let room = Arc::new(Room::default());
        let mut asking = room.join(&device("a")).unwrap();
        let mut other = room.join(&device("b")).unwrap();
        room.reply(&device("a"), "r1".into(), RawJson::null());
        assert!(matches!(asking.notes.try_recv(), Ok(Note::Reply { .. })));
        assert!(other.notes.try_recv().is_err());
    }

    #[test]
    fn a_revoked_device_is_told_so_and_leaves() {
        let room = Arc::new(Room::default());
        let mut joined = room.join(&device("a")).unwrap();
        room.close_device(&device("a"), 4003, "revoked");
        assert!(matches!(joined.notes.try_recv(), Ok(Note::Close(4003, _))));
        assert!(joined.notes.is_closed());
    }
}
