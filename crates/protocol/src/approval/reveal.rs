//! How text from an agent is shown where it is approved: every character that could hide, reorder or fake something
//! is named, every line stands alone, nothing is cut in silence.

use crate::limits::{APPROVAL_FOLD_BYTES, APPROVAL_FOLD_LINES, APPROVAL_TEXT_BYTES_MAX};

/// A piece of a revealed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Span {
    /// Text that means what it looks like.
    Plain(String),
    /// One character that would be invisible or misleading, by its code point: shown as `⟨U+200B⟩`.
    Named(char),
    /// A tab.
    Tab,
    /// A space other than U+0020, by its code point.
    Space(char),
    /// At least [`SPACES_RUN_MIN`] spaces in the middle of a line: how many. They push what follows out of sight.
    Run(usize),
    /// Spaces at the end of a line: how many.
    Trailing(usize),
}

/// This many spaces in a row are marked, in characters: deeper than most indentation, shorter than any margin.
pub const SPACES_RUN_MIN: usize = 8;

/// One line of a revealed text, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Number of the line, from 1.
    pub number: usize,
    /// Its pieces.
    pub spans: Vec<Span>,
    /// Whether a line break follows.
    pub broken: bool,
}

/// A text made ready for approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revealed {
    /// Every line.
    pub lines: Vec<Line>,
    /// Lines `start..end` (from 0) that are folded at first: approval waits until they were shown.
    pub fold: Option<std::ops::Range<usize>>,
    /// Above [`APPROVAL_TEXT_BYTES_MAX`] only *deny* is offered.
    pub too_long: bool,
    /// How many characters had to be named.
    pub hidden: usize,
}

/// Makes `text` ready for approval.
///
/// ```
/// use portcullis_protocol::approval::reveal::{Span, reveal};
/// let shown = reveal("ls\u{200b} -l");
/// assert_eq!(shown.lines[0].spans, [Span::Plain("ls".into()), Span::Named('\u{200b}'), Span::Plain(" -l".into())]);
/// assert_eq!(shown.hidden, 1);
/// ```
#[must_use]
pub fn reveal(text: &str) -> Revealed {
    let mut lines = Vec::new();
    let mut hidden = 0;
    let mut rest = text.split('\n').peekable();
    while let Some(line) = rest.next() {
        let spans = spans(line);
        hidden += spans.iter().filter(|span| matches!(span, Span::Named(_) | Span::Space(_))).count();
        lines.push(Line { number: lines.len() + 1, spans, broken: rest.peek().is_some() });
    }
    let fold = fold(text, lines.len());
    Revealed { lines, fold, too_long: text.len() > APPROVAL_TEXT_BYTES_MAX, hidden }
}

/// The code point as people write it: `U+200B`.
#[must_use]
pub fn code_point(character: char) -> String {
    format!("U+{:04X}", u32::from(character))
}

/// Whether `character` is shown by name instead of by its shape.
#[must_use]
pub fn is_hidden(character: char) -> bool {
    is_control(character) || is_format(character) || is_variation(character) || is_unassignable(character)
}

fn is_control(character: char) -> bool {
    character.is_control() && character != '\t' || matches!(character, '\u{2028}' | '\u{2029}')
}

/// Format characters (general category Cf), fillers that draw nothing, and tags.
fn is_format(character: char) -> bool {
    matches!(character,
        '\u{00ad}' | '\u{034f}' | '\u{0600}'..='\u{0605}' | '\u{061c}' | '\u{06dd}' | '\u{070f}' | '\u{08e2}'
        | '\u{0890}' | '\u{0891}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{ffa0}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1345f}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
        // Drawn as nothing without being spaces: a braille cell without dots, a musical null, a Khitan filler.
        | '\u{2800}' | '\u{1d159}' | '\u{16fe4}')
}

fn is_variation(character: char) -> bool {
    matches!(character, '\u{fe00}'..='\u{fe0f}')
}

/// Private use, noncharacters and planes that hold nothing.
fn is_unassignable(character: char) -> bool {
    let code = u32::from(character);
    matches!(code, 0xe000..=0xf8ff | 0xf0000..=0x10_ffff | 0xfdd0..=0xfdef | 0x4_0000..=0xd_ffff)
        || code & 0xfffe == 0xfffe
}

fn is_other_space(character: char) -> bool {
    character != ' ' && character != '\t' && character.is_whitespace()
}

fn spans(line: &str) -> Vec<Span> {
    let body = line.trim_end_matches(' ');
    let mut spans = Vec::new();
    let mut plain = String::new();
    for character in body.chars() {
        let special = if character == '\t' {
            Span::Tab
        } else if is_hidden(character) {
            Span::Named(character)
        } else if is_other_space(character) {
            Span::Space(character)
        } else {
            plain.push(character);
            continue;
        };
        push_plain(&mut spans, &std::mem::take(&mut plain));
        spans.push(special);
    }
    push_plain(&mut spans, &plain);
    if body.len() < line.len() {
        spans.push(Span::Trailing(line.len() - body.len()));
    }
    spans
}

