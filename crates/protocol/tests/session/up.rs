//! What goes up: kept before it is shown, in order, with the same bytes until it is answered.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use portcullis_protocol::limits::{KEEP_LOST_MS, OUTBOX_EVENTS_MAX, POST_LOST_MS, POST_SLOW_MS};
use portcullis_protocol::session::transcript::PromptState;
use portcullis_protocol::session::{Change, Input, LinkView, Output, PostOutcome, StartAt, StopReason};
use portcullis_protocol::wire::rest::ErrorDetail;

use crate::bench::{Bench, prompt_event, welcome, welcome_of};

#[test]
fn a_prompt_goes_up_once_and_leaves_the_outbox_when_the_log_shows_it() {
    let mut bench = Bench::online();
    bench.feed(Input::Prompt { uuid: "p1".into(), said: "hi".into() });
    let (post, body) = bench.posts()[0];
    assert!(body.contains(r#""uuid":"p1""#), "{body}");
    assert!(matches!(bench.outputs[0], Output::Keep { .. }), "kept before it is sent");
    bench.feed(Input::Posted { post, outcome: PostOutcome::Accepted { seq: None } });
    assert_eq!(bench.session.outbox().entries()[0].prompt.state, PromptState::Stored);
    bench.event(1, r#"{"type":"user","uuid":"p1","message":{"role":"user","content":"hi"}}"#);
    assert!(bench.session.outbox().entries().is_empty());
    assert!(bench.outputs.contains(&Output::Forget { uuid: "p1".into() }));
    assert_eq!(bench.session.transcript().queue().len(), 1);
    bench.event(2, r#"{"type":"command_lifecycle","command_uuid":"p1","state":"started"}"#);
    bench.event(3, r#"{"type":"user","uuid":"p1","isReplay":true,"message":{"role":"user","content":"hi"}}"#);
    assert_eq!(bench.texts(), ["> hi"]);
    assert!(bench.session.transcript().queue().is_empty());
}

#[test]
fn a_lost_answer_repeats_the_same_bytes() {
    let mut bench = Bench::online();
    bench.feed(Input::Prompt { uuid: "p1".into(), said: "hi".into() });
    let (post, body) = bench.posts().first().map(|(post, body)| (*post, (*body).to_owned())).unwrap();
    bench.feed(Input::Posted { post, outcome: PostOutcome::Failed });
    bench.wait();
    assert_eq!(bench.posts()[1].1, body);
}

#[test]
fn prompts_keep_their_order_and_wait_for_one_another() {
    let mut bench = Bench::online();
    for uuid in ["p1", "p2"] {
        bench.feed(Input::Prompt { uuid: uuid.into(), said: uuid.into() });
    }
    assert_eq!(bench.posts().len(), 1);
    let post = bench.posts()[0].0;
    bench.feed(Input::Posted { post, outcome: PostOutcome::Accepted { seq: None } });
    assert!(bench.posts()[1].1.contains("p2"));
}

#[test]
fn a_restored_prompt_that_the_log_knows_is_not_shown_twice() {
    let mut bench = Bench::online();
    bench.event(1, r#"{"type":"user","uuid":"p1","message":{"role":"user","content":"hi"}}"#);
    bench.feed(Input::Restored(vec![("p1".into(), "hi".into()), ("p2".into(), "there".into())]));
    let uuids: Vec<_> =
        bench.session.outbox().entries().iter().map(|entry| entry.prompt.uuid.as_str()).collect();
    assert_eq!(uuids, ["p2"]);
}

#[test]
fn a_refused_prompt_says_why() {
    let mut bench = Bench::online();
    bench.feed(Input::Prompt { uuid: "p1".into(), said: "hi".into() });
    let post = bench.posts()[0].0;
    let error = ErrorDetail { message: "The session is archived.".into(), ..ErrorDetail::default() };
    bench.feed(Input::Posted { post, outcome: PostOutcome::Refused(error) });
    let entry = &bench.session.outbox().entries()[0];
    assert_eq!(
        (entry.prompt.state, entry.error.as_deref()),
        (PromptState::Refused, Some("The session is archived."))
    );
}

#[test]
fn an_answer_to_a_control_request_finds_its_way_back() {
    let mut bench = Bench::online();
    let request = portcullis_protocol::wire::control::interrupt();
    bench.feed(Input::Control { uuid: "c1".into(), request });
    assert!(bench.posts()[0].1.contains(r#""request_id":"c1","request":{"subtype":"interrupt"}"#));
    bench.frame(r#"{"type":"reply","request_id":"c1","event":{"type":"control_response"}}"#);
    let replied = bench.outputs.iter().any(|output| matches!(output, Output::Change(Change::Reply { request_id, error: None, .. }) if request_id == "c1"));
    assert!(replied);
}

fn forgotten(bench: &Bench) -> Vec<&str> {
    let mut forgotten = Vec::new();
    for output in &bench.outputs {
        if let Output::Forget { uuid } = output {
            forgotten.push(uuid.as_str());
        }
    }
    forgotten
}

#[test]
fn a_prompt_is_shown_and_sent_once_storage_has_it() {
    let mut bench = Bench::online();
    bench.storage = false;
    bench.say("p1");
    assert!(bench.outbox().is_empty() && bench.posts().is_empty());
    bench.feed(Input::Kept { uuid: "p1".into(), lasting: true });
    assert_eq!(bench.outbox(), ["p1 sent"]);
    assert!(bench.session.outbox().entries()[0].lasting);
    assert_eq!(bench.posts().len(), 1);
}

#[test]
fn s21_a_prompt_that_storage_refuses_is_sent_and_said_not_to_last() {
    let mut bench = Bench::online();
    bench.storage = false;
    bench.say("p1");
    bench.feed(Input::Kept { uuid: "p1".into(), lasting: false });
    assert_eq!(bench.outbox(), ["p1 sent"]);
    assert!(!bench.session.outbox().entries()[0].lasting);
}

#[test]
fn s21_storage_that_hangs_holds_nothing_back_for_long() {
    let mut bench = Bench::online();
    bench.storage = false;
    bench.say("p1");
    bench.pass(KEEP_LOST_MS);
    assert_eq!((bench.outbox(), bench.posts().len()), (vec!["p1 sent".to_owned()], 1));
    bench.feed(Input::Kept { uuid: "p1".into(), lasting: true });
    assert!(bench.session.outbox().entries()[0].lasting, "it came after all");
}

#[test]
fn storage_may_answer_in_any_order_and_prompts_keep_theirs() {
    let mut bench = Bench::online();
    bench.storage = false;
    for uuid in ["p1", "p2", "p3"] {
        bench.say(uuid);
    }
    bench.feed(Input::Kept { uuid: "p3".into(), lasting: true });
    bench.feed(Input::Kept { uuid: "p2".into(), lasting: true });
    assert!(bench.outbox().is_empty());
    bench.feed(Input::Kept { uuid: "p1".into(), lasting: true });
    assert_eq!(bench.outbox(), ["p1 sent", "p2 waiting", "p3 waiting"]);
}

#[test]
fn a_prompt_the_server_refuses_does_not_hold_up_the_next() {
    let mut bench = Bench::online();
    let first = bench.say("p1");
    bench.say("p2");
    let conflict =
        ErrorDetail { kind: "conflict".into(), message: "Other bytes.".into(), ..ErrorDetail::default() };
    bench.feed(Input::Posted { post: first, outcome: PostOutcome::Refused(conflict) });
    assert_eq!(bench.outbox(), ["p1 refused", "p2 sent"]);
    assert_eq!(bench.session.outbox().entries()[0].error.as_deref(), Some("Other bytes."));
    bench.pass(120_000);
    assert!(
        !bench.posts()[2..].iter().any(|(_, body)| body.contains("p1")),
        "it is not tried again by itself"
    );
}

#[test]
fn a_duplicate_that_was_read_already_leaves_the_outbox_at_once() {
    let mut bench = Bench::online();
    bench.event(1, r#"{"type":"x"}"#);
    let post = bench.say("p1");
    bench.accept(post, Some(1));
    assert!(bench.outbox().is_empty());
    assert_eq!(forgotten(&bench), ["p1"]);

    let post = bench.say("p2");
    bench.accept(post, Some(2));
    assert_eq!(bench.outbox(), ["p2 stored"], "it waits until the log shows it");
    bench.prompt_event(2, "p2");
    assert!(bench.outbox().is_empty());
}

#[test]
fn s16_a_prompt_that_the_log_shows_before_the_post_is_answered_makes_room_for_the_next() {
    let mut bench = Bench::online();
    let first = bench.say("p1");
    bench.say("p2");
    bench.prompt_event(1, "p1");
    assert_eq!(bench.outbox(), ["p2 sent"]);
    bench.feed(Input::Posted { post: first, outcome: PostOutcome::Failed });
    assert_eq!((bench.outbox(), bench.posts().len()), (vec!["p2 sent".to_owned()], 2));
}

#[test]
fn restored_prompts_go_first_and_those_the_log_shows_are_forgotten() {
    let mut bench = Bench::new();
    bench.feed(Input::Start);
    bench.say("new");
    let kept = |uuid: &str| (uuid.to_owned(), format!("text of {uuid}").into());
    bench.feed(Input::Restored(vec![kept("old1"), kept("old2"), ("old3".into(), "  ".into())]));
    assert_eq!(bench.outbox(), ["old1 waiting", "old2 waiting", "new waiting"]);
    bench.feed(Input::Opened { token: "t".into() });
    bench.frame(&welcome(1, true, "[]"));
    bench.prompt_event(1, "old1");
    assert_eq!(
        bench.outbox(),
        ["old2 sent", "new waiting"],
        "its POST is not answered, but it is in the log"
    );
    assert_eq!(forgotten(&bench), ["old3", "old1"]);
}

#[test]
fn prompts_of_several_tabs_stand_in_the_order_in_which_they_were_kept() {
    let mut bench = Bench::online();
    let kept = |uuid: &str| (uuid.to_owned(), format!("text of {uuid}").into());
    bench.say("two");
    assert_eq!(bench.outbox(), ["two sent"]);
    bench.feed(Input::Restored(vec![kept("one"), kept("two"), kept("three")]));
    assert_eq!(bench.outbox(), ["one waiting", "two sent", "three waiting"]);
    // Written, and read back before storage said so.
    bench.feed(Input::Prompt { uuid: "five".into(), said: "text of five".into() });
    bench.feed(Input::Restored(["one", "two", "three", "four", "five", "six"].map(kept).to_vec()));
    assert_eq!(
        bench.outbox(),
        ["one waiting", "two sent", "three waiting", "four waiting", "five waiting", "six waiting"]
    );
    bench.feed(Input::Kept { uuid: "five".into(), lasting: true });
    assert_eq!((bench.outbox().len(), forgotten(&bench).len()), (6, 0));
}

#[test]
fn a_restored_prompt_above_the_tail_is_found_by_its_place() {
    let mut bench = Bench::starting(StartAt::Tail);
    bench.feed(Input::Start);
    bench.feed(Input::Restored(vec![("p1".into(), "text of p1".into())]));
    let rows = format!(r#"[{{"seq":9,"event":{}}}]"#, prompt_event("p9"));
    let page = format!(r#"{{"data":{rows},"epoch":"e1","head_seq":9,"has_more":true}}"#);
    bench.feed(Input::Fetched { fetch: 0, page: serde_json::from_str(&page).ok() });
    bench.feed(Input::Opened { token: "t".into() });
    bench.frame(&welcome(9, true, "[]"));
    let post = bench.posts()[0].0;
    bench.accept(post, Some(3));
    assert!(bench.outbox().is_empty() && forgotten(&bench) == ["p1"]);
}

#[test]
fn what_does_not_fit_the_outbox_stays_in_storage() {
    let mut bench = Bench::new();
    let kept = |n: usize| (format!("p{n}"), "x".into());
    bench.feed(Input::Restored((0..=OUTBOX_EVENTS_MAX).map(kept).collect()));
    assert_eq!(bench.outbox().len(), OUTBOX_EVENTS_MAX);
    assert!(forgotten(&bench).is_empty());
}

#[test]
fn a_slow_post_is_shown_and_a_lost_one_said_again_with_the_same_bytes() {
    let mut bench = Bench::online();
    bench.say("p1");
    let slow = |bench: &Bench| bench.session.outbox().entries()[0].slow;
    let stay_online = |bench: &mut Bench, ms: u64| {
        for _ in 0..ms / 1_000 {
            bench.pass(1_000);
            bench.frame(r#"{"type":"heartbeat","head_seq":0,"server_time_ms":1}"#);
        }
    };
    stay_online(&mut bench, POST_SLOW_MS - 1_000);
    assert!(!slow(&bench));
    stay_online(&mut bench, 1_000);
    assert!(slow(&bench));
    stay_online(&mut bench, POST_LOST_MS);
    let posts = bench.posts();
    assert!(posts.len() == 2 && posts[0].1 == posts[1].1, "{posts:?}");
    assert!(!slow(&bench), "the second try is not slow yet");
    let last = posts[1].0;
    bench.accept(0, Some(1));
    assert_eq!(bench.outbox(), ["p1 sent"], "nobody waits for the first answer any more");
    bench.accept(last, Some(1));
    assert_eq!(bench.outbox(), ["p1 stored"]);
}

#[test]
fn only_what_is_not_under_way_can_be_thrown_away() {
    let mut bench = Bench::online();
    let first = bench.say("p1");
    bench.say("p2");
    bench.feed(Input::Discard { uuid: "p1".into() });
    bench.feed(Input::Discard { uuid: "p2".into() });
    assert_eq!(bench.outbox(), ["p1 sent"]);
    let error = ErrorDetail { message: "no".into(), ..ErrorDetail::default() };
    bench.feed(Input::Posted { post: first, outcome: PostOutcome::Refused(error) });
    bench.feed(Input::Discard { uuid: "p1".into() });
    assert!(bench.outbox().is_empty());
    assert_eq!(forgotten(&bench), ["p2", "p1"]);
}

#[test]
fn logging_out_forgets_what_was_not_sent_and_what_storage_says_late() {
    let mut bench = Bench::online();
    bench.say("p1");
    bench.storage = false;
    bench.say("p2");
    bench.feed(Input::LoggedOut);
    assert_eq!(forgotten(&bench), ["p1", "p2"]);
    assert!(bench.outbox().is_empty());
    assert_eq!(bench.session.link(), LinkView::Stopped(StopReason::NotStarted));
    assert_eq!(bench.session.poll_timeout(), None);
    bench.feed(Input::Kept { uuid: "p2".into(), lasting: true });
    assert_eq!(forgotten(&bench), ["p1", "p2", "p2"], "it was written after it was forgotten");
}

#[test]
fn s24_what_an_earlier_log_took_is_said_to_the_next_one_too() {
    let mut bench = Bench::online();
    bench.event(1, r#"{"type":"x"}"#);
    let first = bench.say("p1");
    bench.accept(first, Some(2));
    let second = bench.say("p2");
    bench.reconnect(&welcome_of("e2", 1, false, "[]"));
    assert_eq!(bench.outbox(), ["p1 waiting", "p2 sent"]);
    bench.event(1, r#"{"type":"x"}"#);
    bench.accept(second, Some(1));
    assert_eq!(
        bench.outbox(),
        ["p1 sent", "p2 waiting"],
        "a place in the old log says nothing about this one"
    );
    let last = bench.posts().last().unwrap().0;
    bench.accept(last, Some(2));
    bench.prompt_event(2, "p1");
    assert_eq!(bench.outbox(), ["p2 sent"]);
}

#[test]
fn the_outbox_does_not_spin_while_the_line_is_down() {
    let mut bench = Bench::online();
    let post = bench.say("p1");
    bench.feed(Input::Posted { post, outcome: PostOutcome::Failed });
    bench.feed(Input::Closed { code: 4011 });
    bench.now = bench.now.after(60_000);
    bench.feed(Input::Timeout);
    assert_eq!(bench.session.poll_timeout(), None);
}

#[test]
fn a_prompt_goes_from_waiting_to_answered_one_state_at_a_time() {
    let mut bench = Bench::online();
    let post = bench.say("p1");
    assert_eq!(bench.outbox(), ["p1 sent"]);
    bench.accept(post, Some(1));
    assert_eq!(bench.outbox(), ["p1 stored"]);
    bench.prompt_event(1, "p1");
    let queued = |bench: &Bench| bench.session.transcript().queue().first().map(|prompt| prompt.state);
    assert_eq!(queued(&bench), Some(PromptState::Stored));
    bench.frame(r#"{"type":"worker","state":"online","delivered_seq":1}"#);
    assert_eq!(queued(&bench), Some(PromptState::Delivered));
    let mut states = Vec::new();
    for (seq, state) in [(2, "started"), (3, "completed")] {
        bench.event(seq, &format!(r#"{{"type":"command_lifecycle","command_uuid":"p1","state":"{state}"}}"#));
        let item = bench.session.transcript().items().next().unwrap();
        if let portcullis_protocol::session::transcript::ItemBody::Prompt(prompt) = &item.body {
            states.push(prompt.state);
        }
    }
    assert_eq!((queued(&bench), states), (None, vec![PromptState::Running, PromptState::Answered]));
}

#[test]
fn the_workers_word_on_a_prompt_may_come_before_the_prompt() {
    let mut bench = Bench::online();
    bench.frame(r#"{"type":"worker","state":"online","delivered_seq":1}"#);
    bench.prompt_event(1, "p1");
    bench.prompt_event(2, "p2");
    let states: Vec<_> = bench.session.transcript().queue().iter().map(|prompt| prompt.state).collect();
    assert_eq!(states, [PromptState::Delivered, PromptState::Stored]);
}

#[test]
fn a_control_request_that_got_no_answer_says_so_once() {
    let mut bench = Bench::online();
    let request = portcullis_protocol::wire::control::interrupt();
    bench.feed(Input::Control { uuid: "c1".into(), request });
    bench.pass(POST_LOST_MS);
    bench.accept(0, None);
    let replies = bench
        .outputs
        .iter()
        .filter(|output| matches!(output, Output::Change(Change::Reply { error: Some(_), .. })));
    assert_eq!(replies.count(), 1);
}

#[test]
fn what_goes_with_a_prompt_is_kept_and_sent_with_it_and_what_is_too_big_is_not_taken() {
    use portcullis_protocol::limits::EVENT_BYTES_MAX;
    use portcullis_protocol::wire::prompt::{Attachment, Priority, Said};
    let image = |data: String| Attachment { media_type: "image/png".into(), data };
    let mut bench = Bench::online();
    let said =
        Said { text: String::new(), files: vec![image("AAAA".into())], priority: Some(Priority::Later) };
    bench.feed(Input::Prompt { uuid: "p1".into(), said: said.clone() });
    assert_eq!(bench.outputs[0], Output::Keep { uuid: "p1".into(), said });
    assert!(bench.posts()[0].1.contains(r#""media_type":"image/png""#));
    assert_eq!(bench.session.outbox().entries()[0].prompt.attachments, 1);
    let big = Said { files: vec![image("A".repeat(EVENT_BYTES_MAX))], ..Said::default() };
    bench.feed(Input::Prompt { uuid: "p2".into(), said: big });
    assert_eq!(bench.session.outbox().entries().len(), 1);
    let refused = |output: &Output| matches!(output, Output::Change(Change::PromptRejected(_)));
    assert!(bench.outputs.iter().any(refused));
}
