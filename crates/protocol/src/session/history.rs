//! History above a session that began at the tail of its log. Pages come in from the newest to the oldest; what they hold
//! can change what stands below (a result finds its call, a replay its prompt), so the log is folded again from what was
//! kept. That happens only when as much came in as was folded before, or when the log is whole: its cost stays in
//! proportion to the log, however small the pages.

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

/// The rows of a log whose beginning is missing.
#[derive(Debug)]
pub(super) struct Tail {
    /// Rows that are folded, oldest first.
    folded: Vec<SeqEvent>,
    /// Pages above them, newest first, that are not.
    above: Vec<Vec<SeqEvent>>,
    above_rows: usize,
}

/// What a page did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// It does not end where the history begins.
    Nothing,
    /// It was kept.
    Kept,
    /// It is time to fold again.
    Refold,
}

impl Tail {
    /// A log known from these rows on, unless they have holes, or are none.
    pub(super) fn new(rows: Vec<SeqEvent>) -> Option<Self> {
        is_dense(&rows).then(|| Self { folded: rows, above: Vec::new(), above_rows: 0 })
    }

    /// The oldest `seq` that was loaded.
    pub(super) fn first_seq(&self) -> u64 {
        let oldest = self.above.last().unwrap_or(&self.folded);
        oldest.first().map_or(1, |row| row.seq)
    }

    /// Rows to fold, oldest first.
    pub(super) fn rows(&self) -> &[SeqEvent] {
        &self.folded
    }

    /// Takes a row at the end.
    pub(super) fn append(&mut self, row: SeqEvent) {
        self.folded.push(row);
    }

    /// Takes a page from right above what was loaded.
    pub(super) fn prepend(&mut self, page: Vec<SeqEvent>) -> Added {
        let fits = page.last().is_some_and(|row| row.seq.checked_add(1) == Some(self.first_seq()));
        if !fits || !is_dense(&page) {
            return Added::Nothing;
        }
        self.above_rows += page.len();
        self.above.push(page);
        if self.above_rows < self.folded.len() && self.first_seq() > 1 {
            return Added::Kept;
        }
        let mut rows: Vec<SeqEvent> = Vec::with_capacity(self.above_rows + self.folded.len());
        rows.extend(std::mem::take(&mut self.above).into_iter().rev().flatten());
        rows.append(&mut self.folded);
        self.folded = rows;
        self.above_rows = 0;
        Added::Refold
    }
}

fn is_dense(rows: &[SeqEvent]) -> bool {
    let begins = rows.first().is_some_and(|row| row.seq > 0);
    begins && rows.windows(2).all(|pair| pair[0].seq.checked_add(1) == Some(pair[1].seq))
}
