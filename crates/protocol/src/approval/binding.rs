//! The last check before an answer reaches the agent: does this decision fit the bytes the bridge holds? What does
//! not fit is answered *deny*. An allow that was not edited writes the held bytes, never the client's.

use serde::Serialize;
use serde_json::{Map, Value};

use super::form::FormError;
use super::{Answer as UserAnswer, Decision, Kind, OptionError, PermissionOption, Verdict, digest, pick};
use crate::json::RawJson;
use crate::wire::control::ToolRequest;

/// Why a decision does not fit the held request. The text goes to people and to the agent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// The held bytes are not the shown bytes.
    #[error("the decision is about other bytes than the agent asked about")]
    Digest,
    /// The held request cannot be read.
    #[error("the request cannot be read as a tool's")]
    Unreadable,
    /// The input differs, and nobody said that it was edited.
    #[error("the input differs from the one that was shown, and is not marked as edited")]
    InputDiffers,
    /// Edited, but without the digest of the edited text, or with another.
    #[error("the edited input does not match the digest it was approved with")]
    EditDigest,
    /// A permission update that the agent did not suggest.
    #[error("a permission was granted that the agent did not suggest")]
    NotSuggested,
    /// An allow for what is no tool's request, or the reverse.
    #[error("the decision is of another kind than the request")]
    OtherKind,
    /// An option that the agent did not offer, or that means something else.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// An answer that holds something else than was asked for.
    #[error("the answer does not fit the request: {0}")]
    Answer(#[from] FormError),
}

/// Checks `decision` against `held`, the `request` object as the bridge read it, and returns the line for the
/// agent's stdin (without its `\n`).
///
/// # Errors
/// [`BindingError`] naming the first rule that was broken; answer the agent with [`refusal_line`] then.
pub fn bind(held: &RawJson, decision: &Decision) -> Result<String, BindingError> {
    if decision.digest != digest(held) {
        return Err(BindingError::Digest);
    }
    if decision.verdict.kind() != Kind::of(held) {
        return Err(BindingError::OtherKind);
    }
    if let Verdict::Answer(answer) = &decision.verdict {
        answer.check(held)?;
        return Ok(answer_line(&decision.request_id, answer));
    }
    let request: ToolRequest = held.read().map_err(|_| BindingError::Unreadable)?;
    let option = picked(&request, decision)?;
    match &decision.verdict {
        Verdict::Answer(_) => Err(BindingError::OtherKind),
        Verdict::Deny { message, interrupt } => {
            Ok(denial(&decision.request_id, &request, option, message, *interrupt))
        }
        Verdict::Allow { updated_input, updated_permissions } => {
            let input = if decision.edited {
                edited_input(updated_input, decision.updated_input_digest.as_deref())?
            } else {
                held_input(&request, updated_input)?
            };
            let permissions = granted(&request, updated_permissions)?;
            let lasts = !permissions.is_empty() || option.is_some_and(|option| option.kind.lasts());
            let classification = if lasts { "user_permanent" } else { "user_temporary" };
            Ok(line(
                &decision.request_id,
                &Answer {
                    behavior: "allow",
                    updated_input: Some(&input),
                    updated_permissions: Some(permissions).filter(|granted| !granted.is_empty()),
                    message: None,
                    interrupt: None,
                    tool_use_id: request.tool_use_id.as_deref(),
                    classification,
                    option_id: option_id(option),
                },
            ))
        }
    }
}

/// The line that answers a request of `kind` without anybody having decided it; `message` reaches a tool's caller alone.
#[must_use]
pub fn refusal_line(kind: Kind, request_id: &str, message: &str) -> String {
    kind.refusal().map_or_else(|| denial_line(request_id, message), |answer| answer_line(request_id, &answer))
}

fn answer_line(request_id: &str, answer: &UserAnswer) -> String {
    framed(request_id, &answer.payload())
}

