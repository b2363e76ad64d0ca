//! Where the prompts of the log are on their way to the agent. The acknowledgement is cumulative, so a prompt that is
//! done waits for those before it. One that reached stdin may still be lost in the agent's own queue: it counts as
//! read when the agent says that it started, or, if it never speaks of prompts, when it goes on after it.

use std::collections::VecDeque;

#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    acked: u64,
    under_way: VecDeque<Delivery>,
    /// Uuids that reached stdin and that the agent has not read.
    unread: VecDeque<String>,
    /// Whether this process tells what becomes of prompts.
    is_told: bool,
}

#[derive(Debug)]
struct Delivery {
    seq: u64,
    /// Set until the outcome is known.
    uuid: Option<String>,
    /// Whether the agent spoke of it before its receipt came.
    is_read: bool,
}

/// Prompts the agent may leave unread before the oldest is taken as read.
const UNREAD_MAX: usize = 500;

/// Whether a delivery is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    New,
    UnderWay,
    Acked,
}

/// What the agent says of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It knows of it, and may still forget it.
    Queued,
    /// It took it up, or threw it away.
    Read,
}

impl Deliveries {
    pub(crate) fn arrival(&self, seq: u64) -> Arrival {
        if seq <= self.acked {
            Arrival::Acked
        } else if self.under_way.iter().any(|delivery| delivery.seq == seq) {
            Arrival::UnderWay
        } else {
            Arrival::New
        }
    }

    /// The prompt is on its way to stdin.
    pub(crate) fn begin(&mut self, seq: u64, uuid: String) {
        self.under_way.push_back(Delivery { seq, uuid: Some(uuid), is_read: false });
    }

    /// The prompt was dealt with without stdin.
    pub(crate) fn settle(&mut self, seq: u64) -> Option<u64> {
        self.under_way.push_back(Delivery { seq, uuid: None, is_read: false });
        self.advance()
    }

    /// The prompt reached stdin. Returns the new acknowledgement, if it moved.
    pub(crate) fn written(&mut self, uuid: &str) -> Option<u64> {
        let is_it = |delivery: &&mut Delivery| delivery.uuid.as_deref() == Some(uuid);
        let delivery = self.under_way.iter_mut().find(is_it)?;
        let uuid = delivery.uuid.take().filter(|_| !delivery.is_read);
        self.unread.extend(uuid);
        if self.unread.len() > UNREAD_MAX {
            self.unread.pop_front();
        }
        self.advance()
    }

    /// The agent spoke of the prompt. Returns its uuid when it counts as read from now on.
    pub(crate) fn hear(&mut self, uuid: &str, heard: Heard) -> Vec<String> {
        self.is_told = true;
        if heard == Heard::Queued {
            return Vec::new();
        }
        let early = self
            .under_way
            .iter_mut()
            .find(|delivery| !delivery.is_read && delivery.uuid.as_deref() == Some(uuid));
        if let Some(delivery) = early {
            delivery.is_read = true;
            return vec![uuid.to_owned()];
        }
        let before = self.unread.len();
        self.unread.retain(|known| known != uuid);
        if self.unread.len() < before { vec![uuid.to_owned()] } else { Vec::new() }
    }

    /// The agent said something of its own. Returns the prompts that count as read by that.
    pub(crate) fn hear_going_on(&mut self) -> Vec<String> {
        if self.is_told { Vec::new() } else { self.unread.drain(..).collect() }
    }

    /// The process is gone: the uuids of which nobody knows whether it read them, and the new acknowledgement.
    pub(crate) fn abandon(&mut self) -> (Vec<String>, Option<u64>) {
        self.is_told = false;
        let mut unknown: Vec<String> = self.unread.drain(..).collect();
        for delivery in &mut self.under_way {
            unknown.extend(delivery.uuid.take().filter(|_| !delivery.is_read));
        }
        (unknown, self.advance())
    }

    /// Places in the log mean something else from now on. What is on its way to stdin stays known by its uuid.
    pub(crate) fn start_over(&mut self) {
        self.acked = 0;
        let under_way = std::mem::take(&mut self.under_way);
        let unread = under_way.into_iter().filter(|delivery| !delivery.is_read);
        self.unread.extend(unread.filter_map(|delivery| delivery.uuid));
    }

    /// Whether the agent has read everything it was given.
    pub(crate) fn are_read(&self) -> bool {
        self.unread.is_empty() && self.under_way.is_empty()
    }

    pub(crate) fn acked(&self) -> u64 {
        self.acked
    }

    fn advance(&mut self) -> Option<u64> {
        let before = self.acked;
        while let Some(delivery) = self.under_way.front()
            && delivery.uuid.is_none()
        {
            self.acked = self.acked.max(delivery.seq);
            self.under_way.pop_front();
        }
        (self.acked > before).then_some(self.acked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Deliveries {
        let mut deliveries = Deliveries::default();
        for (seq, uuid) in [(1, "a"), (2, "b"), (3, "c")] {
            deliveries.begin(seq, uuid.into());
        }
        deliveries.written("a");
        deliveries.written("b");
        deliveries
    }

    #[test]
    fn acknowledges_nothing_past_a_prompt_that_is_still_under_way() {
        let mut deliveries = Deliveries::default();
        deliveries.begin(3, "a".into());
        assert_eq!(deliveries.settle(5), None);
        assert_eq!(deliveries.arrival(3), Arrival::UnderWay);
        assert_eq!(deliveries.written("a"), Some(5));
        assert_eq!(deliveries.arrival(4), Arrival::Acked);
        assert_eq!(deliveries.arrival(6), Arrival::New);
    }

    #[test]
    fn names_every_prompt_of_which_nobody_knows_whether_it_was_read() {
        let mut deliveries = three();
        assert_eq!(deliveries.hear("a", Heard::Read), ["a"]);
        assert!(deliveries.hear("a", Heard::Read).is_empty(), "said once");
        assert_eq!(deliveries.abandon(), (vec!["b".into(), "c".into()], Some(3)));
    }

    #[test]
    fn a_queued_prompt_is_not_read_and_other_work_does_not_make_it_so() {
        let mut deliveries = three();
        assert!(deliveries.hear("a", Heard::Queued).is_empty());
        assert!(deliveries.hear_going_on().is_empty());
        assert_eq!(deliveries.abandon().0, ["a", "b", "c"]);
    }

    #[test]
    fn an_agent_that_never_speaks_of_prompts_has_read_what_it_was_given_when_it_goes_on() {
        let mut deliveries = three();
        assert_eq!(deliveries.hear_going_on(), ["a", "b"]);
        assert_eq!(deliveries.abandon().0, ["c"]);
    }

    #[test]
    fn a_prompt_that_was_read_before_its_receipt_came_is_read() {
        let mut deliveries = three();
        assert_eq!(deliveries.hear("c", Heard::Read), ["c"]);
        assert!(deliveries.hear("c", Heard::Read).is_empty());
        deliveries.written("c");
        assert_eq!(deliveries.abandon(), (vec!["a".into(), "b".into()], None));
        assert!(deliveries.are_read());
    }
}
