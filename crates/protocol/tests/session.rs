//! The session machine on a virtual clock, against a hand-driven server.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use portcullis_protocol::approval::digest;
use portcullis_protocol::session::transcript::{ItemBody, PromptState};
use portcullis_protocol::session::{
    Change, Choice, Click, Input, LinkView, Output, PostOutcome, Session, SessionConfig, StartAt, StopReason,
};
use portcullis_protocol::wire::client::PermissionState;
use portcullis_protocol::wire::rest::ErrorDetail;
use portcullis_protocol::{RawJson, Tick};

/// A session, its clock, and everything it asked for.
struct Bench {
    session: Session,
    now: Tick,
    outputs: Vec<Output>,
    /// Whether storage answers at once.
    storage: bool,
}

impl Bench {
    fn new() -> Self {
        Self::starting(StartAt::Beginning)
    }

    fn starting(start: StartAt) -> Self {
        Self {
            session: Session::new(SessionConfig { seed: 42, start }),
            now: Tick(0),
            outputs: Vec::new(),
            storage: true,
        }
    }

    /// A session that is online at the head of an empty log.
    fn online() -> Self {
        let mut bench = Self::new();
        bench.feed(Input::Start);
        bench.feed(Input::Opened { token: "t1".into() });
        bench.frame(&welcome(0, true, "[]"));
        bench.outputs.clear();
        bench
    }

    fn feed(&mut self, input: Input) {
        self.session.handle(self.now, input);
        while let Some(output) = self.session.poll_output() {
            let kept = if let Output::Keep { uuid, .. } = &output { Some(uuid.clone()) } else { None };
            self.outputs.push(output);
            if let Some(uuid) = kept.filter(|_| self.storage) {
                self.session.handle(self.now, Input::Kept { uuid, lasting: true });
            }
        }
    }

    fn decide(&mut self, uuid: impl Into<String>, choice: Choice) {
        let shown = self.session.ledger().get("R").map(|entry| entry.digest.clone());
        let digest = shown.unwrap_or_default();
        self.feed(Input::Decide { uuid: uuid.into(), request_id: "R".into(), digest, choice });
    }

    fn frame(&mut self, text: &str) {
        self.feed(Input::Frame(text.into()));
    }