/// The line that denies the request `request_id` with `message`.
#[must_use]
pub fn denial_line(request_id: &str, message: &str) -> String {
    line(
        request_id,
        &Answer {
            behavior: "deny",
            updated_input: None,
            updated_permissions: None,
            message: Some(message),
            interrupt: Some(false),
            tool_use_id: None,
            classification: "user_reject",
            option_id: None,
        },
    )
}

fn denial(
    request_id: &str,
    request: &ToolRequest,
    option: Option<&PermissionOption>,
    message: &str,
    interrupt: bool,
) -> String {
    let message = if message.trim().is_empty() { "The person who was asked said no." } else { message };
    line(
        request_id,
        &Answer {
            behavior: "deny",
            updated_input: None,
            updated_permissions: None,
            message: Some(message),
            interrupt: Some(interrupt),
            tool_use_id: request.tool_use_id.as_deref(),
            classification: "user_reject",
            option_id: option_id(option),
        },
    )
}

/// The option that was picked. An agent that offers options reads nothing else of an answer.
fn picked<'a>(
    request: &'a ToolRequest,
    decision: &Decision,
) -> Result<Option<&'a PermissionOption>, OptionError> {
    let offered = request.permission_options.as_deref();
    let mut allows = false;
    if let Verdict::Allow { updated_permissions, .. } = &decision.verdict {
        allows = true;
        if offered.is_some() && (decision.edited || !updated_permissions.is_empty()) {
            return Err(OptionError::NothingElse);
        }
    }
    pick(offered, allows, decision.option_id.as_deref())
}

fn option_id(option: Option<&PermissionOption>) -> Option<&str> {
    option.map(|option| option.option_id.as_str())
}

fn edited_input(updated: &RawJson, digest_claimed: Option<&str>) -> Result<RawJson, BindingError> {
    if digest_claimed == Some(digest(updated).as_str()) && updated.as_str().starts_with('{') {
        Ok(updated.clone())
    } else {
        Err(BindingError::EditDigest)
    }
}

/// The bytes that run when nothing was edited: the held ones, for a question with the answers put in.
fn held_input(request: &ToolRequest, updated: &RawJson) -> Result<RawJson, BindingError> {
    if updated.same_value(&request.input) {
        return Ok(request.input.clone());
    }
    if request.tool_name != "AskUserQuestion" {
        return Err(BindingError::InputDiffers);
    }
    let (Ok(mut answered), Ok(asked)) =
        (updated.read::<Map<String, Value>>(), request.input.read::<Map<String, Value>>())
    else {
        return Err(BindingError::InputDiffers);
    };
    let mut added = Map::new();
    for key in ["answers", "annotations"] {
        if !asked.contains_key(key)
            && let Some(value) = answered.shift_remove(key)
        {
            added.insert(key.to_owned(), value);
        }
    }
    if answered != asked {
        return Err(BindingError::InputDiffers);
    }
    Ok(with_fields(&request.input, &added))
}

/// `object` with `fields` appended, its own bytes untouched.
fn with_fields(object: &RawJson, fields: &Map<String, Value>) -> RawJson {
    let mut text = object.as_str().trim_end().to_owned();
    text.truncate(text.len().saturating_sub(1));
    let empty = text.trim_end().ends_with('{');
    for (index, (key, value)) in fields.iter().enumerate() {
        if index > 0 || !empty {
            text.push(',');
        }
        text.push_str(RawJson::from_value(key).as_str());
        text.push(':');
        text.push_str(RawJson::from_value(value).as_str());
    }
    text.push('}');
    RawJson::parse(&text).unwrap_or_else(|_| object.clone())
}

/// The suggestions that were granted, as the agent wrote them.
fn granted<'a>(request: &'a ToolRequest, updates: &[RawJson]) -> Result<Vec<&'a RawJson>, BindingError> {
    let suggested = request.permission_suggestions.as_deref().unwrap_or_default();
    updates
        .iter()
        .map(|update| {
            suggested
                .iter()
                .find(|suggestion| suggestion.same_value(update))
                .ok_or(BindingError::NotSuggested)
        })
        .collect()
}

