//! A small diff for people: one hunk from the first to the last changed line, with three lines around it.

use serde_json::{Value, json};

/// Unchanged lines shown on either side of a change.
const CONTEXT_LINES: usize = 3;

/// The `structuredPatch` of a change; empty when nothing changed.
pub(super) fn structured(before: &str, after: &str) -> Value {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    if old == new {
        return json!([]);
    }
    let same_head = old.iter().zip(&new).take_while(|(left, right)| left == right).count();
    let shorter = old.len().min(new.len()) - same_head;
    let tails = old.iter().rev().zip(new.iter().rev()).take(shorter);
    let same_tail = tails.take_while(|(left, right)| left == right).count();

    let start = same_head.saturating_sub(CONTEXT_LINES);
    let (old_end, new_end) = (old.len() - same_tail, new.len() - same_tail);
    let tail_shown = same_tail.min(CONTEXT_LINES);
    let mark =
        |sign: char, lines: &[&str]| lines.iter().map(|line| format!("{sign}{line}")).collect::<Vec<_>>();
    let lines = [
        mark(' ', &old[start..same_head]),
        mark('-', &old[same_head..old_end]),
        mark('+', &new[same_head..new_end]),
        mark(' ', &old[old_end..old_end + tail_shown]),
    ]
    .concat();
    json!([{
        "oldStart": start + 1, "oldLines": old_end + tail_shown - start,
        "newStart": start + 1, "newLines": new_end + tail_shown - start,
        "lines": lines,
    }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_change_with_its_surroundings() {
        let patch = structured("alpha\nbeta\ngamma\n", "alpha\nBETA\ngamma\n");
        assert_eq!(
            patch,
            json!([{"oldStart": 1, "oldLines": 3, "newStart": 1, "newLines": 3,
                    "lines": [" alpha", "-beta", "+BETA", " gamma"]}])
        );
    }

    #[test]
    fn copes_with_growth_shrinking_repetition_and_nothing() {
        assert_eq!(structured("a\n", "a\nb\n")[0]["lines"], json!([" a", "+b"]));
        assert_eq!(structured("a\na\na\n", "a\na\n")[0]["lines"], json!([" a", " a", "-a"]));
        assert_eq!(structured("", "x\n")[0]["lines"], json!(["+x"]));
        assert_eq!(structured("same\n", "same\n"), json!([]));
        let far: String = (0..50).map(|number| format!("{number}\n")).collect();
        let hunk = &structured(&far, &far.replace("25\n", "changed\n"))[0];
        assert_eq!((&hunk["oldStart"], &hunk["oldLines"]), (&json!(23), &json!(7)));
    }
}
