//! Decides about one tool call: run it, refuse it, or ask the person, and if so with which offers. The policy is
//! the session's memory of what was granted; it forgets everything when the process ends.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{
    hooks::HookDecision,
    options::PermissionMode,
    permission::rule::{Ground, READ_RULE_TOOL, Rule},
    tools::Reach,
};

/// What a rule does to the calls it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behavior {
    Allow,
    Deny,
    Ask,
}

impl Behavior {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Ask => "ask",
        }
    }

    pub(crate) fn from_wire(name: &str) -> Option<Self> {
        [Self::Allow, Self::Deny, Self::Ask].into_iter().find(|behavior| behavior.as_str() == name)
    }
}

/// What to do with one call.
#[derive(Debug, PartialEq)]
pub(crate) enum Decision {
    Run { reason_type: &'static str },
    Refuse { message: String, reason_type: &'static str },
    Ask(Box<Question>),
}

/// The optional fields of a `can_use_tool` request.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Question {
    /// What "always allow" may mean, one choice each; `None` where no rule makes sense.
    pub(crate) suggestions: Option<Vec<Value>>,
    pub(crate) blocked_path: Option<PathBuf>,
    pub(crate) reason: Option<(&'static str, String)>,
    pub(crate) needs_person: bool,
}

/// What this session may do.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) mode: PermissionMode,
    pub(crate) bypass_allowed: bool,
    pub(crate) cwd: PathBuf,
    home: Option<PathBuf>,
    pub(crate) directories: Vec<PathBuf>,
    pub(crate) rules: Vec<(Behavior, Rule)>,
    /// The mode to return to when a plan is approved and nothing else is said.
    pub(crate) before_plan: PermissionMode,
}

impl Policy {
    pub(crate) fn new(
        mode: PermissionMode,
        bypass_allowed: bool,
        cwd: PathBuf,
        directories: Vec<PathBuf>,
    ) -> Self {
        let before_plan = if mode == PermissionMode::Plan { PermissionMode::Default } else { mode };
        // Rules may speak of the home directory.
        let home = std::env::home_dir();
        Self { mode, bypass_allowed, cwd, home, directories, rules: Vec::new(), before_plan }
    }

    /// Switches the mode and remembers where a plan started from.
    pub(crate) fn enter(&mut self, mode: PermissionMode) {
        if mode == PermissionMode::Plan && self.mode != PermissionMode::Plan {
            self.before_plan = self.mode;
        }
        self.mode = mode;
    }

    pub(crate) fn decide(&self, tool: &str, reach: &Reach) -> Decision {
        let ground = Ground { cwd: self.cwd.clone(), home: self.home.clone() };
        if let Some(rule) = self.find(Behavior::Deny, |rule| rule.forbids(tool, reach, &ground)) {
            let message = format!("Permission to use {tool} has been denied by the rule {rule}.");
            return Decision::Refuse { message, reason_type: "rule" };
        }
        let needs_person = matches!(reach, Reach::Person);
        if self.mode == PermissionMode::BypassPermissions && !needs_person {
            return Decision::Run { reason_type: "mode" };
        }
        if self.find(Behavior::Ask, |rule| rule.forbids(tool, reach, &ground)).is_some() {
            let reason = Some(("rule", "A rule says that this asks every time.".to_owned()));
            return self.ask(Question { reason, needs_person, ..Question::default() }, tool);
        }
        if self.is_free(reach) {
            return Decision::Run { reason_type: "mode" };
        }
        // In plan mode what was granted earlier waits until the plan is approved.
        let rules_count = self.mode != PermissionMode::Plan || matches!(reach, Reach::Reads(_));
        if rules_count
            && !needs_person
            && self.find(Behavior::Allow, |rule| rule.allows(tool, reach, &ground)).is_some()
        {
            return Decision::Run { reason_type: "rule" };
        }
        self.ask(self.question(tool, reach), tool)
    }