#[derive(Serialize)]
struct Answer<'a> {
    behavior: &'a str,
    #[serde(rename = "updatedInput", skip_serializing_if = "Option::is_none")]
    updated_input: Option<&'a RawJson>,
    #[serde(rename = "updatedPermissions", skip_serializing_if = "Option::is_none")]
    updated_permissions: Option<Vec<&'a RawJson>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interrupt: Option<bool>,
    #[serde(rename = "toolUseID", skip_serializing_if = "Option::is_none")]
    tool_use_id: Option<&'a str>,
    #[serde(rename = "decisionClassification")]
    classification: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    option_id: Option<&'a str>,
}

/// One line for stdin: raw text inside may hold line breaks between its tokens, which the framing may not.
fn line(request_id: &str, answer: &Answer<'_>) -> String {
    framed(request_id, &RawJson::from_value(answer))
}

fn framed(request_id: &str, payload: &RawJson) -> String {
    let line = crate::wire::control::success_response(request_id, Some(payload));
    if line.as_str().contains(['\n', '\r']) { unbroken(line.as_str()) } else { line.as_str().to_owned() }
}

/// `json` without the line breaks between its tokens. Inside strings JSON has none.
fn unbroken(json: &str) -> String {
    json.chars().filter(|character| !matches!(character, '\n' | '\r')).collect()
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const HELD: &str = r#"{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"ls","n":1.10},"tool_use_id":"t1","permission_suggestions":[{"type":"setMode","mode":"acceptEdits","destination":"session"}]}"#;

    fn raw(text: &str) -> RawJson {
        RawJson::parse(text).unwrap()
    }

    fn allow(held: &str, input: &str) -> Decision {
        Decision {
            uuid: "u".into(),
            request_id: "R".into(),
            digest: digest(&raw(held)),
            decided_at_ms: None,
            updated_input_digest: None,
            edited: false,
            base_file: None,
            option_id: None,
            verdict: Verdict::Allow { updated_input: raw(input), updated_permissions: vec![] },
        }
    }

    #[test]
    fn an_allow_writes_the_held_bytes_and_not_the_clients() {
        let line = bind(&raw(HELD), &allow(HELD, r#"{ "n":1.1, "command":"\u006cs" }"#)).unwrap();
        assert!(line.contains(r#""updatedInput":{"command":"ls","n":1.10}"#), "{line}");
        assert!(line.contains(r#""toolUseID":"t1","decisionClassification":"user_temporary""#), "{line}");
    }

    #[test]
    fn other_bytes_than_the_shown_ones_are_refused() {
        let mut decision = allow(HELD, r#"{"command":"ls","n":1.10}"#);
        decision.digest = digest(&raw(r#"{"subtype":"can_use_tool"}"#));
        assert_eq!(bind(&raw(HELD), &decision), Err(BindingError::Digest));
    }

    #[test]
    fn an_input_that_differs_needs_to_be_marked_and_digested() {
        let other = r#"{"command":"rm -rf /"}"#;
        let mut decision = allow(HELD, other);
        assert_eq!(bind(&raw(HELD), &decision), Err(BindingError::InputDiffers));
        decision.edited = true;
        assert_eq!(bind(&raw(HELD), &decision), Err(BindingError::EditDigest));
        decision.updated_input_digest = Some(digest(&raw(r#"{"command":"ls"}"#)));
        assert_eq!(bind(&raw(HELD), &decision), Err(BindingError::EditDigest));
        decision.updated_input_digest = Some(digest(&raw(other)));
        assert!(bind(&raw(HELD), &decision).unwrap().contains(other));
    }

    #[test]
    fn only_what_was_suggested_can_be_granted() {
        let grant = |update: &str| {
            let mut decision = allow(HELD, r#"{"command":"ls","n":1.10}"#);
            let Verdict::Allow { updated_permissions, .. } = &mut decision.verdict else { unreachable!() };
            updated_permissions.push(raw(update));
            bind(&raw(HELD), &decision)
        };
        assert!(grant(r#"{"mode":"acceptEdits","type":"setMode","destination":"session"}"#).is_ok());
        assert_eq!(
            grant(r#"{"type":"setMode","mode":"bypassPermissions","destination":"session"}"#),
            Err(BindingError::NotSuggested)
        );
    }

    #[test]
    fn a_question_takes_answers_and_nothing_else() {
        let held = r#"{"subtype":"can_use_tool","tool_name":"AskUserQuestion","input":{"questions":[{"question":"Q?"}]}}"#;
        let answered = r#"{"questions":[{"question":"Q?"}],"answers":{"Q?":"yes"}}"#;
        let line = bind(&raw(held), &allow(held, answered)).unwrap();
        assert!(
            line.contains(r#""updatedInput":{"questions":[{"question":"Q?"}],"answers":{"Q?":"yes"}}"#),
            "{line}"
        );
        let changed = r#"{"questions":[{"question":"Other?"}],"answers":{"Q?":"yes"}}"#;
        assert_eq!(bind(&raw(held), &allow(held, changed)), Err(BindingError::InputDiffers));
        let more = r#"{"questions":[{"question":"Q?"}],"answers":{},"extra":1}"#;
        assert_eq!(bind(&raw(held), &allow(held, more)), Err(BindingError::InputDiffers));
    }

    #[test]
    fn a_denial_says_the_reason_word_for_word() {
        let mut decision = allow(HELD, "{}");
        decision.verdict = Verdict::Deny { message: "Please keep \"it\".".into(), interrupt: false };
        assert_eq!(
            bind(&raw(HELD), &decision).unwrap(),
            r#"{"type":"control_response","response":{"subtype":"success","request_id":"R","response":{"behavior":"deny","message":"Please keep \"it\".","interrupt":false,"toolUseID":"t1","decisionClassification":"user_reject"}}}"#
        );
    }

    #[test]
    fn an_option_is_named_to_the_agent_and_must_be_one_that_it_offered() {
        let held = r#"{"subtype":"can_use_tool","tool_name":"Edit","input":{},"tool_use_id":"t1","permission_options":[{"option_id":"aa","name":"Always","kind":"allow_always"},{"option_id":"a","name":"Yes","kind":"allow_once"},{"option_id":"r","name":"No","kind":"reject_once"}]}"#;
        let said = |option: Option<&str>, deny: bool| {
            let mut decision = Decision { option_id: option.map(str::to_owned), ..allow(held, "{}") };
            if deny {
                decision.verdict = Verdict::Deny { message: "no".into(), interrupt: false };
            }
            bind(&raw(held), &decision)
        };
        let always = said(Some("aa"), false).unwrap();
        assert!(always.contains(r#""decisionClassification":"user_permanent","option_id":"aa""#), "{always}");
        assert!(said(None, false).unwrap().contains(r#""user_temporary","option_id":"a""#));
        assert!(said(None, true).unwrap().contains(r#""user_reject","option_id":"r""#));
        assert!(said(Some("r"), true).unwrap().contains(r#""behavior":"deny""#));
        for (option, deny, error) in [
            ("r", false, OptionError::OtherBehavior),
            ("aa", true, OptionError::OtherBehavior),
            ("other", false, OptionError::NotOffered),
        ] {
            assert_eq!(said(Some(option), deny), Err(BindingError::Option(error)), "{option}");
        }
        let edited = Decision {
            edited: true,
            updated_input_digest: Some(digest(&raw("{}"))),
            option_id: Some("a".into()),
            ..allow(held, "{}")
        };
        assert_eq!(bind(&raw(held), &edited), Err(BindingError::Option(OptionError::NothingElse)));
        let without = Decision { option_id: Some("a".into()), ..allow(HELD, r#"{"command":"ls","n":1.10}"#) };
        assert_eq!(bind(&raw(HELD), &without), Err(BindingError::Option(OptionError::NotOffered)));
    }

    const ELICITATION: &str = r#"{"subtype":"elicitation","mcp_server_name":"s","message":"Who?","requested_schema":{"properties":{"name":{"type":"string"}},"required":["name"]}}"#;
    const DIALOG: &str = r#"{"subtype":"request_user_dialog","dialog_kind":"pick","payload":{}}"#;

    fn answer(held: &str, answer: UserAnswer) -> Result<String, BindingError> {
        bind(&raw(held), &Decision { verdict: Verdict::Answer(answer), ..allow(held, "{}") })
    }

    #[test]
    fn an_elicitation_and_a_dialog_take_exactly_the_answer_that_was_given() {
        let accept = UserAnswer::Accept { content: Some(raw("{\"name\":\n \"a\\nb\"}")) };
        assert_eq!(
            answer(ELICITATION, accept).unwrap(),
            r#"{"type":"control_response","response":{"subtype":"success","request_id":"R","response":{"action":"accept","content":{"name": "a\nb"}}}}"#
        );
        assert!(
            answer(ELICITATION, UserAnswer::Decline).unwrap().contains(r#""response":{"action":"decline"}"#)
        );
        let done = UserAnswer::Completed { result: raw(r#"{"picked":[1.0]}"#) };
        let line = answer(DIALOG, done).unwrap();
        assert!(line.contains(r#""response":{"behavior":"completed","result":{"picked":[1.0]}}"#), "{line}");
        assert!(answer(DIALOG, UserAnswer::Cancelled).unwrap().contains(r#"{"behavior":"cancelled"}"#));
    }

    #[test]
    fn an_answer_of_another_kind_or_with_other_values_is_refused() {
        let accept = |content: &str| UserAnswer::Accept { content: Some(raw(content)) };
        for held in [HELD, DIALOG] {
            assert_eq!(answer(held, UserAnswer::Decline), Err(BindingError::OtherKind));
        }
        for held in [HELD, ELICITATION] {
            assert_eq!(answer(held, UserAnswer::Cancelled), Err(BindingError::OtherKind));
        }
        for held in [ELICITATION, DIALOG] {
            assert_eq!(bind(&raw(held), &allow(held, held)), Err(BindingError::OtherKind));
            let verdict = Verdict::Deny { message: String::new(), interrupt: false };
            let denial = Decision { verdict, ..allow(held, "{}") };
            assert_eq!(bind(&raw(held), &denial), Err(BindingError::OtherKind));
        }
        for (content, error) in [
            (r#"{"name":7}"#, FormError::WrongType),
            (r#"{"name":"a","more":1}"#, FormError::UnknownField),
            ("{}", FormError::Missing),
        ] {
            assert_eq!(answer(ELICITATION, accept(content)), Err(BindingError::Answer(error)), "{content}");
        }
        let twice = UserAnswer::Completed { result: raw(r#"{"a":1,"a":2}"#) };
        assert_eq!(answer(DIALOG, twice), Err(BindingError::Answer(FormError::Ambiguous)));
        let mut other = allow(ELICITATION, "{}");
        other.verdict = Verdict::Answer(UserAnswer::Decline);
        other.digest = digest(&raw(DIALOG));
        assert_eq!(bind(&raw(ELICITATION), &other), Err(BindingError::Digest));
    }

    #[test]
    fn what_nobody_decided_is_answered_in_its_own_kind() {
        let line = |kind| refusal_line(kind, "R", "no");
        assert!(line(Kind::Tool).contains(r#""behavior":"deny","message":"no""#));
        assert!(line(Kind::Elicitation).contains(r#""response":{"action":"cancel"}"#));
        assert!(line(Kind::Dialog).contains(r#""response":{"behavior":"cancelled"}"#));
    }

    #[test]
    fn a_line_for_stdin_is_one_line() {
        let held =
            "{\"subtype\":\"can_use_tool\",\"tool_name\":\"Bash\",\"input\":{\"command\":\n\"a\\nb\"}}";
        let line = bind(&raw(held), &allow(held, r#"{"command":"a\nb"}"#)).unwrap();
        assert!(!line.contains('\n') && line.contains(r#"{"command":"a\nb"}"#), "{line}");
    }
}
