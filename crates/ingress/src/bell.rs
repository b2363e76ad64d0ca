//! A value that many wait for, like tokio's `watch`, whose waiters are woken in the order in which they began to wait.
//! `watch` wakes them in a random one, and then no run of a simulation would ever come again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

#[derive(Debug)]
struct Tower<T> {
    state: Mutex<State<T>>,
    rung: Notify,
}

#[derive(Clone, Copy, Debug)]
struct State<T> {
    value: T,
    /// How often the value was changed.
    version: u64,
    is_closed: bool,
}

/// Changes the value; dropping it ends every wait.
#[derive(Debug)]
pub(crate) struct Sender<T>(Arc<Tower<T>>);

/// Waits for changes, and knows which it has seen.
#[derive(Clone, Debug)]
pub(crate) struct Receiver<T> {
    tower: Arc<Tower<T>>,
    seen: u64,
}

/// The sender is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

impl<T: Copy> Sender<T> {
    pub(crate) fn new(value: T) -> Self {
        let state = State { value, version: 0, is_closed: false };
        Self(Arc::new(Tower { state: Mutex::new(state), rung: Notify::new() }))
    }

    /// A receiver that has seen the value as it is.
    pub(crate) fn subscribe(&self) -> Receiver<T> {
        let seen = self.0.lock().version;
        Receiver { tower: Arc::clone(&self.0), seen }
    }

    pub(crate) fn get(&self) -> T {
        self.0.lock().value
    }

    pub(crate) fn set(&self, value: T) {
        self.set_if(|_| Some(value));
    }

    /// Sets what `change` makes of the value, if it makes anything; only then anybody is woken.
    pub(crate) fn set_if(&self, change: impl FnOnce(T) -> Option<T>) {
        let mut state = self.0.lock();
        if let Some(value) = change(state.value) {
            state.value = value;
            state.version += 1;
            drop(state);
            self.0.rung.notify_waiters();
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.rung.notify_waiters();
    }
}

impl<T: Copy> Receiver<T> {
    pub(crate) fn get(&self) -> T {
        self.tower.lock().value
    }

    /// The value, which counts as seen.
    pub(crate) fn see(&mut self) -> T {
        let state = *self.tower.lock();
        self.seen = state.version;
        state.value
    }

    /// Waits until the value is one that was not seen, and sees it. Cancel-safe.
    ///
    /// # Errors
    /// [`Closed`] when nobody can change it any more.
    pub(crate) async fn changed(&mut self) -> Result<(), Closed> {
        loop {
            // Listening begins before looking, so that no change falls in between.
            let mut rung = std::pin::pin!(self.tower.rung.notified());
            rung.as_mut().enable();
            let state = *self.tower.lock();
            if state.version != self.seen {
                self.seen = state.version;
                return Ok(());
            }
            if state.is_closed {
                return Err(Closed);
            }
            rung.await;
        }
    }
}

impl<T> Tower<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_change_is_seen_once_by_each_who_waits() {
        let bell = Sender::new(0);
        let (mut first, mut second) = (bell.subscribe(), bell.subscribe());
        assert_eq!(first.changed().now_or_never(), None);
        bell.set(1);
        bell.set_if(|value| (value == 0).then_some(9));
        assert_eq!(first.changed().now_or_never(), Some(Ok(())));
        assert_eq!(first.changed().now_or_never(), None);
        assert_eq!((second.see(), second.changed().now_or_never()), (1, None));
        assert_eq!(bell.subscribe().changed().now_or_never(), None, "who comes later has seen it");
    }

    #[test]
    fn a_wait_that_was_given_up_misses_nothing() {
        let bell = Sender::new(0);
        let mut waiting = bell.subscribe();
        drop(waiting.changed());
        bell.set(1);
        assert_eq!(waiting.changed().now_or_never(), Some(Ok(())));
    }

    #[tokio::test]
    async fn waiters_are_woken_in_the_order_in_which_they_came() {
        let bell = Sender::new(0);
        let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
        for number in 0..20 {
            let (mut bell, said) = (bell.subscribe(), said.clone());
            tokio::spawn(async move {
                bell.changed().await.unwrap();
                said.send(number).unwrap();
            });
        }
        tokio::task::yield_now().await;
        bell.set(1);
        drop(said);
        let mut order = Vec::new();
        while let Some(number) = heard.recv().await {
            order.push(number);
        }
        assert_eq!(order, (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn the_end_of_the_sender_ends_every_wait() {
        let bell = Sender::new(0);
        let mut waiting = bell.subscribe();
        drop(bell);
        assert_eq!(waiting.changed().now_or_never(), Some(Err(Closed)));
    }
}
