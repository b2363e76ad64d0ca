//! The rules of a decision, without a database: which answer a row gives to whoever answers it now. The store's
//! compare-and-set has the last word; this says what to tell the one who lost it.

mod grants;

use portcullis_protocol::RawJson;
use portcullis_protocol::approval::{BaseFile, Decision, Kind, OptionError, PermissionOption, Verdict, pick};
use portcullis_protocol::id::DeviceId;
use portcullis_protocol::limits::{DECISION_AGE_MAX_MS, PENDING_REQUESTS_MAX};
use portcullis_protocol::wire::client::PermissionState;
use serde::Deserialize;

pub(crate) use grants::least_role;

use crate::store::RequestRow;

/// Who denies when too many requests wait.
pub(crate) const OVERFLOW_DECIDER: &str = "Portcullis";
/// Why.
pub(crate) const OVERFLOW_REASON: &str = "too many requests wait for a person in this session";
/// Open rows of one session, denied ones included, beyond which a request is not even kept open until the bridge
/// has its denial: an agent that asks a thousand times a second fills no table.
const OPEN_REQUESTS_MAX: usize = 4 * PENDING_REQUESTS_MAX;
/// Bytes of the open requests of one session, beyond which the next is denied: whoever connects gets all of them in
/// one frame.
const PENDING_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The same with those that were denied; beyond it none is kept open.
const OPEN_BYTES_MAX: usize = 2 * PENDING_BYTES_MAX;

/// What to do with a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ruled {
    /// Record it, if the row is still pending then.
    Record,
    /// This device said exactly this before.
    Duplicate,
    Refused(Refusal),
}

/// Why a decision is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("somebody decided before: {behavior} by {decided_by}")]
    AlreadyDecided { decided_by: String, behavior: String },
    #[error("this request can no longer be answered: {0}")]
    Gone(String),
    #[error("this click is older than {} s and was not taken: look at the request again", DECISION_AGE_MAX_MS / 1000)]
    TooOld,
    #[error("the shown bytes differ from the request that waits: reload and look again")]
    OtherBytes,
    #[error("that is no answer to this kind of request")]
    OtherKind,
    #[error(transparent)]
    Option(#[from] OptionError),
}

/// Judges `decision` of `device`, sent as `event`, over `row` at server time `now_ms`. `is_current` tells whether
/// the process that asked still speaks for the session.
pub(crate) fn rule(
    row: &RequestRow,
    is_current: bool,
    decision: &Decision,
    event: &RawJson,
    device: &DeviceId,
    now_ms: u64,
) -> Ruled {
    let said_before = row.device_id.as_ref() == Some(device) && row.decision.as_ref() == Some(event);
    if said_before {
        return Ruled::Duplicate;
    }
    match row.state {
        PermissionState::Pending if is_current => {}
        PermissionState::Pending => {
            return Ruled::Refused(Refusal::Gone("the agent process that asked is gone".into()));
        }
        PermissionState::Decided | PermissionState::Delivered | PermissionState::Settled => {
            return Ruled::Refused(Refusal::AlreadyDecided {
                decided_by: row.decided_by.clone().unwrap_or_default(),
                behavior: row.behavior.clone().unwrap_or_default(),
            });
        }
        PermissionState::Cancelled
        | PermissionState::Orphaned
        | PermissionState::Refused
        | PermissionState::Expired => {
            let reason = row.reason.clone().unwrap_or_else(|| row.state.as_str().to_owned());
            return Ruled::Refused(Refusal::Gone(reason));
        }
    }
    if decision.digest != row.digest {
        return Ruled::Refused(Refusal::OtherBytes);
    }
    let names_other_file =
        decision.base_file.is_some() && decision.base_file != BaseFile::of_event(&row.event);
    if names_other_file {
        return Ruled::Refused(Refusal::OtherBytes);
    }
    if decision.verdict.kind() != Kind::of_event(&row.event) {
        return Ruled::Refused(Refusal::OtherKind);
    }
    if let Err(error) = picked(&row.event, decision) {
        return Ruled::Refused(error.into());
    }
    // A time in the future is a wrong clock at the other end, and counts as now.
    let age_ms = decision.decided_at_ms.map_or(0, |at| now_ms.saturating_sub(at));
    if age_ms > DECISION_AGE_MAX_MS { Ruled::Refused(Refusal::TooOld) } else { Ruled::Record }
}

