//! A part of the log away from its end: somebody scrolled far up, followed a link, or reads what was kept while the
//! server cannot be reached. It has a transcript of its own; the live one goes on unseen, so nothing that happens
//! meanwhile moves what is read, and both stay bounded however long the log is.

use super::history::Rows;
use super::output::{Change, PageQuery, ResetReason};
use super::pages::Want;
use super::transcript::{self, Transcript};
use super::{Session, StopReason};
use crate::limits::PAGE_EVENTS_MAX;
use crate::session::link::{Link, LinkView};
use crate::tick::Tick;
use crate::wire::rest::EventsPage;

/// Rows that are fetched on each side of one somebody wants to see.
const AROUND: u64 = 250;

#[derive(Debug)]
pub(super) struct Visit {
    pub(super) rows: Rows,
    pub(super) transcript: Transcript,
    /// Kept from before, and perhaps not the newest.
    pub(super) kept: bool,
}

impl Visit {
    fn new(rows: Rows, kept: bool) -> Self {
        let mut visit = Self { rows, transcript: Transcript::new(), kept };
        visit.fold();
        visit
    }

    fn fold(&mut self) {
        self.transcript = Transcript::new();
        for row in self.rows.iter() {
            self.transcript.apply(row.seq, &row.event);
        }
    }
}

/// Which part of the log is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The oldest `seq` of it, 0 when nothing is loaded.
    pub first_seq: u64,
    /// The newest `seq` of it.
    pub last_seq: u64,
    /// The newest `seq` there is, as far as is known.
    pub head_seq: u64,
    /// Whether it is away from the end: what happens now is not in it.
    pub away: bool,
    /// Whether it was kept from before, and the server was not heard since.
    pub kept: bool,
}

impl Session {
    /// What is shown: the end of the log, or the part somebody went to.
    #[must_use]
    pub fn shown(&self) -> &Transcript {
        self.visit.as_ref().map_or(&self.transcript, |visit| &visit.transcript)
    }

    /// Which part of the log that is.
    #[must_use]
    pub fn part(&self) -> Part {
        match &self.visit {
            Some(visit) => Part {
                first_seq: visit.rows.first_seq(),
                last_seq: visit.rows.last_seq(),
                head_seq: self.applied.max(visit.rows.last_seq()),
                away: true,
                kept: visit.kept,
            },
            None => Part {
                first_seq: self.history().first_seq,
                last_seq: self.applied,
                head_seq: self.applied,
                away: false,
                kept: false,
            },
        }
    }

