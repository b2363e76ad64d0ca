//! What one socket still has to be told, and how much of it fits now: a position in the log under flow control,
//! volatile events held back until the content before them was sent, and which steps of requests are news.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use portcullis_protocol::limits::{
    FRAME_BYTES_MAX, FRAME_EVENTS_MAX, STREAM_BYTES_MAX, STREAM_EVENTS_MAX, UNACKED_BYTES_MAX,
    UNACKED_EVENTS_MAX,
};
use portcullis_protocol::wire::client::{LiveEvent, PermissionState, SeqEvent};

/// Requests whose last step is remembered per socket; beyond it the finished ones are forgotten.
const STEPS_MAX: usize = 4_096;

/// How much may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub events: usize,
    pub bytes: usize,
}

/// One socket's side of the flow.
#[derive(Debug)]
pub(crate) struct Outflow {
    sent_seq: u64,
    /// Sent and not acknowledged: position and bytes.
    unacked: VecDeque<(u64, usize)>,
    unacked_bytes: usize,
    held: VecDeque<Arc<LiveEvent>>,
    held_bytes: usize,
    steps: HashMap<String, PermissionState>,
}

impl Outflow {
    /// Starts behind `after_seq`.
    pub(crate) fn new(after_seq: u64) -> Self {
        Self {
            sent_seq: after_seq,
            unacked: VecDeque::new(),
            unacked_bytes: 0,
            held: VecDeque::new(),
            held_bytes: 0,
            steps: HashMap::new(),
        }
    }

    /// The last position that was sent.
    pub(crate) fn sent_seq(&self) -> u64 {
        self.sent_seq
    }

    /// Notes that these were sent.
    pub(crate) fn sent(&mut self, events: &[SeqEvent]) {
        for event in events {
            let bytes = event.event.byte_len();
            self.sent_seq = event.seq;
            self.unacked.push_back((event.seq, bytes));
            self.unacked_bytes += bytes;
        }
    }

    /// Notes that everything up to `seq` was applied; returns whether that was news.
    pub(crate) fn acknowledge(&mut self, seq: u64) -> bool {
        let before = self.unacked.len();
        while let Some((sent, bytes)) = self.unacked.front().copied() {
            if sent > seq {
                break;
            }
            self.unacked.pop_front();
            self.unacked_bytes -= bytes;
        }
        self.unacked.len() < before
    }