/// Text that means what it looks like, apart from its long runs of spaces.
fn push_plain(spans: &mut Vec<Span>, text: &str) {
    let mut rest = text;
    let mut seen = 0;
    while let Some(found) = rest[seen..].find(' ') {
        let at = seen + found;
        let after = rest[at..].trim_start_matches(' ');
        let count = rest.len() - at - after.len();
        if count < SPACES_RUN_MIN {
            seen = at + count;
            continue;
        }
        if at > 0 {
            spans.push(Span::Plain(rest[..at].to_owned()));
        }
        spans.push(Span::Run(count));
        (rest, seen) = (after, 0);
    }
    if !rest.is_empty() {
        spans.push(Span::Plain(rest.to_owned()));
    }
}

/// The middle, when the whole is too long to be taken in: head and tail stay, because payloads hide at both ends.
fn fold(text: &str, lines: usize) -> Option<std::ops::Range<usize>> {
    const EDGE: usize = APPROVAL_FOLD_LINES / 2;
    if lines > APPROVAL_FOLD_LINES {
        return Some(EDGE..lines - EDGE);
    }
    if text.len() > APPROVAL_FOLD_BYTES {
        let edge = (lines / 3).min(EDGE);
        return Some(edge..lines - edge);
    }
    None
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// Each line's spans as text, named characters in brackets.
    fn shown(text: &str) -> String {
        let line = |line: &Line| {
            let spans = line.spans.iter().map(|span| match span {
                Span::Plain(text) => text.clone(),
                Span::Named(character) | Span::Space(character) => format!("⟨{}⟩", code_point(*character)),
                Span::Tab => "→".into(),
                Span::Run(count) => format!("⟨{count} spaces⟩"),
                Span::Trailing(count) => "·".repeat(*count),
            });
            format!("{}{}", spans.collect::<String>(), if line.broken { "⏎" } else { "" })
        };
        reveal(text).lines.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn names_what_hides_or_reorders() {
        for (text, expected) in [
            ("a\u{202e}b", "a⟨U+202E⟩b"),
            ("a\u{200b}\u{200d}b", "a⟨U+200B⟩⟨U+200D⟩b"),
            ("\u{feff}x\u{00ad}y", "⟨U+FEFF⟩x⟨U+00AD⟩y"),
            ("a\u{e0041}", "a⟨U+E0041⟩"),
            ("a\u{fe0f}", "a⟨U+FE0F⟩"),
            ("a\u{e000}", "a⟨U+E000⟩"),
            ("rm\u{00a0}-rf", "rm⟨U+00A0⟩-rf"),
            ("\u{1b}[2Jx", "⟨U+001B⟩[2Jx"),
            ("a\rb", "a⟨U+000D⟩b"),
            ("a\tb", "a→b"),
            ("ls  ", "ls··"),
            ("a       b", "a       b"),
            ("a        b  c         d ", "a⟨8 spaces⟩b  c⟨9 spaces⟩d·"),
            ("        é\u{200b}        ", "⟨8 spaces⟩é⟨U+200B⟩········"),
            ("a\u{2028}b", "a⟨U+2028⟩b"),
            ("\u{3164}x", "⟨U+3164⟩x"),
            ("ls\u{2800}rm", "ls⟨U+2800⟩rm"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn keeps_every_line_and_says_where_one_breaks() {
        assert_eq!(shown("cat <<E\nrm -rf /\nE\n"), "cat <<E⏎\nrm -rf /⏎\nE⏎\n");
    }

    #[test]
    fn folds_the_middle_only_above_the_bounds() {
        let lines = |count: usize| vec!["x"; count].join("\n");
        assert_eq!(reveal(&lines(APPROVAL_FOLD_LINES)).fold, None);
        assert_eq!(reveal(&lines(APPROVAL_FOLD_LINES + 1)).fold, Some(20..21));
        assert_eq!(reveal(&"x".repeat(APPROVAL_FOLD_BYTES)).fold, None);
        assert_eq!(reveal(&"x".repeat(APPROVAL_FOLD_BYTES + 1)).fold, Some(0..1));
    }

    #[test]
    fn offers_no_approval_above_the_size_bound() {
        assert!(!reveal(&"x".repeat(APPROVAL_TEXT_BYTES_MAX)).too_long);
        assert!(reveal(&"x".repeat(APPROVAL_TEXT_BYTES_MAX + 1)).too_long);
    }

    #[test]
    fn ordinary_text_in_any_script_stays_as_it_is() {
        for text in ["cargo test --workspace", "größer", "日本語", "привет", "😀 ok"] {
            assert_eq!((shown(text).as_str(), reveal(text).hidden), (text, 0));
        }
    }
}
