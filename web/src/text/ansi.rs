//! Colours of tool output. Only SGR survives; whatever moves the cursor, sets titles, writes the clipboard or links
//! is dropped, so that what is copied is what is shown.

/// How a run of text looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// One of the 16 colours.
    pub fg: Option<u8>,
    pub bold: bool,
    pub dim: bool,
    pub italic: bool,
    pub underline: bool,
}

impl Style {
    /// The class names that draw it, empty when it is plain.
    #[must_use]
    pub fn classes(self) -> String {
        let mut names = Vec::new();
        if let Some(colour) = self.fg {
            names.push(format!("fg-{colour}"));
        }
        for (set, name) in [
            (self.bold, "is-bold"),
            (self.dim, "is-dim"),
            (self.italic, "is-italic"),
            (self.underline, "is-underline"),
        ] {
            if set {
                names.push(name.to_owned());
            }
        }
        names.join(" ")
    }
}

/// Text of one style.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub style: Style,
    pub text: String,
}

/// Runs in one output: beyond it the rest stays plain, so that a hostile output cannot make a node per byte.
const RUNS_MAX: usize = 5_000;
/// Bytes of one escape sequence that are looked at; a longer one is dropped whole.
const SEQUENCE_BYTES_MAX: usize = 4_096;

/// Cuts `output` into runs.
#[must_use]
pub fn runs(output: &str) -> Vec<Run> {
    let mut parser = Parser::default();
    let mut rest = output;
    while let Some(character) = rest.chars().next() {
        rest = match character {
            '\u{1b}' => parser.escape(&rest[1..]),
            '\u{9b}' => parser.csi(&rest[character.len_utf8()..]),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => skip_string(&rest[character.len_utf8()..]),
            '\r' => {
                if !rest.starts_with("\r\n") {
                    parser.push('\n');
                }
                &rest[1..]
            }
            _ => {
                if !character.is_control() || matches!(character, '\n' | '\t') {
                    parser.push(character);
                }
                &rest[character.len_utf8()..]
            }
        };
    }
    parser.runs
}

#[derive(Default)]
struct Parser {
    runs: Vec<Run>,
    style: Style,
}

impl Parser {
    fn push(&mut self, character: char) {
        let full = self.runs.len() >= RUNS_MAX;
        match self.runs.last_mut() {
            Some(run) if run.style == self.style || full => run.text.push(character),
            _ => self.runs.push(Run { style: self.style, text: character.into() }),
        }
    }

    /// What follows ESC; returns what follows the sequence.
    fn escape<'a>(&mut self, rest: &'a str) -> &'a str {
        match rest.chars().next() {
            Some('[') => self.csi(&rest[1..]),
            Some(']' | 'P' | 'X' | '^' | '_') => skip_string(&rest[1..]),
            Some(' '..='/') => rest.get(1..).map_or("", |rest| skip_one(rest)),
            Some(other) if other.is_ascii() && other != '\u{1b}' => &rest[1..],
            Some(_) | None => rest,
        }
    }

    fn csi<'a>(&mut self, rest: &'a str) -> &'a str {
        let window = rest.bytes().take(SEQUENCE_BYTES_MAX);
        let Some(end) = window.into_iter().position(|byte| !(0x20..=0x3f).contains(&byte)) else {
            return "";
        };
        if !rest.is_char_boundary(end) || !(0x40..=0x7e).contains(&rest.as_bytes()[end]) {
            return &rest[end..];
        }
        if rest.as_bytes()[end] == b'm' {
            self.sgr(&rest[..end]);
        }
        &rest[end + 1..]
    }

    fn sgr(&mut self, parameters: &str) {
        if parameters.bytes().any(|byte| !matches!(byte, b'0'..=b'9' | b';' | b':')) {
            return;
        }
        let mut codes = parameters.split([';', ':']).map(|code| code.parse::<u16>().unwrap_or(0));
        while let Some(code) = codes.next() {
            match code {
                0 => self.style = Style::default(),
                1 => self.style.bold = true,
                2 => self.style.dim = true,
                3 => self.style.italic = true,
                4 => self.style.underline = true,
                22 => (self.style.bold, self.style.dim) = (false, false),
                23 => self.style.italic = false,
                24 => self.style.underline = false,
                30..=37 => self.style.fg = u8::try_from(code - 30).ok(),
                90..=97 => self.style.fg = u8::try_from(code - 90 + 8).ok(),
                39 => self.style.fg = None,
                38 => self.style.fg = extended(&mut codes),
                48 => drop(extended(&mut codes)),
                _ => {}
            }
        }
    }
}

