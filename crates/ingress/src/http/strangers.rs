//! Sockets that have not said who they are. There is room for a few; when it is full, the one that has been silent
//! longest goes, so that holding the room with silence keeps nobody out.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Sockets that have not said who they are, at once.
const STRANGERS_MAX: usize = 64;

/// The room.
#[derive(Debug, Default)]
pub(crate) struct Strangers(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    next_id: u64,
    /// Oldest first; dropping the sender takes the place away.
    places: VecDeque<(u64, oneshot::Sender<()>)>,
}

/// A place in it; dropping it leaves.
#[derive(Debug)]
pub(super) struct Place<'a> {
    room: &'a Strangers,
    id: u64,
    taken: oneshot::Receiver<()>,
}

impl Strangers {
    /// Takes a place, from the one who waits longest when there is none.
    pub(super) fn enter(&self) -> Place<'_> {
        let mut waiting = self.lock();
        if waiting.places.len() >= STRANGERS_MAX {
            waiting.places.pop_front();
        }
        waiting.next_id += 1;
        let id = waiting.next_id;
        let (keep, taken) = oneshot::channel();
        waiting.places.push_back((id, keep));
        Place { room: self, id, taken }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// Ends when the place went to somebody else.
    pub(super) async fn lost(&mut self) {
        let _ = (&mut self.taken).await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.room.lock().places.retain(|(id, _)| *id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_newcomer_takes_the_place_of_the_one_who_was_silent_longest() {
        let strangers = Strangers::default();
        let mut places: Vec<_> = (0..STRANGERS_MAX).map(|_| strangers.enter()).collect();
        assert!(places.iter_mut().all(|place| place.lost().now_or_never().is_none()));
        let mut newcomer = strangers.enter();
        let lost: Vec<bool> = places.iter_mut().map(|place| place.lost().now_or_never().is_some()).collect();
        assert!(lost[0] && lost[1..].iter().all(|lost| !lost));
        assert!(newcomer.lost().now_or_never().is_none());
    }

    #[test]
    fn who_said_who_he_is_makes_room() {
        let strangers = Strangers::default();
        let mut first = strangers.enter();
        for _ in 0..2 * STRANGERS_MAX {
            drop(strangers.enter());
        }
        assert!(first.lost().now_or_never().is_none());
    }
}
