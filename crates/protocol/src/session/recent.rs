//! What the newest rows of the log said, as one number each: a server that says something else about a row that was
//! shown has to be noticed, and a row that merely comes twice has not.

use std::collections::VecDeque;

use crate::json::RawJson;
use crate::limits::RECENT_ROWS_MAX;

/// How a row compares with what was seen at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The same bytes.
    Same,
    /// Other bytes.
    Other,
    /// Too long ago to be known.
    Forgotten,
}

#[derive(Debug, Default)]
pub(super) struct Recent {
    /// Of dense rows; the last is at `last_seq`.
    marks: VecDeque<u64>,
    last_seq: u64,
}

impl Recent {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Notes the next row.
    pub(super) fn note(&mut self, seq: u64, event: &RawJson) {
        if self.last_seq.checked_add(1) != Some(seq) {
            self.marks.clear();
        }
        if self.marks.len() == RECENT_ROWS_MAX {
            self.marks.pop_front();
        }
        self.marks.push_back(mark(event.as_str()));
        self.last_seq = seq;
    }

    pub(super) fn compare(&self, seq: u64, event: &RawJson) -> Seen {
        let back = self.last_seq.checked_sub(seq).and_then(|back| usize::try_from(back).ok());
        let at = back.and_then(|back| self.marks.len().checked_sub(back)?.checked_sub(1));
        match at.and_then(|at| self.marks.get(at)) {
            Some(known) if *known == mark(event.as_str()) => Seen::Same,
            Some(_) => Seen::Other,
            None => Seen::Forgotten,
        }
    }
}

/// Eight bytes at a time, because every row goes through here. It finds a server's mistakes, not its malice.
fn mark(text: &str) -> u64 {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let step = |mark: u64, word: u64| (mark.rotate_left(29) ^ word).wrapping_mul(K);
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let mark = words.iter().fold(text.len() as u64, |mark, word| step(mark, u64::from_le_bytes(*word)));
    rest.iter().fold(mark, |mark, byte| step(mark, u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn event(text: &str) -> RawJson {
        RawJson::from_value(&text)
    }

    #[test]
    fn tells_same_bytes_from_other_ones_as_far_back_as_the_limit() {
        let mut recent = Recent::default();
        let rows = RECENT_ROWS_MAX as u64 + 5;
        for seq in 1..=rows {
            recent.note(seq, &event(&format!("a row of some length, number {seq}")));
        }
        let compare = |seq: u64, text: u64| {
            recent.compare(seq, &event(&format!("a row of some length, number {text}")))
        };
        assert_eq!((compare(rows, rows), compare(rows, 1)), (Seen::Same, Seen::Other));
        assert_eq!((compare(6, 6), compare(6, 7)), (Seen::Same, Seen::Other));
        assert_eq!(
            (compare(5, 5), compare(0, 0), compare(rows + 1, 1)),
            (Seen::Forgotten, Seen::Forgotten, Seen::Forgotten)
        );
    }

    #[test]
    fn every_byte_counts() {
        let text = "0123456789abcdefghi";
        for at in 0..text.len() {
            let mut other = text.as_bytes().to_vec();
            other[at] ^= 1;
            assert_ne!(mark(text), mark(std::str::from_utf8(&other).unwrap()), "{at}");
        }
        assert_ne!(mark("a"), mark("a\0"));
    }
}