    /// Whether the reader owes acknowledgements.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.unacked.is_empty()
    }

    /// What fits into the next frame, `None` while the reader has to catch up. One event always fits into an empty
    /// window, whatever its size.
    pub(crate) fn window(&self) -> Option<Window> {
        let events = UNACKED_EVENTS_MAX.saturating_sub(self.unacked.len()).min(FRAME_EVENTS_MAX);
        let bytes = UNACKED_BYTES_MAX.saturating_sub(self.unacked_bytes).min(FRAME_BYTES_MAX);
        (events > 0 && bytes > 0).then_some(Window { events, bytes })
    }

    /// Of `events`, read for the current window, how many may be sent: a first one that is larger than what is left
    /// of a window that holds others waits for them.
    pub(crate) fn admit(&self, events: &[SeqEvent]) -> usize {
        let Some(window) = self.window() else { return 0 };
        let is_too_big = events.first().is_some_and(|first| first.event.byte_len() > window.bytes);
        if is_too_big && self.is_waiting() { 0 } else { events.len() }
    }

    /// Holds a volatile event until its place has come. Above the bound all of them are dropped: the reader's
    /// previews freeze until they are sealed.
    pub(crate) fn hold(&mut self, live: Arc<LiveEvent>) {
        self.held_bytes = self.held_bytes.saturating_add(live.event.byte_len());
        self.held.push_back(live);
        if self.held.len() > STREAM_EVENTS_MAX || self.held_bytes > STREAM_BYTES_MAX {
            self.held.clear();
            self.held_bytes = 0;
        }
    }

    /// Whether volatile events wait whose place has come.
    pub(crate) fn has_live(&self) -> bool {
        self.held.front().is_some_and(|live| live.after_seq <= self.sent_seq)
    }

    /// The volatile events whose place has come, as many as fit into one frame.
    pub(crate) fn take_live(&mut self) -> Vec<LiveEvent> {
        let (mut frame, mut bytes) = (Vec::new(), 0_usize);
        while self.has_live() && frame.len() < FRAME_EVENTS_MAX && bytes < FRAME_BYTES_MAX {
            let Some(live) = self.held.pop_front() else { break };
            bytes += live.event.byte_len();
            self.held_bytes = self.held_bytes.saturating_sub(live.event.byte_len());
            frame.push(Arc::unwrap_or_clone(live));
        }
        frame
    }

    /// Whether this step of a request is news: writers publish side by side, so an older step can come last.
    pub(crate) fn is_news(&mut self, request_id: &str, state: PermissionState) -> bool {
        let is_news = match self.steps.get(request_id) {
            None => true,
            // A new process may use an id again.
            Some(last) if last.is_final() => state == PermissionState::Pending,
            Some(last) => last.may_become(state),
        };
        if is_news {
            if self.steps.len() >= STEPS_MAX {
                self.steps.retain(|_, state| !state.is_final());
            }
            self.steps.insert(request_id.to_owned(), state);
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use portcullis_protocol::RawJson;

    use super::*;

    fn event(seq: u64, bytes: usize) -> SeqEvent {
        SeqEvent { seq, event: RawJson::parse(&format!("\"{}\"", "x".repeat(bytes - 2))).unwrap() }
    }

    fn live(n: u64, after_seq: u64) -> Arc<LiveEvent> {
        Arc::new(LiveEvent { stream: "s".into(), n, after_seq, event: RawJson::null() })
    }

    #[test]
    fn pauses_at_the_bound_and_goes_on_after_an_acknowledgement() {
        let mut flow = Outflow::new(0);
        for first in [1, 257] {
            let window = flow.window().unwrap();
            assert_eq!(window.events, FRAME_EVENTS_MAX);
            flow.sent(&(first..first + 256).map(|seq| event(seq, 10)).collect::<Vec<_>>());
        }
        assert_eq!(flow.window(), None);
        assert!(!flow.acknowledge(0));
        assert!(flow.acknowledge(2));
        assert_eq!(flow.window().unwrap().events, 2);
        flow.acknowledge(u64::MAX);
        assert!(!flow.is_waiting());
    }

    #[test]
    fn one_event_of_any_size_passes_alone() {
        let mut flow = Outflow::new(0);
        let huge = [event(1, UNACKED_BYTES_MAX * 3)];
        assert_eq!(flow.admit(&huge), 1);
        flow.sent(&huge);
        assert_eq!(flow.window(), None);
        flow.acknowledge(1);
        flow.sent(&[event(2, 10)]);
        assert_eq!(flow.admit(&[event(3, UNACKED_BYTES_MAX * 3)]), 0, "it waits until the window is empty");
    }

    #[test]
    fn volatile_events_wait_for_the_content_before_them() {
        let mut flow = Outflow::new(4);
        flow.hold(live(0, 4));
        flow.hold(live(1, 5));
        assert_eq!(flow.take_live().len(), 1);
        assert!(!flow.has_live());
        flow.sent(&[event(5, 10)]);
        assert_eq!(flow.take_live()[0].n, 1);
    }

    #[test]
    fn volatile_events_above_the_bound_are_dropped() {
        let mut flow = Outflow::new(0);
        for n in 0..=u64::try_from(STREAM_EVENTS_MAX).unwrap() {
            flow.hold(live(n, 1));
        }
        flow.sent(&[event(1, 10)]);
        assert!(!flow.has_live());
    }

    #[test]
    fn a_step_that_was_overtaken_is_no_news() {
        let mut flow = Outflow::new(0);
        assert!(flow.is_news("R", PermissionState::Cancelled));
        assert!(!flow.is_news("R", PermissionState::Decided));
        assert!(flow.is_news("R", PermissionState::Pending), "a new process uses the id again");
        assert!(flow.is_news("R", PermissionState::Decided));
        assert!(!flow.is_news("R", PermissionState::Pending));
        assert!(flow.is_news("R", PermissionState::Settled));
    }
}