/// The option of `event`, a whole request, that `decision` picks.
///
/// # Errors
/// [`OptionError`] when it picks none that was offered.
pub(crate) fn picked(event: &RawJson, decision: &Decision) -> Result<Option<PermissionOption>, OptionError> {
    #[derive(Deserialize)]
    struct Event {
        request: Offering,
    }
    #[derive(Default, Deserialize)]
    struct Offering {
        #[serde(default)]
        permission_options: Option<Vec<PermissionOption>>,
    }
    let offering = event.read::<Event>().map(|event| event.request).unwrap_or_default();
    let allows = match decision.verdict {
        Verdict::Allow { .. } => true,
        Verdict::Deny { .. } => false,
        Verdict::Answer(_) => return Ok(None),
    };
    let offered = offering.permission_options.as_deref();
    pick(offered, allows, decision.option_id.as_deref()).map(Option::<&_>::cloned)
}

/// The state a new request starts in when `open` are open already; `bytes` of theirs and its own.
pub(crate) fn admission(open: usize, bytes: usize) -> PermissionState {
    if open < PENDING_REQUESTS_MAX && bytes <= PENDING_BYTES_MAX {
        PermissionState::Pending
    } else if open < OPEN_REQUESTS_MAX && bytes <= OPEN_BYTES_MAX {
        PermissionState::Decided
    } else {
        PermissionState::Refused
    }
}

/// The denial of `event`, a request that came when too many waited.
pub(crate) fn overflow_denial(request_id: &str, digest: &str, event: &RawJson) -> Decision {
    let denial = Verdict::Deny { message: OVERFLOW_REASON.to_owned(), interrupt: false };
    Decision {
        uuid: format!("overflow-{digest}"),
        request_id: request_id.to_owned(),
        digest: digest.to_owned(),
        decided_at_ms: None,
        updated_input_digest: None,
        edited: false,
        base_file: None,
        option_id: None,
        verdict: Kind::of_event(event).refusal().map_or(denial, Verdict::Answer),
    }
}

/// Whether `event`, a decision, grants something beyond the one call.
pub(crate) fn grants_more(event: &RawJson) -> bool {
    matches!(
        Decision::parse(event),
        Ok(Decision { verdict: Verdict::Allow { updated_permissions, .. }, .. }) if !updated_permissions.is_empty()
    )
}

/// Why an answer over the plain dialect is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlainRefusal {
    #[error("not an answer to a request: {0}")]
    Shape(&'static str),
    #[error("over this dialect an input is allowed as it is or not at all; edit it in the Portcullis client")]
    Edited,
}

/// Makes a decision out of a plain answer to a request whose line was written to that very socket: the digest is
/// the one of those bytes, and the input is the one that was in them.
///
/// # Errors
/// [`PlainRefusal`] when it is no answer, or allows something else than what was asked.
pub(crate) fn bind_plain(line: &RawJson, shown: &RawJson, uuid: String) -> Result<Decision, PlainRefusal> {
    #[derive(Deserialize)]
    struct Answer {
        response: Outer,
    }
    #[derive(Deserialize)]
    struct Outer {
        request_id: String,
        response: RawJson,
    }
    #[derive(Deserialize)]
    struct Inner {
        behavior: String,
        #[serde(default, rename = "updatedInput")]
        updated_input: Option<RawJson>,
        #[serde(default, rename = "updatedPermissions")]
        updated_permissions: Option<Vec<RawJson>>,
        #[serde(default)]
        message: Option<String>,
        #[serde(default)]
        interrupt: Option<bool>,
        #[serde(default)]
        option_id: Option<String>,
    }
    #[derive(Deserialize)]
    struct Shown {
        request: RawJson,
    }
    #[derive(Deserialize)]
    struct Asked {
        #[serde(default)]
        input: Option<RawJson>,
    }
    let answer: Answer = line.read().map_err(|_| PlainRefusal::Shape("it holds no decision"))?;
    let shown: Shown = shown.read().map_err(|_| PlainRefusal::Shape("the request has no body"))?;
    let asked: Asked = shown.request.read().map_err(|_| PlainRefusal::Shape("the request has no body"))?;
    let Outer { request_id, response } = answer.response;
    let bound = |verdict, option_id| Decision {
        uuid,
        request_id,
        digest: portcullis_protocol::approval::digest(&shown.request),
        decided_at_ms: None,
        updated_input_digest: None,
        edited: false,
        base_file: None,
        option_id,
        verdict,
    };
    if Kind::of(&shown.request) != Kind::Tool {
        let verdict = Verdict::read(&response).map_err(|_| PlainRefusal::Shape("it holds no such answer"))?;
        return Ok(bound(verdict, None));
    }
    let inner: Inner = response.read().map_err(|_| PlainRefusal::Shape("it holds no decision"))?;
    let verdict = match inner.behavior.as_str() {
        "allow" => {
            let held = asked.input.ok_or(PlainRefusal::Shape("the request has no input"))?;
            if inner.updated_input.is_some_and(|wanted| wanted != held && !wanted.same_value(&held)) {
                return Err(PlainRefusal::Edited);
            }
            Verdict::Allow {
                updated_input: held,
                updated_permissions: inner.updated_permissions.unwrap_or_default(),
            }
        }
        "deny" => Verdict::Deny {
            message: inner.message.unwrap_or_default(),
            interrupt: inner.interrupt.unwrap_or(false),
        },
        _ => return Err(PlainRefusal::Shape("`behavior` is neither allow nor deny")),
    };
    Ok(bound(verdict, inner.option_id))
}

