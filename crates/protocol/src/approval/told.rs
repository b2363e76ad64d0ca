//! Words from outside that stand beside the exact text of a request: on one line, with everything that hides named, and
//! folded in their middle by the same bounds. Nothing is cut.

use crate::limits::{APPROVAL_FOLD_BYTES, APPROVAL_FOLD_LINES, APPROVAL_TEXT_BYTES_MAX};

use super::exact::literal;

/// What stays in view at each end of a folded text, in bytes.
const EDGE_BYTES: usize = 1_024;

/// A text from outside, ready to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Its beginning, or all of it.
    pub head: String,
    /// Folded at first; empty where nothing is.
    pub middle: String,
    /// Its end; empty where nothing is folded.
    pub tail: String,
}

impl Told {
    /// Names what hides in `text` and folds what is long.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self::literal(literal(text))
    }

    /// Folds a text whose hidden characters are named already.
    #[must_use]
    pub fn literal(text: String) -> Self {
        let breaks = text.chars().filter(|character| *character == '⏎').count();
        let edge = EDGE_BYTES.min(text.len() / 3);
        if text.len() <= APPROVAL_FOLD_BYTES && breaks < APPROVAL_FOLD_LINES {
            return Self { head: text, ..Self::default() };
        }
        let (start, end) = (text.floor_char_boundary(edge), text.ceil_char_boundary(text.len() - edge));
        Self { head: text[..start].into(), middle: text[start..end].into(), tail: text[end..].into() }
    }

    /// Whether a part is folded at first.
    #[must_use]
    pub fn is_folded(&self) -> bool {
        !self.middle.is_empty()
    }

    /// Whether it is above the bound for any approval.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        self.head.len() + self.middle.len() + self.tail.len() > APPROVAL_TEXT_BYTES_MAX
    }

    /// All of it.
    #[must_use]
    pub fn whole(&self) -> String {
        [self.head.as_str(), &self.middle, &self.tail].concat()
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn short_words_stand_whole_with_what_hides_named() {
        let told = Told::of("why\u{202e} not");
        assert_eq!((told.head.as_str(), told.is_folded()), ("why⟨U+202E⟩ not", false));
    }

    #[test]
    fn long_words_fold_in_their_middle_and_lose_nothing() {
        for text in ["é".repeat(3_000), "x\n".repeat(50)] {
            let told = Told::of(&text);
            assert!(told.is_folded() && !told.is_too_long());
            assert_eq!(told.whole(), literal(&text));
        }
        assert!(Told::of(&"x".repeat(APPROVAL_TEXT_BYTES_MAX + 1)).is_too_long());
    }
}
