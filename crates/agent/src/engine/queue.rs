//! Prompts that wait. A prompt is never refused while a turn runs; prompts that waited together are answered
//! together, unless one asked for a turn of its own or they are for different work.

use std::collections::VecDeque;

use crate::wire::incoming::{Priority, Prompt};

/// Prompts that may wait at once; beyond it something is out of hand, and a prompt is reported as cancelled.
const PROMPTS_MAX: usize = 1_000;
/// Uuids remembered to recognise a prompt that is sent twice, as on every ring of the wire.
const SEEN_UUIDS_MAX: usize = 2_000;

/// What became of a prompt that arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    Queued,
    /// Its uuid was seen before: it must not run twice.
    Repeated,
    /// Too many wait.
    Refused,
}

#[derive(Debug, Default)]
pub(super) struct PromptQueue {
    waiting: VecDeque<Prompt>,
    seen: VecDeque<String>,
}

impl PromptQueue {
    pub(super) fn push(&mut self, prompt: Prompt) -> Arrival {
        if let Some(uuid) = &prompt.uuid {
            if self.seen.contains(uuid) {
                return Arrival::Repeated;
            }
            if self.seen.len() == SEEN_UUIDS_MAX {
                self.seen.pop_front();
            }
            self.seen.push_back(uuid.clone());
        }
        if self.waiting.len() == PROMPTS_MAX {
            return Arrival::Refused;
        }
        self.waiting.push_back(prompt);
        Arrival::Queued
    }

    /// The prompts of the next turn; empty if none wait.
    pub(super) fn take_turn(&mut self) -> Vec<Prompt> {
        let first = self.waiting.iter().find(|prompt| prompt.priority == Priority::Now);
        let workload = first.and_then(|prompt| prompt.workload.clone());
        let urgent = self.take(|prompt| prompt.priority == Priority::Now && prompt.workload == workload);
        if !urgent.is_empty() {
            return urgent;
        }
        if self.waiting.front().is_some_and(|prompt| !prompt.wants_answer || prompt.is_command()) {
            return self.waiting.pop_front().into_iter().collect();
        }
        let first =
            self.waiting.iter().take_while(|prompt| !prompt.is_command()).find(|prompt| is_foldable(prompt));
        let workload = first.and_then(|prompt| prompt.workload.clone());
        let together = self.take_foldable(workload.as_deref());
        if together.is_empty() { self.waiting.pop_front().into_iter().collect() } else { together }
    }

    /// The prompts that may join a running turn of this workload; none of them from behind a command of the agent
    /// itself, which may be to forget all this.
    pub(super) fn take_foldable(&mut self, workload: Option<&str>) -> Vec<Prompt> {
        let barrier = self.waiting.iter().position(Prompt::is_command).unwrap_or(self.waiting.len());
        let mut behind = self.waiting.split_off(barrier);
        let taken = self.take(|prompt| is_foldable(prompt) && prompt.workload.as_deref() == workload);
        self.waiting.append(&mut behind);
        taken
    }

    /// Removes one prompt; false if it does not wait (any more).
    pub(super) fn cancel(&mut self, uuid: &str) -> bool {
        !self.take(|prompt| prompt.uuid.as_deref() == Some(uuid)).is_empty()
    }

    /// Removes all prompts and names them.
    pub(super) fn cancel_all(&mut self) -> Vec<String> {
        self.take(|_| true).into_iter().filter_map(|prompt| prompt.uuid).collect()
    }

    pub(super) fn uuids(&self) -> Vec<String> {
        self.waiting.iter().filter_map(|prompt| prompt.uuid.clone()).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    fn take(&mut self, wanted: impl Fn(&Prompt) -> bool) -> Vec<Prompt> {
        let all = std::mem::take(&mut self.waiting);
        let (taken, left): (Vec<Prompt>, VecDeque<Prompt>) = {
            let mut taken = Vec::new();
            let mut left = VecDeque::new();
            for prompt in all {
                if wanted(&prompt) { taken.push(prompt) } else { left.push_back(prompt) }
            }
            (taken, left)
        };
        self.waiting = left;
        taken
    }
}

fn is_foldable(prompt: &Prompt) -> bool {
    prompt.priority != Priority::Later && prompt.wants_answer
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `a` is an ordinary prompt, `a!` urgent, `a.` for later, `a-` wants no answer, `a@w` is for the workload `w`.
    fn queue(script: &str) -> PromptQueue {
        let mut queue = PromptQueue::default();
        for word in script.split(' ') {
            let priority = if word.ends_with('!') {
                Priority::Now
            } else if word.ends_with('.') {
                Priority::Later
            } else {
                Priority::Next
            };
            let prompt = Prompt {
                uuid: Some(word.to_owned()),
                content: json!(word),
                priority,
                wants_answer: !word.ends_with('-'),
                workload: word.split_once('@').map(|(_, workload)| workload.to_owned()),
            };
            queue.push(prompt);
        }
        queue
    }

    fn turns(script: &str) -> String {
        let mut queue = queue(script);
        let mut turns = Vec::new();
        while queue.len() > 0 {
            let turn = queue.take_turn();
            turns.push(turn.into_iter().filter_map(|prompt| prompt.uuid).collect::<Vec<_>>().join("+"));
        }
        turns.join(" ")
    }

    #[test]
    fn merges_what_waited_together() {
        assert_eq!(turns("a b c"), "a+b+c");
        assert_eq!(turns("a. b c. d"), "b+d a. c.");
        assert_eq!(turns("a b! c"), "b! a+c");
        assert_eq!(turns("a- b c-"), "a- b c-");
        assert_eq!(turns("a b@cron c d@cron"), "a+c b@cron+d@cron");
    }

    #[test]
    fn a_command_of_the_agent_itself_keeps_its_place() {
        assert_eq!(turns("a b /clear c d"), "a+b /clear c+d");
        assert_eq!(turns("/clear a"), "/clear a");
        assert_eq!(turns("a. /clear b"), "a. /clear b");
    }

    #[test]
    fn never_runs_a_uuid_twice() {
        let mut queue = queue("a");
        queue.take_turn();
        let again = Prompt {
            uuid: Some("a".to_owned()),
            content: json!("a"),
            priority: Priority::Next,
            wants_answer: true,
            workload: None,
        };
        assert_eq!(queue.push(again), Arrival::Repeated);
    }

    #[test]
    fn cancels_one_or_all() {
        let mut queue = queue("a b c");
        assert!(queue.cancel("b"));
        assert!(!queue.cancel("b"));
        assert_eq!(queue.uuids(), ["a", "c"]);
        assert_eq!(queue.cancel_all(), ["a", "c"]);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn stays_within_its_bound() {
        let mut queue = PromptQueue::default();
        let prompt = Prompt {
            uuid: None,
            content: json!(""),
            priority: Priority::Next,
            wants_answer: true,
            workload: None,
        };
        for _ in 0..PROMPTS_MAX {
            assert_eq!(queue.push(prompt.clone()), Arrival::Queued);
        }
        assert_eq!(queue.push(prompt), Arrival::Refused);
    }
}
