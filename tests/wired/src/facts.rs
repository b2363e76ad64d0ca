//! Numbered facts: what an agent says so that everybody can count. A prompt makes the scripted agent print facts
//! `first..end` as messages of their own; wherever they are read back, each has to be there once and in order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;

use portcullis_protocol::session::Session;
use portcullis_protocol::session::transcript::ItemBody;
use serde_json::{Value, json};

/// A prompt that makes the agent print the facts of `range`.
#[must_use]
pub fn prompt(range: Range<u64>) -> String {
    range.fold(String::new(), |mut text, number| {
        let line = json!({
            "type": "assistant",
            "message": {
                "id": format!("msg_{number}"), "type": "message", "role": "assistant", "model": "facts",
                "content": [{"type": "text", "text": format!("fact {number}")}],
                "stop_reason": null, "stop_sequence": null,
            },
            "parent_tool_use_id": null, "session_id": "facts",
            "uuid": format!("00000000-0000-4000-8000-{number:012x}"),
        });
        let _ = writeln!(text, "@raw {line}");
        text
    })
}

/// What is wrong with a sequence of facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flaws {
    /// Facts that are not there.
    pub lost: u64,
    /// Facts that are there again.
    pub duplicated: u64,
    /// Facts that stand before an earlier one.
    pub reordered: u64,
}

impl Flaws {
    /// Compares what was found with what was expected, in that order.
    #[must_use]
    pub fn of(found: &[u64], expected: &[u64]) -> Self {
        let places: BTreeMap<u64, usize> = expected.iter().copied().zip(0..).collect();
        let known: Vec<usize> = found.iter().filter_map(|fact| places.get(fact).copied()).collect();
        let distinct: BTreeSet<usize> = known.iter().copied().collect();
        let reordered = known.windows(2).filter(|pair| pair[0] > pair[1]).count();
        Self {
            lost: count(expected.len() - distinct.len()),
            // What nobody said counts as said twice.
            duplicated: count(found.len() - distinct.len()),
            reordered: count(reordered),
        }
    }
}

fn count(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

/// The facts a log's prompts ask for, in the order those prompts were taken: several tabs speak at once, and the log
/// says who was first.
#[must_use]
pub fn asked_for(rows: &[(u64, Value)]) -> Vec<u64> {
    let mut asked = Vec::new();
    for (_, event) in rows.iter().filter(|(_, event)| is_prompt(event)) {
        let text = event["message"]["content"].as_str().unwrap_or_default();
        let facts = text.split("\"text\":\"fact ").skip(1);
        asked.extend(facts.filter_map(|rest| rest.split('"').next()?.parse::<u64>().ok()));
    }
    asked
}

impl std::ops::AddAssign for Flaws {
    fn add_assign(&mut self, other: Self) {
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
    }
}

/// The facts of a log, in its order.
#[must_use]
pub fn in_log(rows: &[(u64, Value)]) -> Vec<u64> {
    rows.iter()
        .filter(|(_, event)| event["type"] == "assistant")
        .filter_map(|(_, event)| read(event["message"]["content"][0]["text"].as_str()?))
        .collect()
}

/// The facts a person sees, in the order they are shown.
#[must_use]
pub fn shown(session: &Session) -> Vec<u64> {
    let texts = session.transcript().items().filter_map(|item| match &item.body {
        ItemBody::Text { text, .. } => Some(text.as_str()),
        ItemBody::Prompt(_)
        | ItemBody::Thinking { .. }
        | ItemBody::Tool(_)
        | ItemBody::Notice(_)
        | ItemBody::TurnEnd(_) => None,
    });
    texts.filter_map(read).collect()
}

fn read(text: &str) -> Option<u64> {
    text.strip_prefix("fact ")?.parse().ok()
}

/// Positions of a log that are not the last plus one, from 1.
#[must_use]
pub fn holes(rows: &[(u64, Value)]) -> usize {
    rows.iter().zip(1..).filter(|((seq, _), expected)| seq != expected).count()
}

/// How often each prompt of a person stands in a log, by uuid. The agent's replays are not counted.
#[must_use]
pub fn prompts_in_log(rows: &[(u64, Value)]) -> BTreeMap<String, usize> {
    let mut prompts = BTreeMap::new();
    for (_, event) in rows {
        let said =
            event["type"] == "user" && event["isReplay"] != true && event["message"]["content"].is_string();
        if let Some(uuid) = event["uuid"].as_str().filter(|_| said) {
            *prompts.entry(uuid.to_owned()).or_default() += 1;
        }
    }
    prompts
}

/// Whether a person said it: the agent's replays are not.
fn is_prompt(event: &Value) -> bool {
    event["type"] == "user" && event["isReplay"] != true && event["message"]["content"].is_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flaw_is_counted_for_what_it_is() {
        let expected = [0, 1, 2];
        assert_eq!(Flaws::of(&[0, 1, 2], &expected), Flaws::default());
        assert_eq!(Flaws::of(&[0, 2], &expected), Flaws { lost: 1, ..Flaws::default() });
        assert_eq!(Flaws::of(&[0, 1, 1, 2], &expected), Flaws { duplicated: 1, ..Flaws::default() });
        assert_eq!(Flaws::of(&[0, 1, 2, 7], &expected), Flaws { duplicated: 1, ..Flaws::default() });
        assert_eq!(Flaws::of(&[1, 0, 2], &expected), Flaws { reordered: 1, ..Flaws::default() });
        assert_eq!(Flaws::of(&[], &expected), Flaws { lost: 3, ..Flaws::default() });
    }

    #[test]
    fn what_prompts_ask_for_is_read_back_in_the_order_of_the_log() {
        let row = |range| (1, json!({"type": "user", "uuid": "u", "message": {"content": prompt(range)}}));
        assert_eq!(asked_for(&[row(2..4), row(0..2)]), [2, 3, 0, 1]);
    }

    #[test]
    fn a_hole_in_a_log_is_seen() {
        let row = |seq| (seq, Value::Null);
        assert_eq!(holes(&[row(1), row(2)]), 0);
        assert_eq!(holes(&[row(1), row(3)]), 1);
    }
}
