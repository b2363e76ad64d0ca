//! What comes down: in order, once, and never across a hole.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use portcullis_protocol::session::{Change, Gap, Input, LinkView, Output, ResetReason};

use crate::bench::{
    BLOCK, Bench, START, delta, live, pending, request_digest, text_event, welcome, welcome_of,
};

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

fn resets(bench: &Bench) -> Vec<ResetReason> {
    let reset = |output: &Output| {
        if let Output::Change(Change::LogReset(reason)) = output { Some(*reason) } else { None }
    };
    bench.outputs.iter().filter_map(reset).collect()
}

#[test]
fn s1_a_gap_is_shown_until_it_is_filled() {
    let mut bench = Bench::online();
    bench.event(1, &text_event("m1", "one"));
    bench.event(4, &text_event("m4", "four"));
    assert_eq!(bench.session.gap(), Some(Gap { after_seq: 1, before_seq: 4 }));
    assert!(bench.outputs.contains(&Output::Change(Change::Link)));
    bench.feed(Input::Opened { token: "t".into() });
    bench.frame(&welcome(4, true, "[]"));
    bench.event(2, &text_event("m2", "two"));
    assert!(bench.session.gap().is_some(), "one is still missing");
    bench.event(3, &text_event("m3", "three"));
    assert_eq!(bench.session.gap(), None);
    bench.event(4, &text_event("m4", "four"));
    assert_eq!(bench.texts(), ["one", "two", "three", "four"]);
}

#[test]
fn s1_rows_that_heartbeats_name_and_that_never_come_are_asked_for() {
    let mut bench = Bench::online();
    let beat = |head: u64| format!(r#"{{"type":"heartbeat","head_seq":{head},"server_time_ms":1}}"#);
    bench.frame(&beat(1));
    bench.frame(&beat(1));
    bench.event(1, &text_event("m1", "one"));
    bench.frame(&beat(3));
    bench.frame(&beat(3));
    assert_eq!(bench.asked_to_open(), 0, "they may be on their way");
    bench.frame(&beat(3));
    assert_eq!(bench.asked_to_open(), 1);
    assert_eq!(bench.session.gap(), Some(Gap { after_seq: 1, before_seq: 4 }));
}

#[test]
fn s2_the_same_row_again_changes_nothing() {
    let mut bench = Bench::online();
    bench.event(1, &text_event("m1", "one"));
    bench.outputs.clear();
    bench.event(1, &text_event("m1", "one"));
    assert!(bench.outputs.is_empty(), "{:?}", bench.outputs);
}

#[test]
fn s3_the_same_place_with_other_bytes_alarms_and_loads_everything_again() {
    let mut bench = Bench::online();
    bench.event(1, &text_event("m1", "one"));
    bench.event(2, &text_event("m2", "two"));
    bench.event(1, &text_event("m1", "another"));
    assert_eq!(resets(&bench), [ResetReason::Contradiction]);
    assert!(ResetReason::Contradiction.words().is_some());
    assert!(bench.texts().is_empty());
    assert_eq!((bench.session.link(), bench.asked_to_open()), (LinkView::Connecting, 1));
    bench.outputs.clear();
    bench.feed(Input::Opened { token: "t".into() });
    assert!(!bench.sent()[0].contains("resume"), "from the first event");
    bench.frame(&welcome(2, false, "[]"));
    assert!(resets(&bench).is_empty());
    bench.event(1, &text_event("m1", "another"));
    assert_eq!(bench.texts(), ["another"]);
}

#[test]
fn s4_rows_that_go_back_are_skipped_and_not_acknowledged_again() {
    let mut bench = Bench::online();
    for seq in 1..=3 {
        bench.event(seq, &text_event(&format!("m{seq}"), "x"));
    }
    bench.outputs.clear();
    bench.event(2, &text_event("m2", "x"));
    bench.event(0, &text_event("m0", "x"));
    bench.event(3, &text_event("m3", "x"));
    assert!(bench.outputs.is_empty() && bench.session.applied_seq() == 3);
}

#[test]
fn s5_an_epoch_that_changes_on_an_open_socket_is_another_log() {
    let mut bench = Bench::online();
    bench.event(1, &text_event("m1", "old"));
    bench.frame(&welcome_of("e2", 5, true, "[]"));
    assert_eq!(resets(&bench), [ResetReason::Epoch]);
    bench.event(2, &text_event("m2", "of whichever log"));
    assert!(bench.texts().is_empty(), "nothing is drawn until the new log was asked for");
    bench.reconnect(&welcome_of("e2", 1, false, "[]"));
    bench.event(1, &text_event("m9", "new"));
    assert_eq!(bench.texts(), ["new"]);
}

#[test]
fn s24_a_log_that_claims_to_go_on_and_ends_earlier_is_another_log() {
    let mut bench = Bench::online();
    for seq in 1..=3 {
        bench.event(seq, &text_event(&format!("m{seq}"), "x"));
    }
    bench.reconnect(&welcome(2, true, "[]"));
    assert_eq!(resets(&bench), [ResetReason::BeyondHead]);
    bench.reconnect(&welcome(2, false, "[]"));
    bench.event(1, &text_event("m1", "y"));
    assert_eq!(bench.texts(), ["y"]);
}

#[test]
fn s9_pieces_of_an_unknown_message_and_pieces_after_the_whole_draw_nothing() {
    let mut bench = Bench::online();
    bench.frame(&live(7, 0, &delta("of nobody knows what")));
    assert!(bench.texts().is_empty());
    bench.event(1, &text_event("m1", "whole"));
    for (n, event) in [START.to_owned(), BLOCK.to_owned(), delta("again")].iter().enumerate() {
        bench.frame(&live(8 + n as u64, 1, event));
    }
    assert_eq!(bench.texts(), ["whole"]);
}

#[test]
fn the_worker_frame_keeps_what_it_does_not_repeat() {
    let mut bench = Bench::online();
    bench
        .frame(r#"{"type":"worker","state":"online","worker_state":{"status":"running"},"delivered_seq":3}"#);
    bench.frame(r#"{"type":"worker","state":"offline"}"#);
    let worker = bench.session.worker();
    assert!(worker.worker_state.is_some() && worker.delivered_seq == Some(3));
}
