//! GETs of the log: the page a session begins with, and those above it. One at a time; what gets no answer is asked for
//! again, the history with a backoff of its own, the first page with the link's.

use super::backoff::Backoff;
use super::output::PageQuery;
use crate::limits::{FETCH_LOST_MS, PAGE_EVENTS_MAX, TAIL_EVENTS, TAIL_EVENTS_MIN};
use crate::tick::Tick;

/// What a page is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// The session begins with it.
    Tail,
    /// It stands above what is loaded.
    Above,
}

#[derive(Debug)]
struct UnderWay {
    number: u64,
    page: Page,
    lost_at: Tick,
}

#[derive(Debug)]
pub(super) struct Pages {
    under_way: Option<UnderWay>,
    /// Somebody looks for what is above, and it is not drawn yet.
    wanted: bool,
    next_number: u64,
    backoff: Backoff,
    not_before: Option<Tick>,
    /// Halves the first page: on a slow line the same again would fail again.
    tail_failures: u32,
}

impl Pages {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            under_way: None,
            wanted: false,
            next_number: 0,
            backoff: Backoff::new(seed),
            not_before: None,
            tail_failures: 0,
        }
    }

    /// Asks for the newest page.
    pub(super) fn ask_tail(&mut self, now: Tick) -> (u64, PageQuery) {
        let limit = (TAIL_EVENTS >> self.tail_failures.min(16)).max(TAIL_EVENTS_MIN);
        (self.ask(now, Page::Tail), PageQuery { after_seq: None, before_seq: None, limit })
    }

    /// Asks for the page above `before_seq` if it is wanted now.
    pub(super) fn ask_above(&mut self, now: Tick, before_seq: u64) -> Option<(u64, PageQuery)> {
        let due = self.not_before.is_none_or(|at| at <= now);
        if !self.wanted || !due || self.under_way.is_some() {
            return None;
        }
        let query = PageQuery { after_seq: None, before_seq: Some(before_seq), limit: PAGE_EVENTS_MAX };
        Some((self.ask(now, Page::Above), query))
    }

    fn ask(&mut self, now: Tick, page: Page) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        self.not_before = None;
        self.under_way = Some(UnderWay { number, page, lost_at: now.after(FETCH_LOST_MS) });
        number
    }

    /// What the answer of that number is for; `None` when nobody waits for it any more.
    pub(super) fn answered(&mut self, number: u64) -> Option<Page> {
        self.under_way.take_if(|under_way| under_way.number == number).map(|under_way| under_way.page)
    }

    /// The history did not come.
    pub(super) fn failed(&mut self, now: Tick) {
        self.not_before = Some(now.after(self.backoff.next_delay_ms(now)));
    }

    /// The history came.
    pub(super) fn came(&mut self, now: Tick) {
        self.backoff.succeeded(now);
    }

    /// The first page did not come, or did.
    pub(super) fn tail_came(&mut self, came: bool) {
        self.tail_failures = if came { 0 } else { self.tail_failures.saturating_add(1) };
    }

    /// The try to connect ended, and the page that was a part of it. Returns whether there was one.
    pub(super) fn give_up_tail(&mut self) -> bool {
        self.under_way.take_if(|under_way| under_way.page == Page::Tail).is_some()
    }

    /// History that takes too long is asked for again.
    pub(super) fn expire(&mut self, now: Tick) {
        let lost = |under_way: &mut UnderWay| under_way.page == Page::Above && under_way.lost_at <= now;
        if self.under_way.take_if(lost).is_some() {
            self.failed(now);
        }
    }

    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// It is drawn.
    pub(super) fn drawn(&mut self) {
        self.wanted = false;
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// The network came back: no reason to wait.
    pub(super) fn hurry(&mut self) {
        self.not_before = None;
    }

    /// The log is another one, or nobody looks at it any more.
    pub(super) fn forget(&mut self) {
        self.under_way = None;
        self.wanted = false;
        self.not_before = None;
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        match &self.under_way {
            Some(UnderWay { page: Page::Above, lost_at, .. }) => Some(*lost_at),
            Some(UnderWay { page: Page::Tail, .. }) => None,
            None => self.not_before.filter(|_| self.wanted),
        }
    }
}
