//! The socket: who it is, when it is given up, when the next one comes.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use portcullis_protocol::Tick;
use portcullis_protocol::limits::{GOAWAY_PAUSE_MAX_MS, TOO_MANY_PAUSE_MS};
use portcullis_protocol::session::{Input, LinkView, Output, StopReason, Whoami};

use crate::bench::{Bench, text_event, welcome};

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
fn a_goaway_is_obeyed() {
    let mut bench = Bench::online();
    bench.frame(r#"{"type":"goaway","retry_after_ms":1500}"#);
    assert_eq!(bench.session.link(), LinkView::Waiting { until: Tick(1_500), tries: 0 });
    bench.wait();
    assert_eq!(bench.asked_to_open(), 1);
}

#[test]
fn a_fresh_token_goes_out_on_the_socket_that_is_open_and_moves_no_position() {
    let mut bench = Bench::online();
    bench.feed(Input::Renewed { token: "t2".into() });
    assert_eq!(bench.sent(), [r#"{"type":"auth","credential":{"type":"oauth","token":"t2"}}"#]);
    assert_eq!((bench.session.link(), bench.asked_to_open()), (LinkView::Online, 0));
    bench.feed(Input::Closed { code: 1001 });
    bench.outputs.clear();
    bench.feed(Input::Renewed { token: "t3".into() });
    assert!(bench.sent().is_empty(), "there is no socket");
}

#[test]
fn an_expired_token_is_refreshed_once_and_again_only_after_calm() {
    let mut bench = Bench::online();
    bench.feed(Input::Closed { code: 4004 });
    bench.reconnect(&welcome(0, true, "[]"));
    bench.feed(Input::Closed { code: 4004 });
    assert_eq!(bench.session.link(), LinkView::Stopped(StopReason::Refused), "it would go on for ever");

    let mut bench = Bench::online();
    for _ in 0..3 {
        bench.feed(Input::Closed { code: 4004 });
        bench.reconnect(&welcome(0, true, "[]"));
        bench.now = bench.now.after(600_000);
    }
    assert_eq!(bench.session.link(), LinkView::Online, "a token that lived its time is no failure");
}

#[test]
fn after_two_silent_failures_the_server_is_asked_whether_it_knows_this_device() {
    let failing = |times: usize| {
        let mut bench = Bench::new();
        bench.feed(Input::Start);
        for _ in 0..times {
            bench.feed(Input::Closed { code: 1006 });
            bench.wait();
        }
        bench
    };
    let asked = |bench: &Bench| bench.outputs.iter().filter(|output| **output == Output::AskWhoami).count();
    assert_eq!(
        (asked(&failing(1)), asked(&failing(2)), asked(&failing(3)), asked(&failing(4))),
        (0, 1, 1, 2)
    );

    let mut bench = failing(2);
    bench.feed(Input::Whoami(Whoami::NoAnswer));
    bench.feed(Input::Whoami(Whoami::Known));
    assert_eq!(bench.session.link(), LinkView::Connecting, "it is the network");
    bench.outputs.clear();
    bench.feed(Input::Whoami(Whoami::Refused));
    assert_eq!(bench.session.link(), LinkView::Stopped(StopReason::Refused));
    assert_eq!(bench.outputs.first(), Some(&Output::Close { code: 1000 }));

    let mut bench = Bench::online();
    for _ in 0..4 {
        bench.feed(Input::Closed { code: 1006 });
        bench.reconnect(&welcome(0, true, "[]"));
    }
    assert_eq!(asked(&bench), 0, "sockets that were welcomed are no question of who we are");
    bench.feed(Input::Whoami(Whoami::Refused));
    assert_eq!(
        bench.session.link(),
        LinkView::Online,
        "an answer that comes late is not believed over a welcome"
    );
}

#[test]
fn who_asks_too_much_waits_even_when_woken() {
    let mut bench = Bench::online();
    bench.feed(Input::Closed { code: 4008 });
    for at in (0..TOO_MANY_PAUSE_MS).step_by(500) {
        bench.now = Tick(at);
        bench.feed(Input::Wake);
    }
    assert_eq!(bench.asked_to_open(), 0);
    bench.now = Tick(TOO_MANY_PAUSE_MS);
    bench.feed(Input::Wake);
    assert_eq!(bench.asked_to_open(), 1);
}

#[test]
fn a_page_that_is_too_old_is_loaded_anew_and_tries_no_more() {
    let mut bench = Bench::online();
    bench.feed(Input::Closed { code: 4010 });
    assert!(bench.outputs.contains(&Output::Reload));
    bench.feed(Input::Wake);
    assert_eq!((bench.asked_to_open(), bench.session.poll_timeout()), (0, None));
}

#[test]
fn a_hundred_wakes_in_a_second_open_two_sockets() {
    let mut bench = Bench::online();
    for _ in 0..8 {
        bench.feed(Input::Closed { code: 1011 });
        bench.wait();
    }
    bench.outputs.clear();
    let from = bench.now;
    for n in 0..100 {
        bench.now = from.after(n * 10);
        bench.feed(Input::Closed { code: 1006 });
        bench.feed(Input::Wake);
    }
    assert!(bench.asked_to_open() <= 2, "{}", bench.asked_to_open());
    let LinkView::Waiting { until, .. } = bench.session.link() else { panic!("it waits") };
    assert!(until <= bench.now.after(1_000), "the wish is heard, a little later");
}

#[test]
fn a_socket_that_is_silent_after_a_wake_is_given_up_early() {
    let mut bench = Bench::online();
    bench.now = Tick(2_000);
    bench.feed(Input::Wake);
    assert_eq!(bench.session.poll_timeout(), Some(Tick(14_000)));
    bench.now = Tick(3_000);
    bench.frame(r#"{"type":"heartbeat","head_seq":0,"server_time_ms":1}"#);
    assert_eq!(bench.session.poll_timeout(), Some(Tick(28_000)), "it lives");
}

#[test]
fn any_frame_is_a_sign_of_life_even_an_unknown_one() {
    let mut bench = Bench::online();
    for at in [20_000, 40_000, 60_000] {
        bench.now = Tick(at);
        bench.frame(r#"{"type":"of another version"}"#);
    }
    assert_eq!(bench.session.poll_timeout(), Some(Tick(85_000)));
}

#[test]
fn a_socket_that_never_opens_or_never_welcomes_is_given_up() {
    for (opened, after) in [(false, 15_000), (true, 10_000)] {
        let mut bench = Bench::new();
        bench.feed(Input::Start);
        if opened {
            bench.feed(Input::Opened { token: "t".into() });
        }
        bench.wait();
        assert_eq!(bench.now, Tick(after));
        assert!(bench.outputs.contains(&Output::Close { code: 1000 }));
        assert!(matches!(bench.session.link(), LinkView::Waiting { tries: 1, .. }));
    }
}

#[test]
fn what_an_old_socket_still_says_is_not_heard() {
    let mut bench = Bench::online();
    bench.feed(Input::Closed { code: 1006 });
    bench.feed(Input::Opened { token: "late".into() });
    bench.frame(&welcome(7, true, "[]"));
    assert!(bench.sent().is_empty() && matches!(bench.session.link(), LinkView::Waiting { .. }));
}

#[test]
fn a_server_that_always_leaves_a_hole_is_not_hammered() {
    let mut bench = Bench::online();
    for _ in 0..50 {
        bench.event(2, &text_event("m", "two"));
        bench.reconnect(&welcome(2, true, "[]"));
    }
    assert!(bench.now > Tick(60_000), "fifty holes within {:?}", bench.now);
}

#[test]
fn the_tries_are_counted_until_it_was_calm() {
    let mut bench = Bench::online();
    let mut tries = Vec::new();
    for _ in 0..3 {
        bench.feed(Input::Closed { code: 1011 });
        if let LinkView::Waiting { tries: count, until } = bench.session.link() {
            tries.push(count);
            assert!(until >= bench.now);
        }
        bench.wait();
    }
    assert_eq!(tries, [1, 2, 3]);
    bench.reconnect(&welcome(0, true, "[]"));
    bench.now = bench.now.after(30_000);
    bench.feed(Input::Closed { code: 1011 });
    assert!(matches!(bench.session.link(), LinkView::Waiting { tries: 1, .. }));
}

#[test]
fn a_server_cannot_send_a_client_away_for_long() {
    let mut bench = Bench::online();
    bench.frame(r#"{"type":"goaway","retry_after_ms":18446744073709551615}"#);
    assert_eq!(bench.session.poll_timeout(), Some(Tick(GOAWAY_PAUSE_MAX_MS)));
}

#[test]
fn a_clock_that_jumps_back_neither_stalls_nor_spins() {
    let mut bench = Bench::online();
    bench.now = Tick(50_000_000);
    bench.frame(r#"{"type":"heartbeat","head_seq":0,"server_time_ms":1}"#);
    bench.feed(Input::Closed { code: 1006 });
    bench.now = Tick(1_000);
    bench.feed(Input::Timeout);
    let LinkView::Waiting { until, .. } = bench.session.link() else { panic!("it waits") };
    assert!(until <= Tick(1_500), "not the hours it jumped: {until:?}");
    bench.wait();
    assert_eq!(bench.asked_to_open(), 1);
    bench.feed(Input::Opened { token: "t".into() });
    bench.frame(&welcome(0, true, "[]"));
    assert_eq!(bench.session.poll_timeout(), Some(bench.now.after(25_000)));
}

#[test]
fn a_clock_far_ahead_gives_the_socket_up_and_goes_on() {
    let mut bench = Bench::online();
    for now in [Tick(1 << 40), Tick(1 << 62), Tick(5), Tick(1 << 63)] {
        bench.now = now;
        bench.feed(Input::Timeout);
        bench.outputs.clear();
        bench.reconnect(&welcome(0, true, "[]"));
        assert_eq!(bench.session.link(), LinkView::Online);
        assert!(bench.session.poll_timeout() > Some(bench.now));
    }
}

#[test]
fn stopping_and_starting_again_goes_on_where_it_stood() {
    let mut bench = Bench::online();
    bench.event(1, &text_event("m1", "one"));
    bench.feed(Input::Stop);
    assert_eq!(bench.session.link(), LinkView::Stopped(StopReason::NotStarted));
    bench.feed(Input::Wake);
    assert_eq!(bench.asked_to_open(), 0, "nobody wants it");
    bench.feed(Input::Start);
    bench.outputs.clear();
    bench.feed(Input::Opened { token: "t".into() });
    assert!(bench.sent()[0].contains(r#""after_seq":1"#));
}
