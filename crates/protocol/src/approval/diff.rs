//! What an edit changes, line by line. Lines keep their ends apart, so that the rows of a diff still say exactly
//! what was taken away and what was put in its place.

use serde::Deserialize;

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It stays.
    Same,
    /// It comes.
    Added,
    /// It goes.
    Removed,
}

impl Sign {
    /// The character before the line, and its name for those who do not see colours.
    #[must_use]
    pub fn mark(self) -> &'static str {
        match self {
            Self::Same => " ",
            Self::Added => "+",
            Self::Removed => "\u{2212}",
        }
    }

    /// The value of `data-sign`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Added => "added",
            Self::Removed => "removed",
        }
    }
}

/// One line of a diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What became of it.
    pub sign: Sign,
    /// Line number, of the new text where there is one.
    pub number: u64,
    /// The line without its end.
    pub text: String,
    /// Whether a line break follows.
    pub broken: bool,
}

/// One hunk as agents report it after an edit.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hunk {
    /// First line of the old text.
    #[serde(default)]
    pub old_start: u64,
    /// First line of the new text.
    #[serde(default)]
    pub new_start: u64,
    /// Lines, each with its sign in front.
    #[serde(default)]
    pub lines: Vec<String>,
}

/// Lines on each side up to which the smallest difference is looked for: beyond it, all old lines go and all new
/// ones come. The table of the search has the square of this many cells.
const SEARCH_LINES_MAX: usize = 400;

/// The rows of `hunks`.
#[must_use]
pub fn from_hunks(hunks: &[Hunk]) -> Vec<Row> {
    let mut rows = Vec::new();
    for hunk in hunks {
        let (mut old, mut new) = (hunk.old_start, hunk.new_start);
        for line in &hunk.lines {
            let (sign, text) = match line.split_at_checked(1) {
                Some(("+", text)) => (Sign::Added, text),
                Some(("-", text)) => (Sign::Removed, text),
                Some((" ", text)) => (Sign::Same, text),
                Some(_) | None => (Sign::Same, line.as_str()),
            };
            rows.push(Row {
                sign,
                number: if sign == Sign::Removed { old } else { new },
                text: text.into(),
                broken: true,
            });
            old += u64::from(sign != Sign::Added);
            new += u64::from(sign != Sign::Removed);
        }
    }
    rows
}

/// The rows between two texts.
#[must_use]
pub fn between(old: &str, new: &str) -> Vec<Row> {
    let (old, new) = (lines(old), lines(new));
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (old_end, new_end) = (old.len() - tail, new.len() - tail);

    let mut rows: Vec<Row> = (0..head).map(|at| row(Sign::Same, at, new[at])).collect();
    rows.extend(changed(&old[head..old_end], &new[head..new_end], head));
    rows.extend((new_end..new.len()).map(|at| row(Sign::Same, at, new[at])));
    rows
}

/// How many lines came and went.
#[must_use]
pub fn counts(rows: &[Row]) -> (usize, usize) {
    let count = |sign| rows.iter().filter(|row| row.sign == sign).count();
    (count(Sign::Added), count(Sign::Removed))
}

type Line<'a> = (&'a str, bool);

/// Lines with whether a break follows; an empty text has none.
fn lines(text: &str) -> Vec<Line<'_>> {
    text.split_inclusive('\n')
        .map(|line| line.strip_suffix('\n').map_or((line, false), |line| (line, true)))
        .collect()
}

fn row(sign: Sign, at: usize, (text, broken): Line<'_>) -> Row {
    Row { sign, number: at as u64 + 1, text: text.to_owned(), broken }
}

/// The longest common subsequence decides which lines stay.
fn changed(old: &[Line<'_>], new: &[Line<'_>], offset: usize) -> Vec<Row> {
    let removed = |at: usize| row(Sign::Removed, offset + at, old[at]);
    let added = |at: usize| row(Sign::Added, offset + at, new[at]);
    if old.len() > SEARCH_LINES_MAX || new.len() > SEARCH_LINES_MAX {
        return (0..old.len()).map(removed).chain((0..new.len()).map(added)).collect();
    }
    let width = new.len() + 1;
    let mut common = vec![0_u16; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut rows) = (0, 0, Vec::new());
    while i < old.len() && j < new.len() {
        if old[i] == new[j] {
            rows.push(row(Sign::Same, offset + j, new[j]));
            (i, j) = (i + 1, j + 1);
        } else if common[(i + 1) * width + j] >= common[i * width + j + 1] {
            rows.push(removed(i));
            i += 1;
        } else {
            rows.push(added(j));
            j += 1;
        }
    }
    rows.extend((i..old.len()).map(removed));
    rows.extend((j..new.len()).map(added));
    rows
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn shown(rows: &[Row]) -> String {
        let end = |row: &Row| if row.broken { "|" } else { "" };
        rows.iter().map(|row| format!("{}{}{}", row.sign.mark(), row.text, end(row))).collect()
    }

    #[test]
    fn keeps_what_both_sides_share() {
        assert_eq!(shown(&between("a\nb\nc\n", "a\nx\nc\n")), " a|\u{2212}b|+x| c|");
        assert_eq!(shown(&between("a\nb\nc\nd\n", "b\nc\ny\nd\n")), "\u{2212}a| b| c|+y| d|");
    }

    #[test]
    fn a_missing_last_line_break_is_a_change() {
        assert_eq!(shown(&between("a\n", "a")), "\u{2212}a|+a");
        assert_eq!(shown(&between("", "new\n")), "+new|");
        assert_eq!(shown(&between("old", "")), "\u{2212}old");
        assert!(between("", "").is_empty());
    }

    #[test]
    fn both_texts_can_be_read_back_from_the_rows() {
        let long: String = (0..1_000).map(|n| format!("line {}\n", n % 7)).collect();
        for (old, new) in [("a\nb\n\nc", "b\n\nd\nc\n"), (long.as_str(), "x\n"), ("", ""), ("\n\n", "\n")] {
            let side = |without: Sign| -> String {
                let kept = between(old, new).into_iter().filter(|row| row.sign != without);
                kept.map(|row| row.text + if row.broken { "\n" } else { "" }).collect()
            };
            assert_eq!((side(Sign::Added).as_str(), side(Sign::Removed).as_str()), (old, new));
        }
    }

    #[test]
    fn reads_the_hunks_an_agent_reports() {
        let hunks: Vec<Hunk> =
            serde_json::from_str(r#"[{"oldStart":3,"oldLines":2,"newStart":3,"newLines":2,"lines":[" a","-b","+c","\\ No newline"]}]"#)
                .unwrap();
        let rows = from_hunks(&hunks);
        assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [3, 4, 4, 5]);
        assert_eq!(counts(&rows), (1, 1));
    }
}
