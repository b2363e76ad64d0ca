//! What is being typed, as far as something fits it: a command at the beginning of a message, a file name behind an @.

use super::offers::{Offer, Offers};

/// What is offered at once: more is a reason to type on.
const SHOWN_MAX: usize = 8;
/// Characters of a file name that is asked for.
const QUERY_MAX: usize = 200;

/// The word under the caret that can be completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// `/` or `@`.
    pub mark: char,
    /// What stands behind the mark.
    pub query: String,
    /// Bytes of the text before the mark.
    pub start: usize,
    /// Bytes of the text up to the caret.
    pub end: usize,
}

/// The word before a caret that stands behind `caret` UTF-16 units of `text`, as browsers count.
#[must_use]
pub fn word(text: &str, caret: usize) -> Option<Word> {
    let end = bytes(text, caret);
    let before = &text[..end];
    let start = before
        .rfind(char::is_whitespace)
        .map_or(0, |at| at + before[at..].chars().next().map_or(0, char::len_utf8));
    let token = &before[start..];
    let mark = token.chars().next()?;
    let query = token[mark.len_utf8()..].to_owned();
    let fits = match mark {
        '/' => start == 0 && !query.contains('/'),
        '@' => query.chars().count() <= QUERY_MAX,
        _ => false,
    };
    fits.then_some(Word { mark, query, start, end })
}

/// What fits `word`, best first.
#[must_use]
pub fn fitting(word: &Word, offers: &Offers) -> Vec<Offer> {
    let query = word.query.to_lowercase();
    if word.mark == '@' {
        let (asked, names) = &offers.files;
        // What was asked for a moment ago still fits as long as it holds what is typed now.
        let fits = |name: &&String| *asked == word.query || name.to_lowercase().contains(&query);
        let file = |name: &String| Offer { value: name.clone(), ..Offer::default() };
        return names.iter().filter(fits).take(SHOWN_MAX).map(file).collect();
    }
    let rank = |offer: &Offer| {
        let name = offer.value.to_lowercase();
        match () {
            () if name.starts_with(&query) => Some(0),
            () if name.contains(&query) => Some(1),
            () => None,
        }
    };
    let mut found: Vec<(u8, &Offer)> =
        offers.commands.iter().filter_map(|offer| rank(offer).map(|rank| (rank, offer))).collect();
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().take(SHOWN_MAX).map(|(_, offer)| offer.clone()).collect()
}

/// `text` with `value` in the place of `word`, and where the caret stands then, in UTF-16 units.
#[must_use]
pub fn completed(text: &str, word: &Word, value: &str) -> (String, usize) {
    let behind = &text[word.end..];
    let space = if behind.starts_with(' ') { "" } else { " " };
    let before = format!("{}{}{value}{space}", &text[..word.start], word.mark);
    let caret = before.encode_utf16().count() + 1 - space.len();
    (format!("{before}{behind}"), caret)
}

fn bytes(text: &str, units: usize) -> usize {
    let mut left = units;
    for (at, character) in text.char_indices() {
        if left < character.len_utf16() {
            return at;
        }
        left -= character.len_utf16();
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<(char, String)> {
        let caret = text.find('|').unwrap();
        let units = text[..caret].encode_utf16().count();
        word(&text.replace('|', ""), units).map(|word| (word.mark, word.query))
    }

    #[test]
    fn a_command_stands_at_the_beginning_and_a_file_anywhere() {
        assert_eq!(at("/cl|"), Some(('/', "cl".into())));
        assert_eq!(at("/|"), Some(('/', String::new())));
        assert_eq!(at("see /cl|"), None);
        assert_eq!(at("/clear x|"), None);
        assert_eq!(at("/usr/bin|"), None, "a path is no command");
        assert_eq!(at("look at @src/ma| now"), Some(('@', "src/ma".into())));
        assert_eq!(at("mail me@home|"), None);
        assert_eq!(at("|"), None);
    }

    #[test]
    fn the_caret_is_counted_as_browsers_count_and_never_splits_a_character() {
        assert_eq!(at("\u{1f600}\u{3000}@\u{e9}|x"), Some(('@', "\u{e9}".into())));
        for units in 0..9 {
            let _ = word("\u{1f600}@\u{1f600}/é", units);
        }
    }

    #[test]
    fn names_that_begin_with_it_come_first() {
        let offer = |value: &str| Offer { value: value.into(), ..Offer::default() };
        let offers =
            Offers { commands: ["context", "clear", "usage-clear"].map(offer).into(), ..Offers::default() };
        let found = fitting(&word("/cle", 4).unwrap(), &offers);
        assert_eq!(found.iter().map(|one| one.value.as_str()).collect::<Vec<_>>(), ["clear", "usage-clear"]);
    }

    #[test]
    fn files_of_an_older_question_are_offered_only_as_far_as_they_fit() {
        let offers =
            Offers { files: ("m".into(), vec!["src/main.rs".into(), "mod.rs".into()]), ..Offers::default() };
        let names = |text: &str| fitting(&word(text, text.len()).unwrap(), &offers).len();
        assert_eq!((names("@m"), names("@main"), names("@zz")), (2, 1, 0));
    }

    #[test]
    fn what_is_chosen_takes_the_place_of_the_word_and_leaves_the_rest() {
        let text = "see @ma now";
        let (text, caret) = completed(text, &word(text, 7).unwrap(), "src/main.rs");
        assert_eq!((text.as_str(), caret), ("see @src/main.rs now", 17));
        let (text, caret) = completed("/cl", &word("/cl", 3).unwrap(), "clear");
        assert_eq!((text.as_str(), caret), ("/clear ", 7));
    }
}