#[cfg(test)]
mod tests {
    use portcullis_protocol::id::Incarnation;

    use super::*;

    const NOW: u64 = 1_000_000;

    fn row(state: PermissionState) -> RequestRow {
        RequestRow {
            ordinal: 1,
            incarnation: Incarnation::parse("i1").unwrap(),
            request_id: "R".into(),
            state,
            digest: "d".into(),
            event: RawJson::null(),
            asked_at_ms: 0,
            decided_at_ms: None,
            device_id: None,
            decided_by: None,
            behavior: None,
            decision: None,
            reason: None,
        }
    }

    fn denial(digest: &str, decided_at_ms: Option<u64>) -> Decision {
        Decision {
            uuid: "u".into(),
            request_id: "R".into(),
            digest: digest.into(),
            decided_at_ms,
            updated_input_digest: None,
            edited: false,
            base_file: None,
            option_id: None,
            verdict: Verdict::Deny { message: String::new(), interrupt: false },
        }
    }

    fn ruled(row: &RequestRow, is_current: bool, decision: &Decision) -> Ruled {
        rule(row, is_current, decision, &decision.to_event(), &DeviceId::parse("dev").unwrap(), NOW)
    }

    #[test]
    fn a_decision_on_another_file_than_the_one_that_was_recorded_is_refused() {
        let on = |base_file: &str| RequestRow {
            event: RawJson::parse(&format!(r#"{{"request":{{}},"base_file":{base_file}}}"#)).unwrap(),
            ..row(PermissionState::Pending)
        };
        let named = Decision { base_file: Some(BaseFile::New), ..denial("d", None) };
        assert_eq!(ruled(&on(r#"{"is_new":true}"#), true, &named), Ruled::Record);
        for row in [on("null"), on(&format!(r#"{{"sha256":"{}","bytes":1}}"#, "0".repeat(64)))] {
            assert_eq!(ruled(&row, true, &named), Ruled::Refused(Refusal::OtherBytes));
            assert_eq!(ruled(&row, true, &denial("d", None)), Ruled::Record, "it names none");
        }
    }

    #[test]
    fn takes_a_decision_over_the_bytes_that_wait() {
        let pending = row(PermissionState::Pending);
        assert_eq!(ruled(&pending, true, &denial("d", None)), Ruled::Record);
        assert_eq!(ruled(&pending, true, &denial("other", None)), Ruled::Refused(Refusal::OtherBytes));
    }

    #[test]
    fn refuses_yesterdays_click_and_forgives_a_clock_that_runs_ahead() {
        let pending = row(PermissionState::Pending);
        assert_eq!(ruled(&pending, true, &denial("d", Some(NOW - DECISION_AGE_MAX_MS))), Ruled::Record);
        let old = denial("d", Some(NOW - DECISION_AGE_MAX_MS - 1));
        assert_eq!(ruled(&pending, true, &old), Ruled::Refused(Refusal::TooOld));
        assert_eq!(ruled(&pending, true, &denial("d", Some(NOW * 2))), Ruled::Record);
    }

    #[test]
    fn a_request_of_a_process_that_is_gone_takes_no_answer() {
        let gone = ruled(&row(PermissionState::Pending), false, &denial("d", None));
        assert!(matches!(gone, Ruled::Refused(Refusal::Gone(_))));
        for state in [PermissionState::Cancelled, PermissionState::Orphaned, PermissionState::Refused] {
            let gone = ruled(&row(state), true, &denial("d", None));
            assert!(matches!(gone, Ruled::Refused(Refusal::Gone(_))), "{state:?}");
        }
    }

    #[test]
    fn the_loser_hears_who_won_and_the_winner_may_repeat_himself() {
        let mut decided = row(PermissionState::Decided);
        decided.device_id = Some(DeviceId::parse("dev").unwrap());
        decided.decided_by = Some("phone".into());
        decided.behavior = Some("allow".into());
        decided.decision = Some(denial("d", None).to_event());
        assert_eq!(ruled(&decided, true, &denial("d", None)), Ruled::Duplicate);
        let other = denial("d", Some(NOW));
        let already = Refusal::AlreadyDecided { decided_by: "phone".into(), behavior: "allow".into() };
        assert_eq!(ruled(&decided, true, &other), Ruled::Refused(already));
    }

    #[test]
    fn a_plain_answer_is_bound_to_the_shown_bytes_and_never_edits() {
        let raw = |text: &str| RawJson::parse(text).unwrap();
        let shown = raw(
            r#"{"type":"control_request","request_id":"R","request":{"subtype":"can_use_tool","input":{"n":1.0}}}"#,
        );
        let answer = |inner: &str| {
            raw(&format!(
                r#"{{"type":"control_response","response":{{"subtype":"success","request_id":"R","response":{inner}}}}}"#
            ))
        };
        let allow = bind_plain(&answer(r#"{"behavior":"allow"}"#), &shown, "u".into()).unwrap();
        let Verdict::Allow { updated_input, .. } = &allow.verdict else { panic!("another verdict") };
        assert_eq!(updated_input.as_str(), r#"{"n":1.0}"#);
        assert_eq!(allow.digest.len(), 64);
        let same =
            bind_plain(&answer(r#"{"behavior":"allow","updatedInput":{ "n" : 1.0 }}"#), &shown, "u".into());
        assert!(same.is_ok());
        let edited =
            bind_plain(&answer(r#"{"behavior":"allow","updatedInput":{"n":2}}"#), &shown, "u".into());
        assert_eq!(edited, Err(PlainRefusal::Edited));
        assert!(bind_plain(&answer(r#"{"behavior":"maybe"}"#), &shown, "u".into()).is_err());
        let asked = raw(r#"{"type":"control_request","request":{"subtype":"elicitation","message":"Who?"}}"#);
        let decline = bind_plain(&answer(r#"{"action":"decline"}"#), &asked, "u".into()).unwrap();
        assert_eq!(decline.behavior(), "decline");
        assert!(bind_plain(&answer(r#"{"action":"decline"}"#), &shown, "u".into()).is_err());
    }

    #[test]
    fn a_decision_of_another_kind_than_the_request_is_refused() {
        let event = r#"{"request":{"subtype":"elicitation","message":"Who?"}}"#;
        let asked = RequestRow { event: RawJson::parse(event).unwrap(), ..row(PermissionState::Pending) };
        assert_eq!(ruled(&asked, true, &denial("d", None)), Ruled::Refused(Refusal::OtherKind));
        let decline =
            Decision { verdict: Verdict::no(Kind::Elicitation, String::new(), false), ..denial("d", None) };
        assert_eq!(ruled(&asked, true, &decline), Ruled::Record);
        assert_eq!(ruled(&row(PermissionState::Pending), true, &decline), Ruled::Refused(Refusal::OtherKind));
        assert_eq!(overflow_denial("R", "d", &asked.event).behavior(), "cancel");
    }

    #[test]
    fn an_option_that_was_not_offered_or_means_something_else_is_refused() {
        let event = r#"{"request":{"subtype":"can_use_tool","permission_options":[{"option_id":"r","name":"No","kind":"reject_once"}]}}"#;
        let asked = RequestRow { event: RawJson::parse(event).unwrap(), ..row(PermissionState::Pending) };
        let said = |option: Option<&str>, verdict: Verdict| {
            let option_id = option.map(str::to_owned);
            ruled(&asked, true, &Decision { option_id, verdict, ..denial("d", None) })
        };
        let no = || Verdict::Deny { message: String::new(), interrupt: false };
        let yes = || Verdict::Allow { updated_input: RawJson::null(), updated_permissions: vec![] };
        assert_eq!(said(Some("r"), no()), Ruled::Record);
        assert_eq!(said(None, no()), Ruled::Record);
        let refused = |error| Ruled::Refused(Refusal::Option(error));
        assert_eq!(said(Some("r"), yes()), refused(OptionError::OtherBehavior));
        assert_eq!(said(None, yes()), refused(OptionError::NoPlainAllow));
        assert_eq!(said(Some("x"), no()), refused(OptionError::NotOffered));
    }

    #[test]
    fn a_flood_of_requests_is_denied_and_then_not_kept() {
        assert_eq!(admission(PENDING_REQUESTS_MAX - 1, 9), PermissionState::Pending);
        assert_eq!(admission(PENDING_REQUESTS_MAX, 9), PermissionState::Decided);
        assert_eq!(admission(OPEN_REQUESTS_MAX, 9), PermissionState::Refused);
        assert_eq!(admission(2, PENDING_BYTES_MAX), PermissionState::Pending);
        assert_eq!(admission(2, PENDING_BYTES_MAX + 1), PermissionState::Decided);
        assert_eq!(admission(2, OPEN_BYTES_MAX + 1), PermissionState::Refused);
    }
}