    /// The rows of the end of the log that are held, oldest first: what to keep for a time without the server.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = &crate::wire::client::SeqEvent> {
        self.loaded.iter().flat_map(Rows::iter)
    }

    /// Shows what was kept from before, until the server is heard.
    pub(super) fn recall(&mut self, page: EventsPage) {
        if self.epoch.is_some() || self.visit.is_some() {
            return;
        }
        if let Some(rows) = Rows::new(page.data) {
            self.go(Some(Visit::new(rows, true)));
        }
    }

    /// Somebody wants to see that row.
    pub(super) fn visit(&mut self, seq: u64) {
        let here = |rows: &Rows| rows.contains(seq);
        if self.visit.as_ref().is_some_and(|visit| here(&visit.rows)) {
            self.pages.drawn();
        } else if self.loaded.as_ref().is_none_or(here) && self.epoch.is_some() {
            self.go_back();
        } else {
            self.pages.want(Want::Around(seq));
        }
    }

    /// Somebody wants to see the end.
    pub(super) fn go_back(&mut self) {
        self.pages.drawn();
        if self.visit.as_ref().is_some_and(|visit| !visit.kept) {
            self.go(None);
        }
    }

    /// Which page brings what is wanted; `None` when there is nothing to bring.
    pub(super) fn query_for(&self, want: Want) -> Option<PageQuery> {
        let shown = self.visit.as_ref().map(|visit| &visit.rows).or(self.loaded.as_ref())?;
        let page = PageQuery { after_seq: None, before_seq: None, limit: PAGE_EVENTS_MAX };
        match want {
            Want::Above if shown.first_seq() > 1 => {
                Some(PageQuery { before_seq: Some(shown.first_seq()), ..page })
            }
            Want::Below if self.visit.is_some() => {
                Some(PageQuery { after_seq: Some(shown.last_seq()), ..page })
            }
            Want::Around(seq) => {
                let end = seq.saturating_add(AROUND).min(self.applied.saturating_add(1));
                Some(PageQuery { before_seq: Some(end), limit: 2 * AROUND as usize, ..page })
            }
            Want::Above | Want::Below => None,
        }
    }

    /// The page that was wanted came.
    pub(super) fn arrived_page(&mut self, now: Tick, want: Want, page: EventsPage) {
        if self.epoch.as_deref() != Some(page.epoch.as_str()) {
            self.begin_anew(ResetReason::Epoch);
            return match self.link.view() {
                LinkView::Connecting | LinkView::Online => self.step(now, Link::reopen),
                LinkView::Stopped(StopReason::Archived) => self.step(now, Link::start),
                LinkView::Waiting { .. } | LinkView::Stopped(_) => {}
            };
        }
        let fits = match want {
            Want::Above => self.take_above(page),
            Want::Below => self.take_below(page),
            Want::Around(_) => self.take_around(page),
        };
        if fits {
            self.pages.came(now);
            self.pages.drawn();
        } else {
            self.pages.failed(now);
        }
    }

    fn take_above(&mut self, page: EventsPage) -> bool {
        if let Some(visit) = &mut self.visit {
            let fits = visit.rows.prepend(page.data);
            visit.rows.cut_end();
            return fits && self.show_visit();
        }
        let Some(loaded) = &mut self.loaded else { return true };
        let mut longer = loaded.clone();
        if !longer.prepend(page.data) {
            return false;
        }
        if longer.exceeds(1) {
            // The end is not what is being read: it goes on alone.
            longer.cut_end();
            self.go(Some(Visit::new(longer, false)));
        } else {
            *loaded = longer;
            self.refold();
        }
        true
    }

    fn take_below(&mut self, page: EventsPage) -> bool {
        let Some(visit) = &mut self.visit else { return true };
        if !visit.rows.extend(page.data) {
            return false;
        }
        if self.reaches_the_end() {
            return self.join();
        }
        if let Some(visit) = &mut self.visit {
            visit.rows.cut_start(u64::MAX);
        }
        self.show_visit()
    }

    fn take_around(&mut self, page: EventsPage) -> bool {
        let Some(rows) = Rows::new(page.data) else { return false };
        self.visit = Some(Visit::new(rows, false));
        if self.reaches_the_end() { self.join() } else { self.show_visit() }
    }

    fn reaches_the_end(&self) -> bool {
        let first = self.loaded.as_ref().map_or(0, Rows::first_seq);
        self.visit.as_ref().is_some_and(|visit| visit.rows.last_seq().saturating_add(1) >= first)
    }

    /// The part that is read and the end of the log are one again.
    fn join(&mut self) -> bool {
        if let (Some(visit), Some(loaded)) = (self.visit.take(), &mut self.loaded) {
            let _ = loaded.join(visit.rows);
            self.refold();
            self.change(Change::History);
        }
        true
    }

    fn show_visit(&mut self) -> bool {
        if let Some(visit) = &mut self.visit {
            visit.fold();
        }
        self.show_anew();
        true
    }

    fn go(&mut self, visit: Option<Visit>) {
        self.visit = visit;
        self.show_anew();
    }

    /// Everything that is shown is another.
    pub(super) fn show_anew(&mut self) {
        // What the live transcript did before is in what is shown now, or hidden by it.
        self.publish_transcript();
        self.change(Change::Transcript(transcript::Change::Reset));
        let order: Vec<_> = self.shown().order().to_vec();
        for (index, id) in order.into_iter().enumerate() {
            self.change(Change::Transcript(transcript::Change::Inserted { index, id }));
        }
        self.change(Change::Transcript(transcript::Change::Queue));
        self.change(Change::Transcript(transcript::Change::Facts));
        self.change(Change::History);
    }
}
