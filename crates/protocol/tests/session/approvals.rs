//! What waits for a person, and what becomes of a click.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use portcullis_protocol::limits::{DELIVERY_LATE_MS, POST_SLOW_MS};
use portcullis_protocol::session::{Change, Choice, Click, Input, Output, PostOutcome};
use portcullis_protocol::wire::client::PermissionState;
use portcullis_protocol::wire::rest::ErrorDetail;
use portcullis_protocol::{RawJson, Tick};

use crate::bench::{Bench, REQUEST, pending, request_digest, step, welcome};

#[test]
fn a_decision_binds_the_bytes_that_were_shown() {
    let mut bench = Bench::online();
    bench.frame(&format!(r#"{{"type":"permission",{}"#, &pending("R", &request_digest())[1..]));
    assert_eq!(bench.session.ledger().waiting(), 1);
    bench.now = Tick(500);
    bench.decide("d1", Choice::Allow);
    let body = bench.posts()[0].1;
    assert!(body.contains(&format!(r#""digest":"{}""#, request_digest())), "{body}");
    assert!(body.contains(r#""updatedInput":{"command":"ls","n":1.0}"#), "{body}");
    assert!(body.contains(r#""decided_at_ms":1000500"#), "{body}");
}

#[test]
fn a_decision_names_the_file_that_the_request_was_shown_to_be_made_on() {
    for base in [r#"{"is_new":true}"#.to_owned(), format!(r#"{{"sha256":"{}","bytes":3}}"#, "ab".repeat(32))]
    {
        let mut bench = Bench::online();
        let asked = format!(r#"{{"type":"permission",{}"#, &pending("R", &request_digest())[1..]);
        let beside = format!(r#""request":{REQUEST},"base_file":{base}}}"#);
        let frame = asked.replace(&format!(r#""request":{REQUEST}}}"#), &beside);
        assert_ne!(frame, asked);
        bench.frame(&frame);
        assert_eq!(bench.session.ledger().waiting(), 1, "the digest is of the request alone");
        bench.decide("d1", Choice::Allow);
        let body = bench.posts()[0].1;
        assert!(body.contains(&format!(r#""base_file":{base}"#)), "{body}");
    }
}

#[test]
fn an_agents_own_option_is_sent_by_its_id_with_what_it_means() {
    let request = r#"{"subtype":"can_use_tool","tool_name":"Edit","input":{"a":1},"permission_options":[{"option_id":"aa","name":"Always","kind":"allow_always"},{"option_id":"r","name":"No","kind":"reject_once"}]}"#;
    let digest = portcullis_protocol::approval::digest(&RawJson::parse(request).unwrap());
    let frame = format!(
        r#"{{"type":"permission","request_id":"R","state":"pending","digest":"{digest}","event":{{"type":"control_request","request_id":"R","request":{request}}}}}"#
    );
    for (option, says) in [("aa", "allow"), ("r", "deny")] {
        let mut bench = Bench::online();
        bench.frame(&frame);
        for refused in [Choice::Allow, Choice::Pick { option_id: "other".into() }] {
            bench.decide("d0", refused);
            assert!(bench.posts().is_empty(), "no allow that holds once is offered");
        }
        bench.decide("d1", Choice::Pick { option_id: option.into() });
        let body = bench.posts()[0].1;
        assert!(body.contains(&format!(r#""option_id":"{option}""#)), "{body}");
        assert!(body.contains(&format!(r#""behavior":"{says}""#)), "{body}");
    }
}

#[test]
fn a_double_click_sends_one_decision() {
    let mut bench = Bench::online();
    bench.frame(&format!(r#"{{"type":"permission",{}"#, &pending("R", &request_digest())[1..]));
    for uuid in ["d1", "d2"] {
        bench.decide(uuid, Choice::Allow);
    }
    assert_eq!(bench.posts().len(), 1);
}

#[test]
fn what_the_server_holds_otherwise_can_only_be_denied() {
    let mut bench = Bench::online();
    bench.frame(&format!(r#"{{"type":"permission",{}"#, &pending("R", "other")[1..]));
    bench.decide("d1", Choice::Allow);
    assert!(bench.posts().is_empty());
    assert!(matches!(bench.session.ledger().entries()[0].click, Click::Failed { .. }));
    let deny = Choice::Deny { message: "no".into(), interrupt: false };
    bench.decide("d2", deny);
    assert_eq!(bench.posts().len(), 1);
}

#[test]
fn after_a_reconnect_exactly_the_pending_set_is_open() {
    let mut bench = Bench::online();
    for id in ["A", "B"] {
        bench.frame(&format!(r#"{{"type":"permission",{}"#, &pending(id, &request_digest())[1..]));
    }
    bench.feed(Input::Closed { code: 1006 });
    bench.wait();
    bench.feed(Input::Opened { token: "t".into() });
    bench.frame(&welcome(0, true, &format!("[{}]", pending("B", &request_digest()))));
    let open: Vec<_> =
        bench.session.ledger().entries().iter().map(|entry| entry.request_id.as_str()).collect();
    assert_eq!(open, ["B"]);
}

#[test]
fn a_request_goes_through_its_ticks_and_leaves() {
    let mut bench = Bench::online();
    bench.event(1, r#"{"type":"assistant","message":{"id":"m","content":[{"type":"tool_use","id":"t1","name":"Bash","input":{}}]}}"#);
    bench.frame(&format!(r#"{{"type":"permission",{}"#, &pending("R", &request_digest())[1..]));
    assert_eq!(bench.texts(), ["Bash waiting"]);
    for state in ["decided", "delivered", "settled"] {
        bench.frame(&step("R", state));
    }
    assert_eq!(bench.texts(), ["Bash running"]);
    let entry = &bench.session.ledger().entries()[0];
    assert_eq!((entry.state, entry.decided_by.as_deref()), (PermissionState::Settled, Some("phone")));
    bench.wait();
    assert!(bench.session.ledger().entries().is_empty());
}

#[test]
fn an_id_that_a_new_process_uses_again_is_another_request() {
    let mut bench = Bench::online();
    bench.frame(&format!(r#"{{"type":"permission",{}"#, &pending("R", &request_digest())[1..]));
    bench.frame(&step("R", "orphaned"));
    bench.frame(&format!(r#"{{"type":"permission",{}"#, &pending("R", &request_digest())[1..]));
    assert_eq!(bench.session.ledger().waiting(), 1);
    bench.now = Tick(20_000);
    bench.feed(Input::Timeout);
    assert_eq!(bench.session.ledger().waiting(), 1, "it does not leave with the one before");
}

#[test]
fn a_request_that_overtakes_its_call_still_marks_it() {
    let mut bench = Bench::online();
    bench.frame(&format!(r#"{{"type":"permission",{}"#, &pending("R", &request_digest())[1..]));
    bench.event(1, r#"{"type":"assistant","message":{"id":"m","content":[{"type":"tool_use","id":"t1","name":"Bash","input":{}}]}}"#);
    assert_eq!(bench.texts(), ["Bash waiting"]);
}

#[test]
fn a_click_that_was_too_slow_says_who_was_faster() {
    let mut bench = Bench::online();
    bench.frame(&format!(r#"{{"type":"permission",{}"#, &pending("R", &request_digest())[1..]));
    bench.decide("d1", Choice::Allow);
    let post = bench.posts()[0].0;
    let error = ErrorDetail { message: "Denied already by phone.".into(), ..ErrorDetail::default() };
    bench.feed(Input::Posted { post, outcome: PostOutcome::Refused(error) });
    assert_eq!(
        bench.session.ledger().entries()[0].click,
        Click::Failed { message: "Denied already by phone.".into() }
    );
}

const STATES: [&str; 8] =
    ["pending", "decided", "delivered", "settled", "cancelled", "orphaned", "refused", "expired"];

fn state(bench: &Bench) -> &'static str {
    bench.session.ledger().get("R").expect("R is in view").state.as_str()
}

#[test]
fn every_step_of_a_request_leads_forward_or_nowhere() {
    for from in STATES {
        for to in STATES {
            let mut bench = Bench::online();
            bench.ask();
            bench.frame(&step("R", from));
            assert_eq!(state(&bench), from);
            bench.frame(&step("R", to));
            let parse = |name| PermissionState::parse(name).unwrap();
            let allowed = parse(from).may_become(parse(to));
            // A frame may be missed between two sockets, so a step may skip one; back leads none.
            let skips = (from, to) == ("pending", "delivered") || (from, to) == ("pending", "settled");
            let ends = from == "delivered" && parse(to).is_final();
            let expected =
                if allowed || skips || ends || (from, to) == ("decided", "expired") { to } else { from };
            assert_eq!(state(&bench), expected, "{from} -> {to}");
        }
    }
}

#[test]
fn what_became_of_a_request_is_said_with_its_reason() {
    for last in ["refused", "orphaned", "cancelled", "expired"] {
        let mut bench = Bench::online();
        bench.ask();
        bench.decide("d1", Choice::Allow);
        let digest = request_digest();
        bench.frame(&format!(
            r#"{{"type":"permission","request_id":"R","state":"{last}","digest":"{digest}","reason":"because"}}"#
        ));
        let entry = bench.session.ledger().get("R").unwrap();
        assert_eq!(
            (entry.state.as_str(), entry.reason.as_deref(), entry.late),
            (last, Some("because"), false)
        );
        bench.pass(10_000);
        assert!(bench.session.ledger().entries().is_empty(), "it leaves after a while");
    }
}

#[test]
fn a_decision_that_is_not_delivered_in_time_is_late_whoever_made_it() {
    let late = |bench: &Bench| bench.session.ledger().get("R").unwrap().late;
    let mut bench = Bench::online();
    bench.ask();
    bench.frame(&step("R", "decided"));
    bench.pass(DELIVERY_LATE_MS - 1);
    assert!(!late(&bench));
    bench.outputs.clear();
    bench.pass(1);
    assert!(late(&bench) && bench.outputs.contains(&Output::Change(Change::Ledger)));
    bench.frame(&step("R", "delivered"));
    assert!(!late(&bench));

    let mut bench = Bench::online();
    bench.ask();
    bench.decide("d1", Choice::Allow);
    let post = bench.posts()[0].0;
    bench.accept(post, None);
    bench.pass(DELIVERY_LATE_MS);
    assert!(late(&bench), "taken by the server, and nothing since");
}

#[test]
fn late_stays_late_over_a_reconnect() {
    let mut bench = Bench::online();
    bench.ask();
    bench.frame(&step("R", "decided"));
    bench.pass(DELIVERY_LATE_MS);
    let decided = pending("R", &request_digest()).replace(r#""state":"pending""#, r#""state":"decided""#);
    bench.reconnect(&welcome(0, true, &format!("[{decided}]")));
    assert!(bench.session.ledger().get("R").unwrap().late);
}

#[test]
fn a_click_whose_post_is_slow_says_so() {
    let mut bench = Bench::online();
    bench.ask();
    bench.decide("d1", Choice::Allow);
    assert_eq!(bench.click(), Click::Sending { allow: true, slow: false });
    bench.pass(POST_SLOW_MS);
    assert_eq!(bench.click(), Click::Sending { allow: true, slow: true });
}

#[test]
fn a27_a_decision_without_a_connection_is_refused_at_once_and_never_sent_later() {
    let mut bench = Bench::online();
    bench.ask();
    bench.feed(Input::Closed { code: 1006 });
    bench.decide("d1", Choice::Allow);
    assert!(bench.posts().is_empty());
    assert!(matches!(bench.click(), Click::Failed { message } if message.contains("Not connected")));
    bench.now = Tick(8 * 3_600_000);
    bench.reconnect(&welcome(0, true, &format!("[{}]", pending("R", &request_digest()))));
    assert!(bench.posts().is_empty(), "a click of yesterday decides nothing");
    bench.decide("d2", Choice::Allow);
    assert!(bench.posts()[0].1.contains(r#""decided_at_ms":1000000"#), "dated by the clock of this welcome");
}

#[test]
fn a_click_that_got_no_answer_shows_the_request_again() {
    let mut bench = Bench::online();
    bench.ask();
    bench.decide("d1", Choice::Allow);
    let post = bench.posts()[0].0;
    bench.feed(Input::Posted { post, outcome: PostOutcome::Failed });
    assert!(matches!(bench.click(), Click::Failed { .. }));
    assert_eq!(bench.session.ledger().waiting(), 1);
    bench.pass(20_000);
    assert_eq!(bench.posts().len(), 1, "never by itself");
    bench.decide("d2", Choice::Allow);
    assert_eq!(bench.posts().len(), 2);
}

#[test]
fn a15_a_request_that_changed_under_the_click_is_not_decided() {
    let mut bench = Bench::online();
    bench.ask();
    let shown = request_digest();
    bench.frame(&step("R", "orphaned"));
    let other = REQUEST.replace("ls", "rm -rf /");
    let digest = portcullis_protocol::approval::digest(&portcullis_protocol::RawJson::parse(&other).unwrap());
    bench.frame(&format!(
        r#"{{"type":"permission","request_id":"R","state":"pending","digest":"{digest}","asked_at_ms":2,"event":{{"type":"control_request","request_id":"R","request":{other}}}}}"#
    ));
    for choice in [Choice::Allow, Choice::Deny { message: String::new(), interrupt: false }] {
        bench.feed(Input::Decide { uuid: "d".into(), request_id: "R".into(), digest: shown.clone(), choice });
        assert!(bench.posts().is_empty());
        assert!(matches!(bench.click(), Click::Failed { message } if message.contains("changed")));
    }
    bench.decide("d2", Choice::Allow);
    assert_eq!(bench.posts().len(), 1, "what is shown now may be decided");
}

#[test]
fn one_id_with_two_bodies_can_only_be_denied() {
    let mut bench = Bench::online();
    bench.ask();
    bench.frame(&format!(r#"{{"type":"permission",{}"#, &pending("R", "another digest")[1..]));
    bench.decide("d1", Choice::Allow);
    assert!(bench.posts().is_empty() && bench.session.ledger().get("R").unwrap().mismatch);
}

#[test]
fn a16_what_was_cancelled_or_decided_takes_no_click() {
    for over in &STATES[1..] {
        let mut bench = Bench::online();
        bench.ask();
        bench.frame(&step("R", over));
        bench.decide("d1", Choice::Allow);
        assert!(bench.posts().is_empty(), "{over}");
    }
    let mut bench = Bench::online();
    bench.decide("d1", Choice::Allow);
    assert!(bench.posts().is_empty(), "nor what is not there");
}

#[test]
fn a17_the_loser_of_two_opposite_answers_hears_who_won_and_sees_it() {
    let mut bench = Bench::online();
    bench.ask();
    bench.decide("d1", Choice::Deny { message: "no".into(), interrupt: false });
    let post = bench.posts()[0].0;
    let error = ErrorDetail {
        kind: "already_decided".into(),
        decided_by: Some("phone".into()),
        behavior: Some("allow".into()),
        ..ErrorDetail::default()
    };
    bench.feed(Input::Posted { post, outcome: PostOutcome::Refused(error) });
    assert_eq!(bench.click(), Click::Failed { message: "Allowed already by phone.".into() });
    bench.frame(&step("R", "decided"));
    let entry = bench.session.ledger().get("R").unwrap();
    assert_eq!((entry.decided_by.as_deref(), entry.behavior.as_deref()), (Some("phone"), Some("allow")));
}

#[test]
fn a_decision_the_server_finds_too_old_says_so_and_the_request_waits_on() {
    let mut bench = Bench::online();
    bench.ask();
    bench.decide("d1", Choice::Allow);
    let post = bench.posts()[0].0;
    let gone = ErrorDetail { kind: "gone".into(), message: "Too old.".into(), ..ErrorDetail::default() };
    bench.feed(Input::Posted { post, outcome: PostOutcome::Refused(gone) });
    assert_eq!(
        (bench.click(), bench.session.ledger().waiting()),
        (Click::Failed { message: "Too old.".into() }, 1)
    );
}

#[test]
fn a21_an_answer_to_our_own_question_touches_no_request_of_the_same_id() {
    let mut bench = Bench::online();
    bench.ask();
    let request = portcullis_protocol::wire::control::interrupt();
    bench.feed(Input::Control { uuid: "R".into(), request });
    bench.frame(r#"{"type":"reply","request_id":"R","event":{"type":"control_response"}}"#);
    assert_eq!((state(&bench), bench.click()), ("pending", Click::None));
    let error = ErrorDetail { message: "no".into(), ..ErrorDetail::default() };
    let post = bench.posts()[0].0;
    bench.feed(Input::Posted { post, outcome: PostOutcome::Refused(error) });
    assert_eq!(bench.click(), Click::None);
}

#[test]
fn after_a_goaway_the_panel_shows_what_another_device_did_meanwhile() {
    let mut bench = Bench::online();
    bench.ask();
    bench.frame(&format!(r#"{{"type":"permission",{}"#, &pending("S", &request_digest())[1..]));
    bench.decide("d1", Choice::Allow);
    let post = bench.posts()[0].0;
    bench.accept(post, None);
    bench.frame(r#"{"type":"goaway","retry_after_ms":1000}"#);
    let decided = pending("R", &request_digest()).replace(r#""state":"pending""#, r#""state":"delivered""#);
    bench.reconnect(&welcome(0, true, &format!("[{decided}]")));
    let entries: Vec<_> =
        bench.session.ledger().entries().iter().map(|entry| entry.request_id.as_str()).collect();
    assert_eq!(entries, ["R"], "S was answered elsewhere and is over");
    assert_eq!((state(&bench), bench.click()), ("delivered", Click::Accepted { allow: true }));
}

#[test]
fn three_requests_wait_side_by_side_and_are_answered_in_any_order() {
    let mut bench = Bench::online();
    for id in ["A", "B", "C"] {
        bench.frame(&format!(r#"{{"type":"permission",{}"#, &pending(id, &request_digest())[1..]));
    }
    assert_eq!(bench.session.ledger().waiting(), 3);
    for (left, id) in [(2, "B"), (1, "C"), (0, "A")] {
        let digest = request_digest();
        bench.feed(Input::Decide { uuid: id.into(), request_id: id.into(), digest, choice: Choice::Allow });
        bench.frame(&step(id, "decided"));
        assert_eq!(bench.session.ledger().waiting(), left);
    }
    assert_eq!(bench.posts().len(), 3);
}
