//! Where the prompts of the log are on their way to the agent's stdin. The acknowledgement is cumulative, so a
//! prompt that is done waits for those before it.

use std::collections::VecDeque;

#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    acked: u64,
    under_way: VecDeque<Delivery>,
    /// Uuids that reached stdin and that the agent has not confirmed.
    unconfirmed: VecDeque<String>,
}

#[derive(Debug)]
struct Delivery {
    seq: u64,
    /// Set until the outcome is known.
    uuid: Option<String>,
}

/// Prompts the agent may be silent about before the oldest is taken as confirmed.
const UNCONFIRMED_MAX: usize = 500;

/// Whether a delivery is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    New,
    UnderWay,
    Acked,
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
        self.under_way.push_back(Delivery { seq, uuid: Some(uuid) });
    }

    /// The prompt was dealt with without stdin.
    pub(crate) fn settle(&mut self, seq: u64) -> Option<u64> {
        self.under_way.push_back(Delivery { seq, uuid: None });
        self.advance()
    }

    /// The prompt reached stdin. Returns the new acknowledgement, if it moved.
    pub(crate) fn written(&mut self, seq: u64) -> Option<u64> {
        let delivery = self.under_way.iter_mut().find(|delivery| delivery.seq == seq)?;
        if let Some(uuid) = delivery.uuid.take() {
            self.unconfirmed.push_back(uuid);
            if self.unconfirmed.len() > UNCONFIRMED_MAX {
                self.unconfirmed.pop_front();
            }
        }
        self.advance()
    }

    /// The agent spoke about the prompt.
    pub(crate) fn confirm(&mut self, uuid: &str) {
        self.unconfirmed.retain(|known| known != uuid);
    }

    /// The process is gone: the uuids of which nobody knows whether it read them, and the new acknowledgement.
    pub(crate) fn abandon(&mut self) -> (Vec<String>, Option<u64>) {
        let mut unknown: Vec<String> = self.unconfirmed.drain(..).collect();
        unknown.extend(self.under_way.iter_mut().filter_map(|delivery| delivery.uuid.take()));
        (unknown, self.advance())
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

    #[test]
    fn acknowledges_nothing_past_a_prompt_that_is_still_under_way() {
        let mut deliveries = Deliveries::default();
        deliveries.begin(3, "a".into());
        assert_eq!(deliveries.settle(5), None);
        assert_eq!(deliveries.arrival(3), Arrival::UnderWay);
        assert_eq!(deliveries.written(3), Some(5));
        assert_eq!(deliveries.arrival(4), Arrival::Acked);
        assert_eq!(deliveries.arrival(6), Arrival::New);
    }

    #[test]
    fn names_every_prompt_of_which_nobody_knows_whether_it_was_read() {
        let mut deliveries = Deliveries::default();
        for (seq, uuid) in [(1, "a"), (2, "b"), (3, "c")] {
            deliveries.begin(seq, uuid.into());
        }
        deliveries.written(1);
        deliveries.written(2);
        deliveries.confirm("a");
        assert_eq!(deliveries.abandon(), (vec!["b".into(), "c".into()], Some(3)));
    }
}