    /// Decides with what a hook said in mind. A deny rule holds against any hook, and so does a rule or a tool that
    /// wants a person asked.
    pub(crate) fn decide_hooked(
        &self,
        tool: &str,
        reach: &Reach,
        hook: Option<&(HookDecision, Option<String>)>,
    ) -> Decision {
        let decision = self.decide(tool, reach);
        let (said, reason) = match (hook, &decision) {
            (None, _) | (_, Decision::Refuse { .. }) => return decision,
            (Some((said, reason)), _) => (said, reason.clone()),
        };
        match (said, decision) {
            (HookDecision::Deny, _) => {
                let message = reason.unwrap_or_else(|| format!("A hook does not let {tool} run."));
                Decision::Refuse { message, reason_type: "hook" }
            }
            (HookDecision::Allow, Decision::Ask(question))
                if question.reason.is_none() && !question.needs_person =>
            {
                Decision::Run { reason_type: "hook" }
            }
            (HookDecision::Ask, Decision::Run { .. }) => self.ask(
                Question { reason: Some(("hook", reason.unwrap_or_default())), ..Question::default() },
                tool,
            ),
            (HookDecision::Ask, Decision::Ask(mut question)) => {
                question.reason = Some(("hook", reason.unwrap_or_default()));
                // What a hook wants asked each time is not granted for all times.
                question.suggestions = None;
                Decision::Ask(question)
            }
            (HookDecision::Allow | HookDecision::Ask, decision) => decision,
        }
    }

    /// Whether the call changes nothing outside what the mode lets through.
    fn is_free(&self, reach: &Reach) -> bool {
        match reach {
            Reach::Nothing => true,
            Reach::Reads(path) => self.is_workspace(path),
            Reach::Writes(path) => self.mode == PermissionMode::AcceptEdits && self.is_workspace(path),
            Reach::Command(_) | Reach::Person | Reach::Unknown => false,
        }
    }

    fn is_workspace(&self, path: &Path) -> bool {
        path.starts_with(&self.cwd) || self.directories.iter().any(|directory| path.starts_with(directory))
    }

    fn find(&self, behavior: Behavior, covers: impl Fn(&Rule) -> bool) -> Option<&Rule> {
        self.rules.iter().find(|(kind, rule)| *kind == behavior && covers(rule)).map(|(_, rule)| rule)
    }

    fn ask(&self, question: Question, tool: &str) -> Decision {
        if self.mode == PermissionMode::DontAsk {
            let message = format!("Permission to use {tool} has been denied because the mode is dontAsk.");
            return Decision::Refuse { message, reason_type: "mode" };
        }
        Decision::Ask(Box::new(question))
    }

    fn question(&self, tool: &str, reach: &Reach) -> Question {
        match reach {
            Reach::Person => Question { needs_person: true, ..Question::default() },
            Reach::Command(command) => {
                Question { suggestions: Some(vec![grant(tool, Some(command))]), ..Question::default() }
            }
            Reach::Reads(path) => self.outside(path, vec![grant(READ_RULE_TOOL, Some(&below(path)))]),
            Reach::Writes(path) if self.is_workspace(path) => {
                Question { suggestions: Some(vec![accept_edits()]), ..Question::default() }
            }
            Reach::Writes(path) => {
                let directory = path.parent().unwrap_or(path);
                let add =
                    json!({"type": "addDirectories", "directories": [directory], "destination": "session"});
                self.outside(path, vec![add, accept_edits()])
            }
            Reach::Nothing | Reach::Unknown => {
                Question { suggestions: Some(vec![grant(tool, None)]), ..Question::default() }
            }
        }
    }

    fn outside(&self, path: &Path, suggestions: Vec<Value>) -> Question {
        let reason = format!("{} is outside the working directory {}", path.display(), self.cwd.display());
        Question {
            suggestions: Some(suggestions),
            blocked_path: Some(path.to_owned()),
            reason: Some(("workingDir", reason)),
            needs_person: false,
        }
    }
}

/// The rule text for a path and what lies below its directory.
fn below(path: &Path) -> String {
    let directory = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    format!("/{}/**", directory.display().to_string().trim_end_matches('/'))
}

fn grant(tool: &str, content: Option<&str>) -> Value {
    let rule = Rule { tool: tool.to_owned(), content: content.map(str::to_owned) };
    json!({"type": "addRules", "rules": [rule.to_json()], "behavior": "allow", "destination": "session"})
}

fn accept_edits() -> Value {
    json!({"type": "setMode", "mode": "acceptEdits", "destination": "session"})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(mode: PermissionMode) -> Policy {
        Policy::new(mode, false, "/project".into(), vec!["/shared".into()])
    }

    fn verb(decision: &Decision) -> &'static str {
        match decision {
            Decision::Run { .. } => "run",
            Decision::Refuse { .. } => "refuse",
            Decision::Ask(_) => "ask",
        }
    }

