//! GETs of the log: the page a session begins with, and those above it. One at a time; what gets no answer is asked for
//! again, the history with a backoff of its own, the first page with the link's.

use super::backoff::Backoff;
use super::output::PageQuery;
use crate::limits::{FETCH_LOST_MS, TAIL_EVENTS, TAIL_EVENTS_MIN};
use crate::tick::Tick;

/// What a page is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// The session begins with it.
    Tail,
    /// Somebody wants to see it.
    Wanted(Want),
}

/// What somebody wants to see that is not loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// What stands above what is shown.
    Above,
    /// What stands below it.
    Below,
    /// That row, and what is around it.
    Around(u64),
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
    /// Somebody looks for it, and it is not drawn yet.
    wanted: Option<Want>,
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
            wanted: None,
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

    /// Asks for what is wanted, if it may be asked for now.
    pub(super) fn ask_wanted(&mut self, now: Tick) -> Option<(u64, Want)> {
        let due = self.not_before.is_none_or(|at| at <= now);
        let want = self.wanted.filter(|_| due && self.under_way.is_none())?;
        Some((self.ask(now, Page::Wanted(want)), want))
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
        let lost = |under_way: &mut UnderWay| under_way.page != Page::Tail && under_way.lost_at <= now;
        if self.under_way.take_if(lost).is_some() {
            self.failed(now);
        }
    }

    /// Somebody wants to see that; who wanted something else does not any more.
    pub(super) fn want(&mut self, want: Want) {
        if self.wanted != Some(want) {
            self.under_way.take_if(|under_way| under_way.page != Page::Tail);
            self.wanted = Some(want);
        }
    }

    /// It is drawn.
    pub(super) fn drawn(&mut self) {
        self.wanted = None;
        self.under_way.take_if(|under_way| under_way.page != Page::Tail);
    }

    pub(super) fn wanted(&self) -> Option<Want> {
        self.wanted
    }

    /// The network came back: no reason to wait.
    pub(super) fn hurry(&mut self) {
        self.not_before = None;
    }

    /// The log is another one, or nobody looks at it any more.
    pub(super) fn forget(&mut self) {
        self.under_way = None;
        self.wanted = None;
        self.not_before = None;
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        match &self.under_way {
            Some(UnderWay { page: Page::Wanted(_), lost_at, .. }) => Some(*lost_at),
            Some(UnderWay { page: Page::Tail, .. }) => None,
            None => self.not_before.filter(|_| self.wanted.is_some()),
        }
    }
}
