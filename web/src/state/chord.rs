//! Keys that answer a request, kept apart from typing. A letter is meant as a key only when no other key was pressed in
//! the second before; "allow" is Ctrl+Enter in the gate, when nothing was typed since the letter that went there.

use portcullis_protocol::Tick;

/// Keys closer than this are typing, in ms.
const TYPING_MS: u64 = 1_000;
/// Keys of a chord closer than this are one slip of the hand, in ms.
const SLIP_MS: u64 = 150;

/// What was pressed lately.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chord {
    /// The last key that was not part of a chord.
    typed_at: Option<Tick>,
    /// The letter that went to the gate.
    reached_at: Option<Tick>,
}

impl Chord {
    /// A key without a modifier. Whether it stands alone and may mean something.
    pub fn letter(&mut self, now: Tick) -> bool {
        let last = self.typed_at.max(self.reached_at);
        self.reached_at = None;
        self.typed_at = Some(now);
        last.is_none_or(|last| now.since(last) >= TYPING_MS)
    }

    /// The letter just noted went to the gate.
    pub fn reached(&mut self, now: Tick) {
        (self.typed_at, self.reached_at) = (None, Some(now));
    }

    /// Whether Ctrl+Enter, pressed while the gate has the focus, means "allow".
    #[must_use]
    pub fn allows(&self, now: Tick) -> bool {
        let quiet = |since: Option<Tick>, ms| since.is_none_or(|at| now.since(at) >= ms);
        quiet(self.typed_at, TYPING_MS) && quiet(self.reached_at, SLIP_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_alone_and_then_the_chord_allow() {
        let mut chord = Chord::default();
        assert!(chord.letter(Tick(5_000)));
        chord.reached(Tick(5_000));
        assert!(!chord.allows(Tick(5_149)), "one slip of the hand");
        assert!(chord.allows(Tick(5_150)));
    }

    #[test]
    fn a_typed_word_is_no_key_wherever_the_letter_stands_in_it() {
        let mut chord = Chord::default();
        assert!(chord.letter(Tick(5_000)));
        assert!(!chord.letter(Tick(5_200)), "the second letter of a word");
        assert!(!chord.allows(Tick(5_900)));
        let mut chord = Chord::default();
        assert!(chord.letter(Tick(9_000)));
        chord.reached(Tick(9_000));
        assert!(!chord.letter(Tick(9_400)));
        assert!(!chord.allows(Tick(9_800)), "more was typed after the letter");
    }
}