    fn event(&mut self, seq: u64, event: &str) {
        self.frame(&format!(r#"{{"type":"events","events":[{{"seq":{seq},"event":{event}}}]}}"#));
    }

    /// Lets time pass up to the next deadline, once.
    fn wait(&mut self) {
        self.now = self.session.poll_timeout().expect("something is due");
        self.feed(Input::Timeout);
    }

    fn sent(&self) -> Vec<&str> {
        self.outputs
            .iter()
            .filter_map(|output| if let Output::Send(text) = output { Some(text.as_str()) } else { None })
            .collect()
    }

    fn posts(&self) -> Vec<(u64, &str)> {
        let post = |output| {
            if let &Output::Post { post, ref body } = output { Some((post, body.as_str())) } else { None }
        };
        self.outputs.iter().filter_map(post).collect()
    }

    fn asked_to_open(&self) -> usize {
        self.outputs.iter().filter(|output| **output == Output::Open).count()
    }

    fn texts(&self) -> Vec<String> {
        let text = |body: &ItemBody| match body {
            ItemBody::Text { text, live, .. } => Some(format!("{}{text}", if *live { "~" } else { "" })),
            ItemBody::Prompt(prompt) => Some(format!("> {}", prompt.text)),
            ItemBody::Tool(call) => Some(format!("{} {}", call.name, call.state.as_str())),
            ItemBody::Thinking { .. } | ItemBody::Notice(_) | ItemBody::TurnEnd(_) => None,
        };
        self.session.transcript().items().filter_map(|item| text(&item.body)).collect()
    }
}

fn welcome(head_seq: u64, resumed: bool, pending: &str) -> String {
    welcome_of("e1", head_seq, resumed, pending)
}

fn welcome_of(epoch: &str, head_seq: u64, resumed: bool, pending: &str) -> String {
    format!(
        r#"{{"type":"welcome","epoch":"{epoch}","head_seq":{head_seq},"resumed":{resumed},"heartbeat_ms":10000,"server_time_ms":1000000,"worker":{{"state":"online"}},"pending":{pending},"role":"owner"}}"#
    )
}

fn text_event(id: &str, text: &str) -> String {
    format!(
        r#"{{"type":"assistant","uuid":"u-{id}","message":{{"id":"{id}","content":[{{"type":"text","text":"{text}"}}]}}}}"#
    )
}

fn live(n: u64, after_seq: u64, event: &str) -> String {
    format!(
        r#"{{"type":"live","events":[{{"stream":"m1","n":{n},"after_seq":{after_seq},"event":{{"type":"stream_event","api_message_id":"m1","event":{event}}}}}]}}"#
    )
}

const START: &str = r#"{"type":"message_start","message":{"id":"m1"}}"#;
const BLOCK: &str = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;

fn delta(text: &str) -> String {
    format!(r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}}"#)
}

const REQUEST: &str = r#"{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"ls","n":1.0},"tool_use_id":"t1","permission_suggestions":[{"type":"setMode","mode":"acceptEdits","destination":"session"}]}"#;

fn request_digest() -> String {
    digest(&RawJson::parse(REQUEST).unwrap())
}

fn pending(request_id: &str, digest: &str) -> String {
    format!(
        r#"{{"request_id":"{request_id}","state":"pending","digest":"{digest}","asked_at_ms":1,"event":{{"type":"control_request","request_id":"{request_id}","request":{REQUEST}}}}}"#
    )
}

fn step(request_id: &str, state: &str) -> String {
    format!(
        r#"{{"type":"permission","request_id":"{request_id}","state":"{state}","digest":"{}","decided_by":"phone","behavior":"allow"}}"#,
        request_digest()
    )
}

#[test]
fn authenticates_first_and_resumes_where_it_stood() {
    let mut bench = Bench::online();
    bench.event(1, &text_event("m1", "one"));
    bench.feed(Input::Closed { code: 1006 });
    assert!(matches!(bench.session.link(), LinkView::Waiting { .. }));
    bench.wait();
    bench.outputs.clear();
    bench.feed(Input::Opened { token: "t2".into() });
    assert_eq!(
        bench.sent(),
        [
            r#"{"type":"auth","credential":{"type":"oauth","token":"t2"},"resume":{"epoch":"e1","after_seq":1}}"#
        ]
    );
    bench.frame(&welcome(2, true, "[]"));
    bench.event(2, &text_event("m2", "two"));
    assert_eq!(bench.texts(), ["one", "two"]);
}

#[test]
fn acknowledges_what_it_applied_and_skips_what_it_has() {
    let mut bench = Bench::online();
    bench.event(1, &text_event("m1", "one"));
    bench.event(1, &text_event("m1", "one"));
    bench.event(2, &text_event("m2", "two"));
    assert_eq!(bench.sent(), [r#"{"type":"ack","seq":1}"#, r#"{"type":"ack","seq":2}"#]);
    assert_eq!(bench.texts(), ["one", "two"]);
}

#[test]
fn never_draws_across_a_hole_and_asks_for_it() {
    let mut bench = Bench::online();
    bench.event(1, &text_event("m1", "one"));
    bench.event(3, &text_event("m3", "three"));
    assert_eq!((bench.texts(), bench.asked_to_open()), (vec!["one".to_owned()], 1));
    bench.outputs.clear();
    bench.feed(Input::Opened { token: "t".into() });
    assert!(bench.sent()[0].contains(r#""after_seq":1"#), "{:?}", bench.sent());
}

#[test]
fn starts_anew_when_the_log_did() {
    let mut bench = Bench::online();
    bench.event(1, &text_event("m1", "old"));
    bench.feed(Input::Closed { code: 1006 });
    bench.wait();
    bench.feed(Input::Opened { token: "t".into() });
    bench.frame(&welcome_of("e2", 1, false, "[]"));
    assert!(bench.texts().is_empty());
    bench.event(1, &text_event("m9", "new"));
    assert_eq!(bench.texts(), ["new"]);
}

#[test]
fn streams_a_message_and_seals_it_in_place() {
    let mut bench = Bench::online();
    for (n, event) in [START.to_owned(), BLOCK.to_owned(), delta("Hel"), delta("lo")].iter().enumerate() {
        bench.frame(&live(n as u64, 0, event));
    }
    assert_eq!(bench.texts(), ["~Hello"]);
    let id = bench.session.transcript().order()[0];
    bench.event(1, &text_event("m1", "Hello!"));
    assert_eq!(bench.texts(), ["Hello!"]);
    assert_eq!(bench.session.transcript().order(), [id], "the item stays the same");
    bench.frame(&live(4, 1, &delta(" late")));
    assert_eq!(bench.texts(), ["Hello!"]);
}

#[test]
fn live_text_waits_for_the_log_and_freezes_at_a_hole() {
    let mut bench = Bench::online();
    bench.frame(&live(0, 1, START));
    bench.frame(&live(1, 1, BLOCK));
    bench.frame(&live(2, 1, &delta("a")));
    assert!(bench.texts().is_empty());
    bench.event(1, r#"{"type":"keep"}"#);
    assert_eq!(bench.texts(), ["~a"]);
    bench.frame(&live(4, 1, &delta("c")));
    bench.frame(&live(5, 1, &delta("d")));
    assert_eq!(bench.texts(), ["~a"]);
}

#[test]
fn gives_a_silent_socket_up_after_25_seconds() {
    let mut bench = Bench::online();
    bench.now = Tick(24_999);
    bench.feed(Input::Timeout);
    assert_eq!(bench.asked_to_open(), 0);
    bench.now = Tick(25_000);
    bench.feed(Input::Timeout);
    assert_eq!((bench.asked_to_open(), bench.session.link()), (1, LinkView::Connecting));
}

#[test]
fn a_hidden_tab_judges_silence_only_when_it_wakes() {
    let mut bench = Bench::online();
    bench.feed(Input::Hidden);
    assert_eq!(bench.session.poll_timeout(), None);
    bench.now = Tick(3_600_000);
    bench.feed(Input::Wake);
    assert_eq!(bench.asked_to_open(), 1);
}

#[test]
fn a_wake_up_does_not_wait_for_the_backoff() {
    let mut bench = Bench::online();
    for _ in 0..8 {
        bench.feed(Input::Closed { code: 1011 });
        bench.wait();
    }
    bench.feed(Input::Closed { code: 1011 });
    bench.outputs.clear();
    bench.feed(Input::Wake);
    assert_eq!(bench.asked_to_open(), 1);
}

#[test]
fn each_close_code_has_its_consequence() {
    let after = |codes: &[u16]| {
        let mut bench = Bench::online();
        for code in codes {
            bench.feed(Input::Closed { code: *code });
            if matches!(bench.session.link(), LinkView::Waiting { .. }) {
                bench.wait();
            }
        }
        bench.session.link()
    };
    assert_eq!(after(&[4003]), LinkView::Stopped(StopReason::Refused));
    assert_eq!(after(&[4004]), LinkView::Connecting);
    assert_eq!(after(&[4004, 4004]), LinkView::Stopped(StopReason::Refused));
    assert_eq!(after(&[4001, 4001, 4001]), LinkView::Connecting);
    assert_eq!(after(&[4001, 4001, 4001, 4001]), LinkView::Stopped(StopReason::SessionMissing));
    assert_eq!(after(&[4010]), LinkView::Stopped(StopReason::Outdated));
    assert_eq!(after(&[4011]), LinkView::Stopped(StopReason::Archived));
    for code in [1000, 1001, 1006, 1009, 1011, 1012, 1013, 4008, 4999] {
        assert_eq!(after(&[code]), LinkView::Connecting, "{code}");
    }
}

#[test]
fn a_prompt_goes_up_once_and_leaves_the_outbox_when_the_log_shows_it() {
    let mut bench = Bench::online();
    bench.feed(Input::Prompt { uuid: "p1".into(), text: "hi".into() });
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
    bench.feed(Input::Prompt { uuid: "p1".into(), text: "hi".into() });
    let (post, body) = bench.posts().first().map(|(post, body)| (*post, (*body).to_owned())).unwrap();
    bench.feed(Input::Posted { post, outcome: PostOutcome::Failed });
    bench.wait();
    assert_eq!(bench.posts()[1].1, body);
}

#[test]
fn prompts_keep_their_order_and_wait_for_one_another() {
    let mut bench = Bench::online();
    for uuid in ["p1", "p2"] {
        bench.feed(Input::Prompt { uuid: uuid.into(), text: uuid.into() });
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
    bench.feed(Input::Prompt { uuid: "p1".into(), text: "hi".into() });
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

#[test]
fn frames_before_the_welcome_change_nothing() {
    let mut bench = Bench::new();
    bench.feed(Input::Start);
    bench.feed(Input::Opened { token: "t".into() });
    bench.event(1, &text_event("m1", "early"));
    bench.frame(&format!(r#"{{"type":"permission",{}"#, &pending("R", &request_digest())[1..]));
    assert!(bench.texts().is_empty() && bench.session.ledger().entries().is_empty());
}

#[test]
fn a_frame_that_cannot_be_read_is_asked_for_again() {
    let mut bench = Bench::online();
    bench.frame("{\"type\":\"events\",\"events\":[{");
    assert_eq!(bench.asked_to_open(), 1);
}

#[test]
fn a_goaway_is_obeyed() {
    let mut bench = Bench::online();
    bench.frame(r#"{"type":"goaway","retry_after_ms":1500}"#);
    assert_eq!(bench.session.link(), LinkView::Waiting { until: Tick(1_500), tries: 0 });
    bench.wait();
    assert_eq!(bench.asked_to_open(), 1);
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
