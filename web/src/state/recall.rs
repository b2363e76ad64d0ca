//! What was said before, brought back by arrows: from an empty field, and as long as nothing is typed into it.

/// Messages that come back at most.
const RECALLED_MAX: usize = 100;

/// Where somebody is on the way back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recall {
    /// Newest first, each once.
    before: Vec<String>,
    at: Option<usize>,
}

impl Recall {
    /// One step further back, or to what is newer. `None` when the arrow means what it always means.
    pub fn step(&mut self, typed: &str, up: bool, before: impl FnOnce() -> Vec<String>) -> Option<String> {
        let shown = self.at.and_then(|at| self.before.get(at));
        if shown.is_none_or(|shown| shown != typed) {
            if !typed.is_empty() || !up {
                return None;
            }
            self.before.clear();
            for said in before() {
                if self.before.len() < RECALLED_MAX && !said.trim().is_empty() && !self.before.contains(&said)
                {
                    self.before.push(said);
                }
            }
            self.at = None;
        }
        self.at = match (self.at, up) {
            (None, _) => Some(0),
            (Some(at), true) => Some((at + 1).min(self.before.len().saturating_sub(1))),
            (Some(at), false) => at.checked_sub(1),
        };
        match self.at {
            Some(at) => self.before.get(at).cloned(),
            None => Some(String::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said() -> Vec<String> {
        ["newest", "older", "newest", " ", "oldest"].map(str::to_owned).into()
    }

    #[test]
    fn arrows_go_back_and_forth_and_end_in_an_empty_field() {
        let mut recall = Recall::default();
        let mut typed = String::new();
        let mut walk = |up| {
            typed = recall.step(&typed, up, said)?;
            Some(typed.clone())
        };
        let ups: Vec<_> = (0..4).filter_map(|_| walk(true)).collect();
        assert_eq!(ups, ["newest", "older", "oldest", "oldest"]);
        let downs: Vec<_> = (0..3).filter_map(|_| walk(false)).collect();
        assert_eq!(downs, ["older", "newest", ""]);
        assert_eq!(walk(false), None, "there is nothing newer than nothing");
    }

    #[test]
    fn in_a_text_of_ones_own_arrows_move_the_caret() {
        let mut recall = Recall::default();
        assert_eq!(recall.step("mine", true, said), None);
        assert_eq!(recall.step("", true, said).as_deref(), Some("newest"));
        assert_eq!(recall.step("newest, changed", true, said), None);
        assert_eq!(recall.step("", true, Vec::new), None);
    }
}
