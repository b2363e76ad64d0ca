//! How long an ingress may leave it open where an earlier life of the bridge stands. One of an older version closes the
//! link without a word when another bridge spoke for the session since; waiting for its word would be waiting for ever.

use portcullis_protocol::Tick;

/// Time in which a word may come, in ms: longer than a restart of the ingress and than any line that is only slow.
pub(super) const HELLO_WAIT_MS: u64 = 180_000;
/// Links on which it was asked for in vain, unless one of them stood open all the time.
const ATTACHES_MIN: u32 = 6;

/// What was asked for and not answered.
#[derive(Debug, Default)]
pub(super) struct Unheard {
    attaches: u32,
    since: Option<Tick>,
    linked_at: Option<Tick>,
}

impl Unheard {
    /// It was asked for on a link that opened now.
    pub(super) fn ask(&mut self, now: Tick) {
        self.attaches = self.attaches.saturating_add(1);
        self.since.get_or_insert(now);
        self.linked_at = Some(now);
    }

    /// The link is gone.
    pub(super) fn unlink(&mut self) {
        self.linked_at = None;
    }

    /// Whether nothing comes any more.
    pub(super) fn is_over(&self, now: Tick) -> bool {
        let has_passed = |since: Option<Tick>| since.is_some_and(|since| now >= since.after(HELLO_WAIT_MS));
        has_passed(self.since) && (self.attaches > ATTACHES_MIN || has_passed(self.linked_at))
    }

    /// When that may be so without anything else happening.
    pub(super) fn deadline(&self) -> Option<Tick> {
        self.linked_at.map(|at| at.after(HELLO_WAIT_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_many_links_in_short_time_nor_few_in_long_are_enough() {
        let mut unheard = Unheard::default();
        for _ in 0..100 {
            unheard.ask(Tick(0));
        }
        assert!(!unheard.is_over(Tick(HELLO_WAIT_MS - 1)));
        assert!(unheard.is_over(Tick(HELLO_WAIT_MS)));
        let mut unheard = Unheard::default();
        for at in 0..6 {
            unheard.ask(Tick(at * HELLO_WAIT_MS));
            assert!(!unheard.is_over(Tick(at * HELLO_WAIT_MS)), "the {at}th");
            unheard.unlink();
        }
        assert_eq!((unheard.is_over(Tick(u64::MAX)), unheard.deadline()), (false, None));
        unheard.ask(Tick(6 * HELLO_WAIT_MS));
        assert!(unheard.is_over(Tick(6 * HELLO_WAIT_MS)));
    }

    #[test]
    fn one_link_that_stands_open_and_says_nothing_is_enough() {
        let mut unheard = Unheard::default();
        unheard.ask(Tick(5));
        assert_eq!(unheard.deadline(), Some(Tick(5 + HELLO_WAIT_MS)));
        assert!(!unheard.is_over(Tick(4 + HELLO_WAIT_MS)) && unheard.is_over(Tick(5 + HELLO_WAIT_MS)));
    }
}
