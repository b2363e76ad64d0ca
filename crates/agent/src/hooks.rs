//! Callbacks the host registered for moments of the conversation, and what their answers mean. A hook can only be
//! stricter than the policy where the policy forbids: a deny rule holds whatever a hook says.

use std::collections::BTreeMap;

use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

/// Matchers per moment, and callbacks per matcher.
const MATCHERS_MAX: usize = 64;
/// How long a callback may take when the host does not say, in milliseconds.
const TIMEOUT_DEFAULT_MS: u64 = 60_000;
/// Longest time the host may ask for, in milliseconds.
const TIMEOUT_MAX_MS: u64 = 600_000;

/// The moments at which this agent calls. Others may be registered and never come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    SessionStart,
    UserPromptSubmit,
    PreToolUse,
    PostToolUse,
    PostToolUseFailure,
    Stop,
    SubagentStart,
    SubagentStop,
}

impl Moment {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::SessionStart => "SessionStart",
            Self::UserPromptSubmit => "UserPromptSubmit",
            Self::PreToolUse => "PreToolUse",
            Self::PostToolUse => "PostToolUse",
            Self::PostToolUseFailure => "PostToolUseFailure",
            Self::Stop => "Stop",
            Self::SubagentStart => "SubagentStart",
            Self::SubagentStop => "SubagentStop",
        }
    }
}

/// All callbacks of a session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hooks {
    by_event: BTreeMap<String, Vec<Matcher>>,
}

#[derive(Debug, Clone)]
struct Matcher {
    /// `None` matches everything.
    pattern: Option<Regex>,
    callbacks: Vec<Callback>,
}

/// One callback to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Callback {
    pub(crate) id: String,
    pub(crate) timeout_ms: u64,
    /// Whether a callback that fails counts as a no.
    pub(crate) blocks_on_failure: bool,
}

impl Hooks {
    /// Reads the `hooks` of an `initialize` request. A pattern that is none matches nothing, and is told.
    pub(crate) fn from_json(hooks: &Map<String, Value>) -> Self {
        let matchers = |list: &Value| -> Vec<Matcher> {
            let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
            list.iter().take(MATCHERS_MAX).filter_map(Matcher::from_json).collect()
        };
        Self { by_event: hooks.iter().map(|(event, list)| (event.clone(), matchers(list))).collect() }
    }

    /// The callbacks for a moment, where `subject` is what matchers look at: a tool's name, or nothing.
    pub(crate) fn callbacks(&self, moment: Moment, subject: &str) -> Vec<Callback> {
        let matchers = self.by_event.get(moment.as_str()).map(Vec::as_slice).unwrap_or_default();
        let fits =
            |matcher: &&Matcher| matcher.pattern.as_ref().is_none_or(|pattern| pattern.is_match(subject));
        matchers.iter().filter(fits).flat_map(|matcher| matcher.callbacks.clone()).collect()
    }
}

