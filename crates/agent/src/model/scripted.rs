//! The model that needs no key: it follows the directives in a prompt, or shows itself around. Deterministic: the
//! same prompt in the same directory gives the same replies.

use std::{collections::VecDeque, path::PathBuf};

use crate::model::{
    Observed, Part, Reply,
    directive::{self, Step},
    prose, tour,
};

/// Longest piece of somebody's words that is quoted back, in characters.
const QUOTE_CHARS_MAX: usize = 400;

#[derive(Debug)]
pub(crate) struct ScriptedModel {
    steps: VecDeque<Step>,
    cwd: PathBuf,
}

impl ScriptedModel {
    /// Answers the person's prompts, merged to one text.
    pub(crate) fn for_prompt(text: &str, cwd: PathBuf) -> Self {
        let steps = directive::parse(text, &cwd).unwrap_or_else(|| tour::steps(&cwd));
        Self { steps: steps.into(), cwd }
    }

    /// Works for another agent. Without directives there is nothing to do but to report back.
    pub(crate) fn for_task(text: &str, cwd: PathBuf) -> Self {
        let report = || vec![Step::say(&format!("Done: {}", prose::short(text, QUOTE_CHARS_MAX)))];
        let steps = directive::parse(text, &cwd).unwrap_or_else(report);
        Self { steps: steps.into(), cwd }
    }

    /// The next reply, or `None` when all is said.
    pub(crate) fn next_reply(&mut self) -> Option<Reply> {
        let mut reply = Reply { fails_with: None, parts: Vec::new() };
        while let Some(step) = self.steps.pop_front() {
            match step {
                // A failure comes before a reply, so it starts a new one.
                Step::Fail { status } if reply.parts.is_empty() && reply.fails_with.is_none() => {
                    reply.fails_with = Some(status);
                }
                Step::Fail { .. } => {
                    self.steps.push_front(step);
                    return Some(reply);
                }
                Step::Call { .. } => {
                    reply.parts.extend(part(step));
                    return Some(reply);
                }
                Step::Together(steps) => {
                    reply.parts.extend(steps.into_iter().filter_map(part));
                    return Some(reply);
                }
                Step::Text { .. } | Step::Think(_) | Step::Pause { .. } | Step::Raw(_) => {
                    reply.parts.extend(part(step));
                }
            }
        }
        (!reply.parts.is_empty() || reply.fails_with.is_some()).then_some(reply)
    }

    /// Whether the script goes on.
    pub(crate) fn has_more(&self) -> bool {
        !self.steps.is_empty()
    }

    /// Learns what became of the calls of the last reply. A refusal is read and answered, then the script goes on.
    pub(crate) fn observe(&mut self, outcomes: Vec<Observed>) {
        for outcome in outcomes.into_iter().rev() {
            if let Observed::Denied { reason } = outcome {
                let quote = prose::short(&reason, QUOTE_CHARS_MAX);
                self.steps.push_front(Step::say(&format!("Understood, not running it: {quote}")));
            }
        }
    }

    /// Takes in a prompt that arrived while a tool was busy.
    pub(crate) fn fold(&mut self, text: &str) {
        let noted = || vec![Step::say(&format!("Noted: {}", prose::short(text, QUOTE_CHARS_MAX)))];
        self.steps.extend(directive::parse(text, &self.cwd).unwrap_or_else(noted));
    }
}

/// A step as part of a reply. Groups within groups and failures within a message have no meaning and are left out.
fn part(step: Step) -> Option<Part> {
    match step {
        Step::Text { deltas, gap } => Some(Part::Text { deltas, gap }),
        Step::Think(text) => Some(Part::Thinking { deltas: prose::spoken(&text) }),
        Step::Call { name, input } => Some(Part::Call { name, input }),
        Step::Pause { ms } => Some(Part::Pause { ms }),
        Step::Raw(line) => Some(Part::Raw(line)),
        Step::Together(_) | Step::Fail { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(reply: &Reply) -> String {
        let failure = reply.fails_with.map(|status| format!("fail {status}: ")).unwrap_or_default();
        let parts = reply.parts.iter().map(|part| match part {
            Part::Text { deltas, .. } => format!("\"{}\"", deltas.concat()),
            Part::Thinking { deltas } => format!("({})", deltas.concat()),
            Part::Call { name, .. } => name.clone(),
            Part::Pause { ms } => format!("{ms} ms"),
            Part::Raw(line) => line.clone(),
        });
        format!("{failure}{}", parts.collect::<Vec<_>>().join(" "))
    }

    fn replies(model: &mut ScriptedModel) -> Vec<String> {
        std::iter::from_fn(|| model.next_reply()).map(|reply| shape(&reply)).collect()
    }

    #[test]
    fn a_reply_ends_with_its_calls_and_a_failure_starts_a_new_one() {
        let script = "@think a\n@say b\n@bash ls\n@say c\n@fail 529\n@say d\n@fail 500\n@fail 500\n@parallel\n  @read x\n  @read y\n@sleep 1";
        let mut model = ScriptedModel::for_prompt(script, "/p".into());
        assert_eq!(
            replies(&mut model),
            ["(a) \"b\" Bash", "\"c\"", "fail 529: \"d\"", "fail 500: ", "fail 500: Read Read", "1 ms"]
        );
    }

    #[test]
    fn quotes_the_reason_of_a_refusal_and_goes_on() {
        let mut model = ScriptedModel::for_prompt("@bash rm -rf build\n@say next", "/p".into());
        model.next_reply();
        model.observe(vec![Observed::Ran, Observed::Denied { reason: "keep it".to_owned() }]);
        assert_eq!(replies(&mut model), ["\"Understood, not running it: keep it\" \"next\""]);
    }

    #[test]
    fn folds_a_prompt_that_came_in_between() {
        let mut model = ScriptedModel::for_prompt("@bash ls", "/p".into());
        model.fold("also say hi");
        model.fold("@say hi");
        assert_eq!(replies(&mut model), ["Bash", "\"Noted: also say hi\" \"hi\""]);
    }

    #[test]
    fn a_sub_agent_without_a_script_reports_back() {
        assert_eq!(replies(&mut ScriptedModel::for_task("find it", "/p".into())), ["\"Done: find it\""]);
    }
}
