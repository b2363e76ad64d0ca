//! The part of a log that a session holds: rows without a hole, bounded on whichever side nobody looks. What is above
//! can change what stands below (a result finds its call, a replay its prompt), so whenever rows come in on one side the
//! part is folded again; its bound keeps that cheap, however long the log is.

use std::collections::VecDeque;

use crate::limits::{LOADED_BYTES_MAX, LOADED_EVENTS_MAX};
use crate::wire::client::SeqEvent;

/// What is loaded of a log's beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The oldest `seq` that was loaded, 0 when nothing was.
    pub first_seq: u64,
    /// Whether nothing stands above it.
    pub complete: bool,
    /// Whether a page is on its way.
    pub loading: bool,
}

/// Rows of a log, oldest first, without holes.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    rows: VecDeque<SeqEvent>,
    bytes: usize,
}

impl Rows {
    /// These rows, unless they have holes, or are none.
    pub(super) fn new(rows: Vec<SeqEvent>) -> Option<Self> {
        let bytes = rows.iter().map(weight).sum();
        is_dense(&rows).then(|| Self { rows: rows.into(), bytes })
    }

    /// The oldest `seq`; 1 when there is none yet.
    pub(super) fn first_seq(&self) -> u64 {
        self.rows.front().map_or(1, |row| row.seq)
    }

    /// The newest `seq`; 0 when there is none yet.
    pub(super) fn last_seq(&self) -> u64 {
        self.rows.back().map_or(0, |row| row.seq)
    }

    pub(super) fn contains(&self, seq: u64) -> bool {
        !self.rows.is_empty() && (self.first_seq()..=self.last_seq()).contains(&seq)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &SeqEvent> {
        self.rows.iter()
    }

    /// Takes a row at the end.
    pub(super) fn append(&mut self, row: SeqEvent) {
        self.bytes += weight(&row);
        self.rows.push_back(row);
    }

    /// Takes a page from right above. `false` when it is not that.
    pub(super) fn prepend(&mut self, page: Vec<SeqEvent>) -> bool {
        let fits = page.last().is_some_and(|row| row.seq.checked_add(1) == Some(self.first_seq()));
        if !fits || !is_dense(&page) {
            return false;
        }
        for row in page.into_iter().rev() {
            self.bytes += weight(&row);
            self.rows.push_front(row);
        }
        true
    }

    /// Takes a page from right below. `false` when it is not that.
    pub(super) fn extend(&mut self, page: Vec<SeqEvent>) -> bool {
        let fits = page.first().is_some_and(|row| self.last_seq().checked_add(1) == Some(row.seq));
        if !fits || !is_dense(&page) {
            return false;
        }
        page.into_iter().for_each(|row| self.append(row));
        true
    }

    /// Takes the rows above its own from a part that reaches down to them.
    pub(super) fn join(&mut self, above: Self) -> bool {
        let first = self.first_seq();
        self.prepend(above.rows.into_iter().take_while(|row| row.seq < first).collect())
    }

    /// Whether these are more than `times` as many as a part should hold.
    pub(super) fn exceeds(&self, times: usize) -> bool {
        self.rows.len() > LOADED_EVENTS_MAX * times || self.bytes > LOADED_BYTES_MAX * times
    }

    /// Lets the oldest go until the rest fits; those from `keep` on stay.
    pub(super) fn cut_start(&mut self, keep: u64) {
        while self.exceeds(1) && self.first_seq() < keep.min(self.last_seq()) {
            self.bytes -= self.rows.pop_front().as_ref().map_or(0, weight);
        }
    }

    /// Lets the newest go until the rest fits.
    pub(super) fn cut_end(&mut self) {
        while self.exceeds(1) && self.rows.len() > 1 {
            self.bytes -= self.rows.pop_back().as_ref().map_or(0, weight);
        }
    }
}

fn weight(row: &SeqEvent) -> usize {
    row.event.as_str().len()
}

fn is_dense(rows: &[SeqEvent]) -> bool {
    let begins = rows.first().is_some_and(|row| row.seq > 0);
    begins && rows.windows(2).all(|pair| pair[0].seq.checked_add(1) == Some(pair[1].seq))
}