impl Matcher {
    fn from_json(value: &Value) -> Option<Self> {
        let pattern = match value.get("matcher").and_then(Value::as_str) {
            None | Some("" | "*") => None,
            Some(pattern) => match Regex::new(&format!("^(?:{pattern})$")) {
                Ok(pattern) => Some(pattern),
                Err(_) => {
                    tracing::warn!(pattern, "a hook's matcher is no pattern, so the hook never runs");
                    return None;
                }
            },
        };
        // The wire has seconds here.
        let timeout_ms =
            value.get("timeout").and_then(Value::as_f64).map_or(TIMEOUT_DEFAULT_MS, milliseconds);
        let blocks_on_failure =
            value.get("onFailure").is_some_and(|policy| !policy.is_null() && policy != "continue");
        let ids =
            value.get("hookCallbackIds").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let callbacks = ids.iter().filter_map(Value::as_str).take(MATCHERS_MAX);
        let callback = |id: &str| Callback { id: id.to_owned(), timeout_ms, blocks_on_failure };
        Some(Self { pattern, callbacks: callbacks.map(callback).collect() })
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a range that fits")]
fn milliseconds(seconds: f64) -> u64 {
    let longest = TIMEOUT_MAX_MS as f64;
    (seconds * 1_000.0).clamp(1.0, longest) as u64
}

/// What a hook wants done with a tool call; the later ones win over the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HookDecision {
    Allow,
    Ask,
    Deny,
}

/// What all callbacks of one moment said together.
#[derive(Debug, Default)]
pub(crate) struct HookOutcome {
    pub(crate) decision: Option<HookDecision>,
    /// Why, from the callback that decided.
    pub(crate) reason: Option<String>,
    pub(crate) updated_input: Option<Box<RawValue>>,
    /// What the model is to know beside.
    pub(crate) context: Vec<String>,
    /// Lines for the person.
    pub(crate) messages: Vec<String>,
    /// The turn is to end, for this reason.
    pub(crate) stop: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Answer {
    #[serde(rename = "continue")]
    goes_on: Option<bool>,
    stop_reason: Option<String>,
    decision: Option<String>,
    reason: Option<String>,
    system_message: Option<String>,
    hook_specific_output: Option<Specific>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Specific {
    permission_decision: Option<String>,
    permission_decision_reason: Option<String>,
    updated_input: Option<Box<RawValue>>,
    additional_context: Option<String>,
}

impl HookOutcome {
    /// Takes one callback's answer, or why there is none.
    pub(crate) fn take(&mut self, callback: &Callback, answer: Result<Box<RawValue>, String>) {
        let answer = answer.and_then(|text| {
            serde_json::from_str::<Answer>(text.get())
                .map_err(|error| format!("its answer makes no sense: {error}"))
        });
        match answer {
            Ok(answer) => self.take_answer(answer),
            Err(problem) if callback.blocks_on_failure => {
                self.decide(
                    HookDecision::Deny,
                    Some(format!("A hook that must not fail has failed: {problem}")),
                );
            }
            Err(problem) => {
                tracing::warn!(callback = callback.id, problem, "a hook failed and is passed over")
            }
        }
    }

    fn take_answer(&mut self, answer: Answer) {
        let specific = answer.hook_specific_output.unwrap_or_default();
        if answer.goes_on == Some(false) {
            let reason = answer.stop_reason.or_else(|| answer.reason.clone());
            self.stop =
                self.stop.take().or(Some(reason.unwrap_or_else(|| "A hook stopped the turn".to_owned())));
        }
        match answer.decision.as_deref() {
            Some("block") => self.decide(HookDecision::Deny, answer.reason),
            Some("approve") => self.decide(HookDecision::Allow, answer.reason),
            Some(_) | None => {}
        }
        match specific.permission_decision.as_deref() {
            Some("deny") => self.decide(HookDecision::Deny, specific.permission_decision_reason),
            Some("ask") => self.decide(HookDecision::Ask, specific.permission_decision_reason),
            Some("allow") => self.decide(HookDecision::Allow, specific.permission_decision_reason),
            Some(_) | None => {}
        }
        self.updated_input =
            specific.updated_input.filter(|input| input.get().starts_with('{')).or(self.updated_input.take());
        self.context.extend(specific.additional_context);
        self.messages.extend(answer.system_message);
    }

    fn decide(&mut self, decision: HookDecision, reason: Option<String>) {
        if self.decision < Some(decision) {
            (self.decision, self.reason) = (Some(decision), reason);
        }
    }

    /// Whether the thing at hand must not happen, and why.
    pub(crate) fn blocked(&self) -> Option<String> {
        let reason = || self.reason.clone().unwrap_or_else(|| "A hook said no".to_owned());
        (self.decision == Some(HookDecision::Deny)).then(reason)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hooks() -> Hooks {
        let registered = json!({
            "PreToolUse": [
                {"matcher": "Bash|Edit", "hookCallbackIds": ["a"], "timeout": 2, "onFailure": "block"},
                {"matcher": null, "hookCallbackIds": ["b"]},
                {"matcher": "(", "hookCallbackIds": ["never"]},
            ],
            "SomethingElse": [{"hookCallbackIds": ["c"]}],
        });
        Hooks::from_json(registered.as_object().unwrap())
    }

    fn outcome(answers: &[Value]) -> HookOutcome {
        let callback = Callback { id: "a".to_owned(), timeout_ms: 1, blocks_on_failure: false };
        let mut outcome = HookOutcome::default();
        for answer in answers {
            outcome.take(&callback, Ok(RawValue::from_string(answer.to_string()).unwrap()));
        }
        outcome
    }

    #[test]
    fn matches_whole_names() {
        let ids = |subject| {
            let callbacks = hooks().callbacks(Moment::PreToolUse, subject);
            callbacks.into_iter().map(|callback| callback.id).collect::<Vec<_>>()
        };
        assert_eq!(ids("Bash"), ["a", "b"]);
        assert_eq!(ids("BashOutput"), ["b"]);
        let callback = &hooks().callbacks(Moment::PreToolUse, "Edit")[0];
        assert_eq!((callback.timeout_ms, callback.blocks_on_failure), (2_000, true));
        assert!(hooks().callbacks(Moment::Stop, "").is_empty());
    }

    #[test]
    fn the_strictest_answer_counts() {
        let said = |decision: &str| json!({"hookSpecificOutput": {"permissionDecision": decision, "permissionDecisionReason": decision}});
        let both = outcome(&[said("deny"), said("allow")]);
        assert_eq!((both.decision, both.blocked().as_deref()), (Some(HookDecision::Deny), Some("deny")));
        assert_eq!(outcome(&[said("allow"), said("ask")]).decision, Some(HookDecision::Ask));
        assert_eq!(outcome(&[said("defer"), json!({})]).decision, None);
        assert_eq!(
            outcome(&[json!({"continue": false, "stopReason": "enough"})]).stop.as_deref(),
            Some("enough")
        );
    }

    #[test]
    fn a_failure_blocks_only_where_it_was_asked_to() {
        let fails = |blocks_on_failure| {
            let mut outcome = HookOutcome::default();
            let callback = Callback { id: "a".to_owned(), timeout_ms: 1, blocks_on_failure };
            outcome.take(&callback, Err("gone".to_owned()));
            outcome.blocked().is_some()
        };
        assert_eq!((fails(true), fails(false)), (true, false));
    }
}
