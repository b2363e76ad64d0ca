//! A streamed message grows only at its end: whole blocks before the last one will not change any more. They are
//! sealed, drawn once, and only the tail is drawn again with every frame.

use super::markdown;

/// Where the sealed part of one growing text ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seal {
    sealed: usize,
}

impl Seal {
    /// Seals what `text` allows and returns the new piece, `None` when nothing was added to the sealed part.
    ///
    /// `text` must start with what earlier calls saw; one that does not starts over (then the caller starts over
    /// too: see [`Seal::fits`]).
    pub fn advance<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        let open = text.get(self.sealed..)?;
        // A line that is not whole yet may turn out to belong to the block before it, as a row of its table does.
        let whole = open.rfind('\n').map_or("", |end| &open[..=end]);
        let cut = markdown::last_block_start(whole)?;
        let piece = &open[..cut];
        if piece.trim().is_empty() {
            return None;
        }
        self.sealed += cut;
        Some(piece)
    }

    /// What may still change.
    #[must_use]
    pub fn tail(self, text: &str) -> &str {
        text.get(self.sealed..).unwrap_or_default()
    }

    /// Whether the sealed part can belong to `text`.
    #[must_use]
    pub fn fits(self, text: &str) -> bool {
        text.len() >= self.sealed && text.is_char_boundary(self.sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Title\n\nA *word*.\n\n```rust\nfn a() {\n\n}\n```\n\n- one\n- two\n\n  more\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nend é";

    #[test]
    fn pieces_and_tail_are_the_whole_text_whatever_the_chunks() {
        for step in 1..9 {
            let (mut seal, mut pieces) = (Seal::default(), String::new());
            let ends = TEXT.char_indices().map(|(at, c)| at + c.len_utf8()).step_by(step);
            for end in ends.chain([TEXT.len()]) {
                if let Some(piece) = seal.advance(&TEXT[..end]) {
                    pieces.push_str(piece);
                }
                assert!(TEXT[..end].starts_with(&pieces));
            }
            assert_eq!(pieces + seal.tail(TEXT), TEXT);
        }
    }

    #[test]
    fn an_open_block_is_never_sealed() {
        let mut seal = Seal::default();
        assert_eq!(seal.advance("Intro\n\n```\none\n\ntwo\n\n# three"), Some("Intro\n\n"));
        assert_eq!(seal.tail("Intro\n\n```\none\n\ntwo\n\n# three"), "```\none\n\ntwo\n\n# three");
        assert_eq!(Seal::default().advance("- a\n\n- b\n\n  c"), None);
    }

    #[test]
    fn pieces_parse_to_the_blocks_of_the_whole() {
        let (mut seal, mut blocks) = (Seal::default(), Vec::new());
        for (at, c) in TEXT.char_indices() {
            if let Some(piece) = seal.advance(&TEXT[..at + c.len_utf8()]) {
                blocks.extend(markdown::parse(piece));
            }
        }
        blocks.extend(markdown::parse(seal.tail(TEXT)));
        assert_eq!(blocks, markdown::parse(TEXT));
    }
}
