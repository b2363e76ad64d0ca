//! Text as a model would stream it, and text of a given size.

/// Longest delta of spoken text, in characters: a word or two.
const DELTA_CHARS_MAX: usize = 14;
/// Size of one delta of a text made for its size, in bytes.
const BIG_DELTA_BYTES: usize = 16 * 1024;
/// What big texts are made of; ASCII, so that bytes are characters.
const FILLER: &[u8] = b"The gate stands open for those who are known, and shut for the rest of the world.\n";

/// Cuts text into deltas that end after a space or line break where they can.
pub(crate) fn spoken(text: &str) -> Vec<String> {
    let mut deltas = Vec::new();
    let mut delta = String::new();
    let mut length = 0;
    for word in text.split_inclusive([' ', '\n']) {
        let word_length = word.chars().count();
        if length > 0 && length + word_length > DELTA_CHARS_MAX {
            deltas.push(std::mem::take(&mut delta));
            length = 0;
        }
        delta.push_str(word);
        length += word_length;
    }
    if !delta.is_empty() {
        deltas.push(delta);
    }
    deltas
}

/// Exactly `bytes` bytes of text.
pub(crate) fn big(bytes: usize) -> Vec<String> {
    let text: Vec<u8> = FILLER.iter().copied().cycle().take(bytes).collect();
    text.chunks(BIG_DELTA_BYTES).map(|chunk| String::from_utf8_lossy(chunk).into_owned()).collect()
}

/// Exactly `count` deltas, each with its number, ten to a line.
pub(crate) fn storm(count: usize) -> Vec<String> {
    let end = |number: usize| if number.is_multiple_of(10) { '\n' } else { ' ' };
    (1..=count).map(|number| format!("{number}{}", end(number))).collect()
}

/// The first `max` characters, with an ellipsis if there were more.
pub(crate) fn short(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// The last place at or before `at` where the text may be cut.
pub(crate) fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speaks_in_small_deltas_that_join_to_the_text() {
        let text = "Hello there, a  list:\n\n- one\n- zwölf\n\nloooooooooooooooooooong end ";
        let deltas = spoken(text);
        assert_eq!(deltas.concat(), text);
        assert!(deltas.iter().all(|delta| delta.chars().count() <= 24), "{deltas:?}");
        assert!(deltas.len() > 4);
        assert!(spoken("").is_empty());
    }

    #[test]
    fn big_texts_have_exactly_the_asked_size() {
        for bytes in [0, 1, BIG_DELTA_BYTES, 100_000] {
            assert_eq!(big(bytes).concat().len(), bytes);
        }
    }

    #[test]
    fn a_storm_has_exactly_the_asked_number_of_deltas() {
        assert_eq!(storm(0).len(), 0);
        assert_eq!(storm(11).concat(), "1 2 3 4 5 6 7 8 9 10\n11 ");
    }

    #[test]
    fn cuts_only_between_characters() {
        assert_eq!(boundary("aü", 2), 1);
        assert_eq!(boundary("aü", 9), 3);
    }

    #[test]
    fn shortens_at_characters() {
        assert_eq!(short("äöü", 2), "äö…");
        assert_eq!(short("äö", 2), "äö");
    }
}
