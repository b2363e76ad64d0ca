//! A change for the eye: old and new side by side, and within two lines that belong together the part that differs.

use crate::text::diff::{Row, Sign};

/// Two lines that stand side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    pub old: Option<&'a Row>,
    pub new: Option<&'a Row>,
    /// Bytes of the old line that are not in the new one.
    pub old_span: Option<(usize, usize)>,
    pub new_span: Option<(usize, usize)>,
}

/// `rows` side by side: what went on the left, what came on the right, in the order of the lines.
#[must_use]
pub fn pairs(rows: &[Row]) -> Vec<Pair<'_>> {
    let mut pairs = Vec::new();
    for (old, new) in hunks(rows) {
        for at in 0..old.len().max(new.len()) {
            let (old, new) = (old.get(at), new.get(at));
            let same = old.is_some_and(|row| row.sign == Sign::Same);
            let spans = old.zip(new).filter(|_| !same).and_then(|(old, new)| differing(&old.text, &new.text));
            pairs.push(Pair {
                old,
                new,
                old_span: spans.map(|(old, _)| old),
                new_span: spans.map(|(_, new)| new),
            });
        }
    }
    pairs
}

/// For each row the part of it that differs from its counterpart, where there is one.
#[must_use]
pub fn changed_within(rows: &[Row]) -> Vec<Option<(usize, usize)>> {
    let mut spans = vec![None; rows.len()];
    let mut at = 0;
    for (old, new) in hunks(rows) {
        if old.first().is_some_and(|row| row.sign == Sign::Same) {
            at += 1;
            continue;
        }
        for (index, (removed, added)) in old.iter().zip(new).enumerate() {
            if let Some((first, second)) = differing(&removed.text, &added.text) {
                spans[at + index] = Some(first);
                spans[at + old.len() + index] = Some(second);
            }
        }
        at += old.len() + new.len();
    }
    spans
}

/// Each line that stays, alone on both sides, and each run of lines that went with those that came in their place.
fn hunks(rows: &[Row]) -> Vec<(&[Row], &[Row])> {
    let mut hunks = Vec::new();
    let mut at = 0;
    while at < rows.len() {
        let run = |from: usize, sign| rows[from..].iter().take_while(|row| row.sign == sign).count();
        if rows[at].sign == Sign::Same {
            hunks.push((&rows[at..=at], &rows[at..=at]));
            at += 1;
            continue;
        }
        let removed = run(at, Sign::Removed);
        let added = run(at + removed, Sign::Added);
        hunks.push((&rows[at..at + removed], &rows[at + removed..at + removed + added]));
        at += removed + added;
    }
    hunks
}

/// Where two lines differ, as bytes of each; `None` when they have too little in common for that to say anything.
fn differing(old: &str, new: &str) -> Option<((usize, usize), (usize, usize))> {
    let common = |a: &mut dyn Iterator<Item = char>, b: &mut dyn Iterator<Item = char>| -> usize {
        a.zip(b).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum()
    };
    let head = common(&mut old.chars(), &mut new.chars());
    let tail = common(&mut old[head..].chars().rev(), &mut new[head..].chars().rev());
    let shared = old[..head].trim_start().len() + old[old.len() - tail..].trim_end().len();
    (shared * 2 >= old.trim().len().min(new.trim().len()) && shared > 0)
        .then_some(((head, old.len() - tail), (head, new.len() - tail)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::diff::between;

    #[test]
    fn old_and_new_stand_side_by_side() {
        let rows = between("a\nb\nc\n", "a\nB\nC\nD\n");
        let shown: Vec<String> = pairs(&rows)
            .iter()
            .map(|pair| {
                format!("{}|{}", pair.old.map_or("", |row| &row.text), pair.new.map_or("", |row| &row.text))
            })
            .collect();
        assert_eq!(shown, ["a|a", "b|B", "c|C", "|D"]);
    }

    #[test]
    fn the_part_of_a_line_that_changed_is_found_in_both() {
        let rows = between("let größe = 1;\nx\n", "let größe = 20;\nx\n");
        let parts: Vec<Option<&str>> = rows
            .iter()
            .zip(changed_within(&rows))
            .map(|(row, span)| span.map(|(from, to)| &row.text[from..to]))
            .collect();
        assert_eq!(parts, [Some("1"), Some("20"), None]);
        let rows = between("completely\n", "otherwise\n");
        assert_eq!(changed_within(&rows), [None, None]);
    }

    #[test]
    fn every_row_has_its_place_whatever_came_and_went() {
        for (old, new) in [
            ("", "a\nb"),
            ("a\nb", ""),
            ("a\nb\nc", "c\nb\na"),
            ("é\nx", "è\nx"),
            ("aXb", "aYb"),
            ("aa", "a"),
        ] {
            let rows = between(old, new);
            assert_eq!(changed_within(&rows).len(), rows.len());
            let both = rows.iter().filter(|row| row.sign == Sign::Same).count();
            let drawn: usize =
                pairs(&rows).iter().map(|pair| pair.old.iter().count() + pair.new.iter().count()).sum();
            assert_eq!(drawn, rows.len() + both);
            for (row, span) in rows.iter().zip(changed_within(&rows)) {
                assert!(span.is_none_or(|(from, to)| row.text.get(from..to).is_some()), "{old:?} {new:?}");
            }
        }
    }
}