/// A colour of 256 or of 16 million; only the first 16 keep their colour.
fn extended(codes: &mut impl Iterator<Item = u16>) -> Option<u8> {
    match codes.next() {
        Some(5) => codes.next().and_then(|colour| u8::try_from(colour).ok()).filter(|colour| *colour < 16),
        Some(2) => {
            codes.nth(2);
            None
        }
        _ => None,
    }
}

fn skip_one(rest: &str) -> &str {
    let mut characters = rest.chars();
    characters.next();
    characters.as_str()
}

/// What follows an OSC, DCS, APC, PM or SOS string, which ends with BEL or ST.
fn skip_string(rest: &str) -> &str {
    for (index, character) in rest.char_indices().take(SEQUENCE_BYTES_MAX * 16) {
        match character {
            '\u{7}' | '\u{9c}' => return &rest[index + character.len_utf8()..],
            '\u{1b}' => return rest[index + 1..].strip_prefix('\\').unwrap_or(&rest[index..]),
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(output: &str) -> String {
        runs(output).into_iter().map(|run| run.text).collect()
    }

    #[test]
    fn colours_and_weights_become_runs() {
        let got = runs("a\u{1b}[1;31mb\u{1b}[0mc");
        assert_eq!(got.len(), 3);
        assert_eq!((got[1].style.fg, got[1].style.bold, got[1].text.as_str()), (Some(1), true, "b"));
        assert_eq!(got[2].style, Style::default());
        assert_eq!(got[1].style.classes(), "fg-1 is-bold");
    }

    #[test]
    fn whatever_moves_hides_or_writes_elsewhere_is_dropped() {
        for (output, expected) in [
            ("\u{1b}[2J\u{1b}[1;1Hx", "x"),
            ("\u{1b}[3Ay", "y"),
            ("\u{1b}]0;title\u{7}z", "z"),
            ("\u{1b}]52;c;aGk=\u{1b}\\z", "z"),
            ("\u{1b}]8;;https://evil.example\u{1b}\\text\u{1b}]8;;\u{1b}\\", "text"),
            ("\u{1b}Pq#0\u{1b}\\ok", "ok"),
            ("\u{9b}31mred", "red"),
            ("\u{1b}(Bx", "x"),
            ("a\u{8}\u{7}b\u{0}", "ab"),
            ("one\r\ntwo\rthree", "one\ntwo\nthree"),
            ("\u{1b}[38;2;1;2;3mx\u{1b}[48;5;200my", "xy"),
            ("\u{1b}", ""),
            ("\u{1b}[", ""),
            ("\u{1b}]never ends", ""),
            ("\u{1b}[31é", "é"),
            ("\u{1b}é", "é"),
        ] {
            assert_eq!(plain(output), expected, "{output:?}");
        }
    }

    #[test]
    fn a_colour_per_byte_does_not_make_a_run_per_byte_for_ever() {
        let hostile: String = (0..20_000).map(|n| format!("\u{1b}[3{}mx", n % 8)).collect();
        let got = runs(&hostile);
        assert!(got.len() <= RUNS_MAX);
        assert_eq!(got.iter().map(|run| run.text.len()).sum::<usize>(), 20_000);
    }
}
