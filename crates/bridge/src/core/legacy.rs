//! What the next process of a session goes on with: the conversation under the agent's own name for it, what was chosen
//! while it ran, and what was spent. On disk whenever it changes, for a process ends at any moment and its bridge too.

use serde::{Deserialize, Serialize};

/// Bytes of an agent's name for a conversation: the known ones take UUIDs.
const CONVERSATION_BYTES_MAX: usize = 64;
/// Whole dollars in what is written down.
const NANOS: f64 = 1e9;

/// What one process leaves to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Legacy {
    /// The agent's own name of the conversation; none = the next process begins a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// There was a conversation, and nobody can take it up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forgets: bool,
    /// The model somebody chose while it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The permission mode it was in, if that is not the one it was started in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_mode: Option<String>,
    /// What was spent.
    #[serde(default)]
    pub spent: Spent,
}

/// What a session has cost, in billionths of a dollar. Agents count for themselves: one that takes a conversation up
/// goes on counting, any other begins at zero, and the sum never falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// What is counted by nobody any more.
    pub before_nano_usd: u64,
    /// The total of the present count.
    pub counted_nano_usd: u64,
}

impl Spent {
    /// The agent named its running total.
    pub(crate) fn count(&mut self, total_usd: f64) {
        if !total_usd.is_finite() || total_usd < 0.0 {
            return;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "finite and not negative, and a cast stops at the largest number"
        )]
        let total = (total_usd * NANOS).round() as u64;
        if total < self.counted_nano_usd {
            self.begin_anew();
        }
        self.counted_nano_usd = total;
    }

    /// Another count begins at zero.
    pub(crate) fn begin_anew(&mut self) {
        self.before_nano_usd = self.before_nano_usd.saturating_add(self.counted_nano_usd);
        self.counted_nano_usd = 0;
    }

    /// All of it, in dollars; nothing where nothing was ever counted.
    pub(crate) fn usd(self) -> Option<f64> {
        let total = self.before_nano_usd.saturating_add(self.counted_nano_usd);
        #[expect(
            clippy::cast_precision_loss,
            reason = "nine digits behind the point of a sum of money are enough"
        )]
        let usd = total as f64 / NANOS;
        Some(usd).filter(|_| total > 0)
    }
}

/// Whether an agent's name for a conversation may become the value of an argument: the characters of a UUID or an id,
/// and none that could begin a flag.
pub(crate) fn is_conversation(name: &str) -> bool {
    (1..=CONVERSATION_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_session_cost_never_falls() {
        let mut spent = Spent::default();
        assert_eq!(spent.usd(), None);
        let mut shown = Vec::new();
        for total in [0.25, 0.5, 0.125, f64::NAN, -1.0, 0.25] {
            spent.count(total);
            shown.push(spent.usd().unwrap());
        }
        assert_eq!(shown, [0.25, 0.5, 0.625, 0.625, 0.625, 0.75]);
        spent.begin_anew();
        assert_eq!(spent.usd(), Some(0.75));
        spent.count(1.0);
        assert_eq!(spent.usd(), Some(1.75), "a new count above the old one is not the old one");
        spent.count(f64::MAX);
        spent.begin_anew();
        spent.count(f64::MAX);
        assert!(spent.usd().is_some(), "no sum is too large");
    }

    #[test]
    fn b1_a_name_of_a_conversation_is_no_flag_and_no_path() {
        for good in ["65a6d5e8-32e3-40de-9fc8-711391c3bbb5", "sess_1", "A"] {
            assert!(is_conversation(good), "{good}");
        }
        let long = "a".repeat(65);
        for bad in ["", "-p", "--dangerously-skip-permissions", "_x", "a b", "../x", "a/b", "a\0", "é", &long]
        {
            assert!(!is_conversation(bad), "{bad}");
        }
    }
}
