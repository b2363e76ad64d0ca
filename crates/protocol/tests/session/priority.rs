//! A prompt that waits with the agent, given another priority: said again only once the agent gave it back.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use portcullis_protocol::limits::POST_LOST_MS;
use portcullis_protocol::session::{Change, Input, Moved, Output, PostOutcome};
use portcullis_protocol::wire::prompt::Priority;
use portcullis_protocol::wire::rest::ErrorDetail;

use crate::bench::Bench;

/// A session whose agent has the prompt `p1`, with an image in it, and has not begun with it.
fn queued() -> Bench {
    let mut bench = Bench::online();
    bench.event(1, r#"{"type":"user","uuid":"p1","priority":"later","message":{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},{"type":"text","text":"look"}]}}"#);
    bench.event(2, r#"{"type":"command_lifecycle","command_uuid":"p1","state":"queued"}"#);
    bench.outputs.clear();
    bench
}

fn hasten(bench: &mut Bench, uuid: &str) {
    let (uuid, fresh) = (uuid.to_owned(), format!("{uuid}-fresh"));
    bench.feed(Input::SetPriority { prompt: "p1".into(), priority: Priority::Now, uuid, fresh });
}

fn reply(bench: &mut Bench, request_id: &str, response: &str) {
    bench.frame(&format!(
        r#"{{"type":"reply","request_id":"{request_id}","event":{{"type":"control_response","response":{{"request_id":"{request_id}",{response}}}}}}}"#
    ));
}

fn cancelled(bench: &mut Bench, request_id: &str, cancelled: bool) {
    reply(bench, request_id, &format!(r#""subtype":"success","response":{{"cancelled":{cancelled}}}"#));
}

fn moved(bench: &Bench) -> Vec<Moved> {
    let moved = |output: &Output| {
        if let Output::Change(Change::Moved(moved)) = output { Some(moved.clone()) } else { None }
    };
    bench.outputs.iter().filter_map(moved).collect()
}

/// The prompts that went up.
fn said(bench: &Bench) -> Vec<String> {
    let prompts = bench.posts().into_iter().map(|(_, body)| body.to_owned());
    prompts.filter(|body| body.contains(r#""type":"user""#)).collect()
}

#[test]
fn it_is_said_again_once_the_agent_gave_it_back_and_not_before() {
    let mut bench = queued();
    assert_eq!(bench.session.transcript().queue()[0].priority, Some(Priority::Later));
    hasten(&mut bench, "c1");
    let (_, asked) = bench.posts()[0];
    assert!(
        asked.contains(r#""subtype":"cancel_async_message""#) && asked.contains(r#""message_uuid":"p1""#),
        "{asked}"
    );
    assert!(bench.session.is_moving("p1") && said(&bench).is_empty());
    // What another device hears of it, or does, gives it back to nobody here.
    bench.event(3, r#"{"type":"command_lifecycle","command_uuid":"p1","state":"cancelled"}"#);
    assert!(said(&bench).is_empty());
    cancelled(&mut bench, "c1", true);
    let again = said(&bench);
    assert_eq!((again.len(), moved(&bench)), (1, vec![Moved::Again]));
    for part in [r#""uuid":"c1-fresh""#, r#""priority":"now""#, r#""data":"AAAA""#, r#""text":"look""#] {
        assert!(again[0].contains(part), "{part} in {}", again[0]);
    }
    assert!(!bench.session.is_moving("p1"));
    cancelled(&mut bench, "c1", true);
    assert_eq!(said(&bench).len(), 1, "an answer that comes twice says nothing twice");
}

#[test]
fn what_the_agent_began_with_or_nobody_gave_back_is_not_said_again() {
    let mut begun = queued();
    hasten(&mut begun, "c1");
    cancelled(&mut begun, "c1", false);
    let mut failed = queued();
    hasten(&mut failed, "c1");
    reply(&mut failed, "c1", r#""subtype":"error","error":"no such thing""#);
    let mut refused = queued();
    hasten(&mut refused, "c1");
    let post = refused.posts()[0].0;
    let error = ErrorDetail { message: "not you".into(), ..ErrorDetail::default() };
    refused.feed(Input::Posted { post, outcome: PostOutcome::Refused(error) });
    let mut strange = queued();
    hasten(&mut strange, "c1");
    reply(&mut strange, "c1", r#""subtype":"success""#);
    let expected = [
        (begun, Moved::Begun),
        (failed, Moved::Refused("no such thing".into())),
        (refused, Moved::Refused("not you".into())),
        (strange, Moved::Unanswered),
    ];
    for (bench, outcome) in expected {
        assert_eq!((moved(&bench), said(&bench).len()), (vec![outcome], 0));
        assert!(!bench.session.is_moving("p1"));
    }
}

#[test]
fn without_an_answer_nothing_is_said_again_however_late_one_comes() {
    let mut silent = queued();
    hasten(&mut silent, "c1");
    let post = silent.posts()[0].0;
    silent.feed(Input::Posted { post, outcome: PostOutcome::Accepted { seq: None } });
    silent.pass(9_000);
    silent.frame(r#"{"type":"heartbeat","head_seq":2,"server_time_ms":1}"#);
    silent.pass(POST_LOST_MS - 9_000);
    let mut cut = queued();
    hasten(&mut cut, "c1");
    cut.feed(Input::Closed { code: 1006 });
    for mut bench in [silent, cut] {
        assert_eq!(moved(&bench), [Moved::Unanswered]);
        if bench.session.link() != portcullis_protocol::session::LinkView::Online {
            bench.reconnect(&crate::bench::welcome(2, true, "[]"));
        }
        cancelled(&mut bench, "c1", true);
        assert!(said(&bench).is_empty());
    }
}

#[test]
fn it_is_asked_once_at_a_time_and_only_for_what_waits_with_the_agent() {
    let mut bench = queued();
    hasten(&mut bench, "c1");
    hasten(&mut bench, "c2");
    assert_eq!(bench.posts().len(), 1, "it is on its way back already");
    let mut begun = queued();
    begun.event(3, r#"{"type":"command_lifecycle","command_uuid":"p1","state":"started"}"#);
    hasten(&mut begun, "c1");
    assert_eq!((moved(&begun), begun.posts().len()), (vec![Moved::Begun], 0));
    let mut offline = queued();
    offline.feed(Input::Closed { code: 1006 });
    hasten(&mut offline, "c1");
    assert_eq!((moved(&offline), offline.posts().len()), (vec![Moved::Offline], 0));
}