    #[test]
    fn every_mode_lets_through_what_it_says() {
        let reach = [
            ("Read", Reach::Reads("/project/a".into())),
            ("Read", Reach::Reads("/etc/passwd".into())),
            ("Edit", Reach::Writes("/shared/a".into())),
            ("Edit", Reach::Writes("/projects/a".into())),
            ("Bash", Reach::Command("ls".to_owned())),
            ("TodoWrite", Reach::Nothing),
            ("Odd", Reach::Unknown),
            ("AskUserQuestion", Reach::Person),
        ];
        let table = [
            (PermissionMode::Default, "run ask ask ask ask run ask ask"),
            (PermissionMode::AcceptEdits, "run ask run ask ask run ask ask"),
            (PermissionMode::Plan, "run ask ask ask ask run ask ask"),
            (PermissionMode::DontAsk, "run refuse refuse refuse refuse run refuse refuse"),
            (PermissionMode::BypassPermissions, "run run run run run run run ask"),
        ];
        for (mode, expected) in table {
            let verbs: Vec<_> =
                reach.iter().map(|(tool, reach)| verb(&policy(mode).decide(tool, reach))).collect();
            assert_eq!(verbs.join(" "), expected, "{mode}");
        }
    }

    #[test]
    fn a_deny_rule_wins_over_bypass_and_an_ask_rule_over_an_allow_rule() {
        let mut bypass = policy(PermissionMode::BypassPermissions);
        let rm = Rule { tool: "Bash".to_owned(), content: Some("rm:*".to_owned()) };
        bypass.rules.push((Behavior::Deny, rm.clone()));
        assert_eq!(verb(&bypass.decide("Bash", &Reach::Command("rm a".to_owned()))), "refuse");

        let mut careful = policy(PermissionMode::Default);
        careful.rules.push((Behavior::Allow, Rule { tool: "Bash".to_owned(), content: None }));
        careful.rules.push((Behavior::Ask, rm));
        assert_eq!(verb(&careful.decide("Bash", &Reach::Command("ls".to_owned()))), "run");
        assert_eq!(verb(&careful.decide("Bash", &Reach::Command("rm a".to_owned()))), "ask");
    }

    #[test]
    fn a_granted_rule_sleeps_while_a_plan_is_made() {
        let mut planning = policy(PermissionMode::Plan);
        planning.rules.push((Behavior::Allow, Rule { tool: "Bash".to_owned(), content: None }));
        assert_eq!(verb(&planning.decide("Bash", &Reach::Command("ls".to_owned()))), "ask");
    }

    #[test]
    fn offers_the_exact_command_and_the_directory_of_a_path() {
        let asks = |tool, reach| match policy(PermissionMode::Default).decide(tool, &reach) {
            Decision::Ask(question) => *question,
            Decision::Run { .. } | Decision::Refuse { .. } => panic!("asks"),
        };
        let command = asks("Bash", Reach::Command("make it".to_owned()));
        assert_eq!(command.suggestions.unwrap(), [grant("Bash", Some("make it"))]);
        let read = asks("Grep", Reach::Reads("/nowhere/at/all.txt".into()));
        assert_eq!(read.suggestions.unwrap(), [grant("Read", Some("//nowhere/at/**"))]);
        assert_eq!(read.blocked_path.unwrap(), Path::new("/nowhere/at/all.txt"));
        let question = asks("AskUserQuestion", Reach::Person);
        assert!(question.needs_person && question.suggestions.is_none());
    }
}
