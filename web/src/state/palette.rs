//! Everything by name: what fits what was typed, best first.

/// Entries that are shown at once.
const SHOWN_MAX: usize = 12;

/// How well `name` fits `typed`: all of its words have to stand in it. Less is better.
fn rank(name: &str, typed: &str) -> Option<usize> {
    let name = name.to_lowercase();
    let places: Option<Vec<usize>> = typed.split_whitespace().map(|word| name.find(word)).collect();
    let places = places?;
    Some(places.first().copied().unwrap_or(0))
}

/// The places of the names that fit `typed`, best first, in their own order where they fit as well.
#[must_use]
pub fn fitting<'a>(names: impl IntoIterator<Item = &'a str>, typed: &str) -> Vec<usize> {
    let typed = typed.to_lowercase();
    let ranked = names.into_iter().enumerate();
    let mut found: Vec<(usize, usize)> =
        ranked.filter_map(|(at, name)| rank(name, &typed).map(|rank| (rank, at))).collect();
    found.sort_unstable();
    found.into_iter().take(SHOWN_MAX).map(|(_, at)| at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_that_is_typed_has_to_stand_in_a_name() {
        let names = ["Inbox", "New session", "fix the flaky test · ~/api", "Settings"];
        assert_eq!(fitting(names, ""), [0, 1, 2, 3]);
        assert_eq!(fitting(names, "NEW"), [1]);
        assert_eq!(fitting(names, "api fix"), [2]);
        assert_eq!(fitting(names, "se"), [3, 1], "what begins with it comes first");
        assert!(fitting(names, "nothing").is_empty());
    }
}
