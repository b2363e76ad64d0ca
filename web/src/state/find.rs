//! Searching one session: what was found so far, where one stands among it, and how far the search came.

use portcullis_protocol::session::transcript::{Item, ItemBody, ToolInput};

/// Matches that are kept: nobody steps through more, and a word that is everywhere must not fill the memory.
pub const HITS_MAX: usize = 1_000;
/// Shortest search, in characters: a single letter is everywhere.
pub const QUERY_CHARS_MIN: usize = 2;

/// A search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Find {
    /// What is looked for, in lower case.
    pub query: String,
    /// Events that hold it, oldest first.
    pub hits: Vec<u64>,
    /// The one that is shown.
    pub at: Option<usize>,
    /// Events that were not looked at yet.
    pub left: u64,
    /// Whether there are more than are kept.
    pub full: bool,
    /// Whether the rest could not be had.
    pub failed: bool,
}

impl Find {
    /// A search for `query`, with all that is `left` to look at. `None` for one that is too short.
    #[must_use]
    pub fn new(query: &str, left: u64) -> Option<Self> {
        let query = query.trim().to_lowercase();
        let long = query.chars().count() >= QUERY_CHARS_MIN || !query.is_ascii();
        (long && !query.is_empty()).then(|| Self { query, left, ..Self::default() })
    }

    /// Takes what was found in the part before all others. Returns the event to show, when it is the first one found.
    pub fn found(&mut self, hits: Vec<u64>, left: u64) -> Option<u64> {
        self.left = left;
        let before = self.hits.len();
        let room = HITS_MAX - before.min(HITS_MAX);
        self.full |= hits.len() > room;
        let newest = hits.into_iter().rev().take(room).collect::<Vec<_>>();
        let count = newest.len();
        self.hits.splice(0..0, newest.into_iter().rev());
        self.at = self.at.map(|at| at + count);
        (before == 0 && count > 0).then(|| self.step(false)).flatten()
    }

    /// Goes to the next match, or to the one before; around the end and on from the start.
    pub fn step(&mut self, forwards: bool) -> Option<u64> {
        let count = self.hits.len();
        if count == 0 {
            return None;
        }
        let at = match (self.at, forwards) {
            (Some(at), true) => (at + 1) % count,
            (Some(at), false) => (at + count - 1) % count,
            (None, true) => 0,
            (None, false) => count - 1,
        };
        self.at = Some(at);
        self.hits.get(at).copied()
    }

    /// Whether nothing more is to be looked at.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.left == 0 || self.full || self.failed
    }
}

/// Whether `item` says `query` anywhere, which is in lower case.
#[must_use]
pub fn holds(item: &Item, query: &str) -> bool {
    let has = |text: &str| text.to_lowercase().contains(query);
    match &item.body {
        ItemBody::Prompt(prompt) => has(&prompt.text),
        ItemBody::Text { text, .. } | ItemBody::Thinking { text, .. } => has(text),
        ItemBody::Tool(call) => {
            let input = match &call.input {
                ToolInput::Partial(text) => has(text),
                ToolInput::Whole(raw) => texts(raw.look(), &has, 0),
            };
            input || has(&call.name) || call.output.as_ref().is_some_and(|output| has(&output.text))
        }
        ItemBody::Notice(notice) => has(&notice.text),
        ItemBody::TurnEnd(end) => end.error.as_deref().is_some_and(has),
    }
}

/// Whether any text in a value has it; names of fields are not what somebody looks for.
fn texts(value: portcullis_protocol::json::JsonRef<'_>, has: &impl Fn(&str) -> bool, depth: usize) -> bool {
    if depth > 8 {
        return has(value.as_str());
    }
    match value.text() {
        Some(text) => has(&text),
        None if value.is_object() => value.entries().any(|(_, value)| texts(value, has, depth + 1)),
        None if value.is_array() => value.items().any(|value| texts(value, has, depth + 1)),
        None => has(value.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_protocol::RawJson;
    use portcullis_protocol::session::transcript::Transcript;

    #[test]
    fn the_newest_match_comes_first_and_older_ones_stand_before_it() {
        let mut find = Find::new(" Word ", 100).unwrap();
        assert_eq!(find.query, "word");
        assert_eq!(find.found(vec![90, 95], 50), Some(95));
        assert_eq!((find.at, find.is_over()), (Some(1), false));
        assert_eq!(find.found(vec![10, 20, 30], 0), None, "what is read stays");
        assert_eq!((find.hits.clone(), find.at, find.is_over()), (vec![10, 20, 30, 90, 95], Some(4), true));
        let steps = [find.step(true), find.step(true), find.step(false), find.step(false)];
        assert_eq!(steps, [Some(10), Some(20), Some(10), Some(95)]);
    }

    #[test]
    fn a_word_that_is_everywhere_is_kept_as_often_as_anybody_steps() {
        let mut find = Find::new("the", 9).unwrap();
        find.found((5_000..5_900).collect(), 9);
        find.found((1..500).collect(), 9);
        assert_eq!((find.hits.len(), find.hits[0], find.full, find.is_over()), (HITS_MAX, 400, true, true));
        assert_eq!(Find::new("x", 9), None);
        assert_eq!(Find::new("  ", 9), None);
        assert!(Find::new("门", 9).is_some(), "a letter of other scripts is a word");
    }

    #[test]
    fn looks_into_everything_that_is_shown() {
        let mut transcript = Transcript::new();
        let line = r#"{"type":"assistant","uuid":"a","message":{"id":"m","content":[{"type":"tool_use","id":"t","name":"Bash","input":{"command":"echo \"Grüße\"","deep":[{"a":"Found\nhere"}]}}]}}"#;
        transcript.apply(1, &RawJson::parse(line).unwrap());
        let item = transcript.items().next().unwrap();
        for (query, there) in
            [("grüße", true), ("echo \"", true), ("bash", true), ("found\nhere", true), ("command", false)]
        {
            assert_eq!(holds(item, query), there, "{query}");
        }
    }
}
