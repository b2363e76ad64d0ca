//! Logs that open at their end: the newest page first, the rest on demand.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use portcullis_protocol::limits::{FETCH_LOST_MS, PAGE_EVENTS_MAX, TAIL_EVENTS, TAIL_EVENTS_MIN};
use portcullis_protocol::session::{
    Change, History, Input, LinkView, Output, PageQuery, ResetReason, StartAt, StopReason, Whoami,
};
use portcullis_protocol::wire::rest::EventsPage;

use crate::bench::{Bench, text_event, welcome, welcome_of};

fn page(epoch: &str, rows: std::ops::RangeInclusive<u64>, head: u64) -> Option<EventsPage> {
    let rows: Vec<String> = rows
        .map(|seq| format!(r#"{{"seq":{seq},"event":{}}}"#, text_event(&format!("m{seq}"), &seq.to_string())))
        .collect();
    let rows = rows.join(",");
    serde_json::from_str(&format!(
        r#"{{"data":[{rows}],"epoch":"{epoch}","head_seq":{head},"has_more":true}}"#
    ))
    .ok()
}

/// A session that began with rows 91 to 100.
fn at_the_tail() -> Bench {
    let mut bench = Bench::starting(StartAt::Tail);
    bench.feed(Input::Start);
    answer(&mut bench, page("e1", 91..=100, 100));
    bench.feed(Input::Opened { token: "t".into() });
    bench.frame(&welcome(100, true, "[]"));
    bench.outputs.clear();
    bench
}

/// Answers the newest GET.
fn answer(bench: &mut Bench, page: Option<EventsPage>) {
    let (fetch, _) = *bench.fetches().last().expect("a page was asked for");
    bench.feed(Input::Fetched { fetch, page });
}

#[test]
fn begins_with_the_newest_page_and_goes_on_behind_it() {
    let mut bench = Bench::starting(StartAt::Tail);
    bench.feed(Input::Start);
    let query = PageQuery { after_seq: None, before_seq: None, limit: TAIL_EVENTS };
    assert_eq!(bench.outputs[0], Output::Fetch { fetch: 0, query });
    assert_eq!((bench.asked_to_open(), bench.session.link()), (0, LinkView::Connecting));
    assert_eq!(bench.session.history(), History { first_seq: 0, complete: false, loading: true });
    answer(&mut bench, page("e1", 91..=100, 100));
    assert_eq!((bench.asked_to_open(), bench.texts().len()), (1, 10));
    assert_eq!(bench.session.history(), History { first_seq: 91, complete: false, loading: false });
    bench.feed(Input::Opened { token: "t".into() });
    assert!(bench.sent()[0].contains(r#""resume":{"epoch":"e1","after_seq":100,"max_gap":1000}"#));
    bench.frame(&welcome(101, true, "[]"));
    bench.event(101, &text_event("m101", "101"));
    assert_eq!(bench.texts().len(), 11);
}

#[test]
fn an_empty_log_opens_and_is_whole() {
    let mut bench = Bench::starting(StartAt::Tail);
    bench.feed(Input::Start);
    let nothing = std::ops::RangeInclusive::new(1, 0);
    answer(&mut bench, page("e1", nothing.clone(), 5));
    assert_eq!(bench.asked_to_open(), 0, "a log with rows has a last page");
    bench.wait();
    answer(&mut bench, page("e1", nothing, 0));
    assert_eq!((bench.asked_to_open(), bench.session.history().complete), (1, true));
    bench.feed(Input::Opened { token: "t".into() });
    bench.frame(&welcome(0, true, "[]"));
    bench.event(1, &text_event("m1", "1"));
    assert_eq!((bench.texts().len(), bench.session.history().first_seq), (1, 1));
}

#[test]
fn a_first_page_that_does_not_come_is_asked_for_smaller_and_later() {
    let mut bench = Bench::starting(StartAt::Tail);
    bench.feed(Input::Start);
    for _ in 0..8 {
        answer(&mut bench, None);
        assert!(matches!(bench.session.link(), LinkView::Waiting { .. }));
        bench.wait();
    }
    let limits: Vec<usize> = bench.fetches().iter().map(|(_, query)| query.limit).collect();
    assert_eq!(limits, [200, 100, 50, 25, 12, TAIL_EVENTS_MIN, 10, 10, 10]);
    assert!(bench.outputs.contains(&Output::AskWhoami), "it may be us");
    bench.feed(Input::Whoami(Whoami::Refused));
    assert_eq!(bench.session.link(), LinkView::Stopped(StopReason::Refused));
}

#[test]
fn a_first_page_that_hangs_is_given_up_and_its_late_answer_not_taken() {
    let mut bench = Bench::starting(StartAt::Tail);
    bench.feed(Input::Start);
    bench.feed(Input::Wake);
    bench.pass(FETCH_LOST_MS);
    assert!(bench.outputs.contains(&Output::Close { code: 1000 }));
    bench.feed(Input::Fetched { fetch: 0, page: page("e1", 1..=3, 3) });
    assert!(bench.texts().is_empty());
}

#[test]
fn a_session_that_is_not_there_or_not_ours_stops_before_any_socket() {
    for (code, reason) in [(4003, StopReason::Refused), (4011, StopReason::Archived)] {
        let mut bench = Bench::starting(StartAt::Tail);
        bench.feed(Input::Start);
        bench.feed(Input::Closed { code });
        assert_eq!((bench.session.link(), bench.asked_to_open()), (LinkView::Stopped(reason), 0));
        answer(&mut bench, page("e1", 1..=3, 3));
        assert_eq!(bench.asked_to_open(), 0);
    }
}

#[test]
fn too_wide_a_gap_loads_the_newest_page_instead() {
    let mut bench = at_the_tail();
    let gap =
        welcome(5_000, false, "[]").replace(r#""resumed":false"#, r#""resumed":false,"reset_reason":"gap""#);
    bench.reconnect(&gap);
    assert!(bench.outputs.contains(&Output::Change(Change::LogReset(ResetReason::Gap))));
    assert_eq!(ResetReason::Gap.words(), None, "nothing is lost");
    assert!(bench.texts().is_empty());
    bench.event(5_001, &text_event("m5001", "of a socket that is closed"));
    answer(&mut bench, page("e1", 4_991..=5_000, 5_000));
    bench.feed(Input::Opened { token: "t".into() });
    bench.frame(&welcome(5_000, true, "[]"));
    bench.event(5_001, &text_event("m5001", "5001"));
    assert_eq!((bench.texts().len(), bench.session.history().first_seq), (11, 4_991));
}

#[test]
fn a_short_log_of_another_epoch_follows_on_the_same_socket() {
    let mut bench = at_the_tail();
    bench.reconnect(&welcome_of("e2", 2, false, "[]"));
    assert!(bench.outputs.contains(&Output::Change(Change::LogReset(ResetReason::Epoch))));
    assert_eq!(bench.session.link(), LinkView::Online);
    bench.event(1, &text_event("n1", "1"));
    bench.event(2, &text_event("n2", "2"));
    assert_eq!((bench.texts().len(), bench.session.history().complete), (2, true));
}

#[test]
fn history_comes_page_by_page_when_it_is_wanted() {
    let mut bench = at_the_tail();
    bench.feed(Input::WantHistory);
    bench.feed(Input::WantHistory);
    let query = PageQuery { after_seq: None, before_seq: Some(91), limit: PAGE_EVENTS_MAX };
    assert_eq!(bench.fetches().iter().map(|(_, query)| *query).collect::<Vec<_>>(), [query], "one at a time");
    assert!(bench.session.history().loading && bench.outputs.contains(&Output::Change(Change::History)));
    answer(&mut bench, page("e1", 86..=90, 100));
    assert_eq!((bench.session.history().loading, bench.texts().len()), (false, 15), "drawn at once");
    bench.feed(Input::WantHistory);
    answer(&mut bench, page("e1", 81..=85, 100));
    assert_eq!(bench.session.history(), History { first_seq: 81, complete: false, loading: false });
    assert_eq!(bench.texts().len(), 20);
    bench.feed(Input::WantHistory);
    answer(&mut bench, page("e1", 1..=80, 100));
    assert_eq!(bench.session.history(), History { first_seq: 1, complete: true, loading: false });
    assert_eq!(bench.texts()[..2], ["1", "2"]);
    bench.outputs.clear();
    bench.feed(Input::WantHistory);
    assert!(bench.outputs.is_empty(), "there is nothing above");
}

#[test]
fn history_that_does_not_come_is_asked_for_again_in_its_time() {
    let mut bench = at_the_tail();
    bench.feed(Input::Hidden);
    bench.feed(Input::WantHistory);
    for _ in 0..4 {
        answer(&mut bench, None);
        bench.wait();
    }
    assert_eq!(bench.fetches().len(), 5);
    bench.pass(FETCH_LOST_MS * 2);
    assert!((6..=8).contains(&bench.fetches().len()), "lost ones too: {}", bench.fetches().len());
    answer(&mut bench, page("e1", 81..=90, 100));
    assert_eq!(bench.session.history().first_seq, 81);
}

#[test]
fn an_archived_session_can_be_scrolled_up() {
    let mut bench = at_the_tail();
    bench.feed(Input::Closed { code: 4011 });
    bench.feed(Input::WantHistory);
    answer(&mut bench, page("e1", 81..=90, 100));
    assert_eq!(bench.texts().len(), 20);
}

#[test]
fn a_page_of_another_log_begins_it_anew() {
    let mut bench = at_the_tail();
    bench.feed(Input::WantHistory);
    answer(&mut bench, page("e2", 81..=90, 100));
    assert!(bench.outputs.contains(&Output::Change(Change::LogReset(ResetReason::Epoch))));
    answer(&mut bench, page("e2", 91..=100, 100));
    assert_eq!((bench.texts().len(), bench.asked_to_open()), (10, 1));
}

#[test]
fn s3_other_bytes_for_a_row_of_the_first_page_alarm_too() {
    let mut bench = at_the_tail();
    bench.event(95, &text_event("m95", "another"));
    assert!(bench.outputs.contains(&Output::Change(Change::LogReset(ResetReason::Contradiction))));
    assert_eq!(bench.fetches().len(), 1, "the newest page is asked for again");
}

#[test]
fn events_while_history_is_on_its_way_stay_in_their_place() {
    let mut bench = at_the_tail();
    bench.feed(Input::WantHistory);
    bench.event(101, &text_event("m101", "101"));
    answer(&mut bench, page("e1", 80..=90, 101));
    let texts = bench.texts();
    assert_eq!(
        (texts.first().map(String::as_str), texts.last().map(String::as_str)),
        (Some("80"), Some("101"))
    );
    assert_eq!(texts.len(), 22);
}

#[test]
fn who_wants_what_waits_alone_reads_nothing_of_the_log_now_or_after_a_cut() {
    let mut bench = Bench::starting(StartAt::Head);
    bench.feed(Input::Start);
    assert_eq!((bench.asked_to_open(), bench.fetches().len()), (1, 0));
    bench.feed(Input::Opened { token: "t".into() });
    assert!(bench.sent()[0].contains(r#""resume":{"epoch":"","after_seq":0,"max_gap":0}"#));
    bench.frame(&welcome_of("e1", 500, false, "[]"));
    bench.ask();
    assert_eq!((bench.session.link(), bench.session.ledger().waiting()), (LinkView::Online, 1));
    bench.event(501, &text_event("m501", "501"));
    assert_eq!((bench.texts().len(), bench.session.applied_seq()), (0, 501));
    assert!(bench.sent().iter().any(|frame| frame.contains(r#""ack","seq":501"#)));
    // Much happened meanwhile: none of it is read, and no transcript begins anew.
    bench.reconnect(&welcome_of("e2", 9_000, false, "[]"));
    assert_eq!((bench.session.applied_seq(), bench.session.epoch()), (9_000, Some("e2")));
    assert_eq!((bench.session.link(), bench.fetches().len()), (LinkView::Online, 0));
    let anew = |output: &Output| matches!(output, Output::Change(Change::LogReset(_)));
    assert!(!bench.outputs.iter().any(anew));
}

/// A log of ten thousand rows, opened at its end.
fn of_10_000() -> Bench {
    let mut bench = Bench::starting(StartAt::Tail);
    bench.feed(Input::Start);
    answer(&mut bench, page("e1", 9_801..=10_000, 10_000));
    bench.feed(Input::Opened { token: "t".into() });
    bench.frame(&welcome(10_000, true, "[]"));
    bench.outputs.clear();
    bench
}

/// Answers the newest GET out of a log that ends at `head`.
fn serve(bench: &mut Bench, head: u64) {
    let (_, query) = *bench.fetches().last().expect("a page was asked for");
    let limit = query.limit as u64;
    let rows = match (query.before_seq, query.after_seq) {
        (Some(before), _) => before.saturating_sub(limit).max(1)..=before - 1,
        (None, Some(after)) => after + 1..=(after + limit).min(head),
        (None, None) => head.saturating_sub(limit)..=head,
    };
    answer(bench, page("e1", rows, head));
}

/// What is on the screen: the first and the last text, and how many.
fn shown(bench: &Bench) -> (u64, u64, usize) {
    let texts: Vec<u64> = bench
        .session
        .shown()
        .items()
        .filter_map(|item| {
            let portcullis_protocol::session::transcript::ItemBody::Text { text, .. } = &item.body else {
                return None;
            };
            text.parse().ok()
        })
        .collect();
    (texts.first().copied().unwrap_or(0), texts.last().copied().unwrap_or(0), texts.len())
}

#[test]
fn a_row_far_up_is_shown_with_what_is_around_it_and_the_end_goes_on_unseen() {
    let mut bench = of_10_000();
    bench.feed(Input::Visit { seq: 5_000 });
    serve(&mut bench, 10_000);
    assert_eq!(shown(&bench), (4_750, 5_249, 500));
    let part = bench.session.part();
    assert_eq!((part.first_seq, part.last_seq, part.head_seq, part.away), (4_750, 5_249, 10_000, true));
    bench.outputs.clear();
    bench.event(10_001, &text_event("m10001", "10001"));
    let moved = |output: &Output| matches!(output, Output::Change(Change::Transcript(_)));
    assert!(!bench.outputs.iter().any(moved), "nothing moves what is read");
    assert_eq!((shown(&bench).1, bench.session.part().head_seq), (5_249, 10_001));
    bench.feed(Input::Return);
    assert_eq!(shown(&bench), (9_801, 10_001, 201));
    assert!(!bench.session.part().away);
}

#[test]
fn a_log_of_any_length_is_read_from_its_end_to_its_start_and_back_in_bounded_space() {
    const MOST: usize = portcullis_protocol::limits::LOADED_EVENTS_MAX;
    let mut bench = of_10_000();
    let mut most = 0;
    while !bench.session.history().complete {
        bench.feed(Input::WantHistory);
        serve(&mut bench, 10_000);
        most = most.max(shown(&bench).2);
    }
    assert_eq!((shown(&bench).0, bench.session.part().away), (1, true));
    assert!(most <= MOST, "{most}");
    let mut last = shown(&bench).1;
    while bench.session.part().away {
        bench.feed(Input::WantLater);
        serve(&mut bench, 10_000);
        let now = shown(&bench);
        assert!(now.0 <= last && now.1 > last, "what was read is still there: {now:?}");
        (last, most) = (now.1, most.max(now.2));
    }
    assert_eq!(last, 10_000);
    assert!(most <= 2 * MOST, "{most}");
}

#[test]
fn one_page_is_drawn_as_soon_as_it_is_there_however_much_was_loaded() {
    let mut bench = of_10_000();
    for seq in 10_001..=13_000 {
        bench.event(seq, &text_event(&format!("m{seq}"), &seq.to_string()));
    }
    let before = bench.fetches().len();
    bench.feed(Input::WantHistory);
    serve(&mut bench, 13_000);
    assert_eq!((bench.fetches().len() - before, shown(&bench).0), (1, 8_801));
    assert!(!bench.session.history().loading);
}

#[test]
fn a_session_that_runs_for_days_holds_only_its_newest_part_and_what_is_known_of_it() {
    const MOST: u64 = 2 * portcullis_protocol::limits::LOADED_EVENTS_MAX as u64;
    let mut bench = of_10_000();
    bench.event(10_001, r#"{"type":"system","subtype":"init","model":"a-model","uuid":"i"}"#);
    bench.event(10_002, r#"{"type":"user","uuid":"waits","message":{"role":"user","content":"later"}}"#);
    for seq in 10_003..=10_003 + 2 * MOST {
        bench.event(
            seq,
            &format!(r#"{{"type":"system","subtype":"notification","uuid":"n{seq}","text":"{seq}"}}"#),
        );
    }
    assert_eq!(bench.session.transcript().facts().model.as_deref(), Some("a-model"));
    assert_eq!(bench.session.transcript().queue().len(), 1, "what waits is not let go");
    let mut bench = of_10_000();
    bench.event(10_001, r#"{"type":"system","subtype":"init","model":"a-model","uuid":"i"}"#);
    for seq in 10_002..=10_002 + 2 * MOST {
        bench.event(seq, &text_event(&format!("m{seq}"), &seq.to_string()));
        let held = bench.session.part().last_seq - bench.session.part().first_seq;
        assert!(held < MOST && bench.session.shown().order().len() as u64 <= MOST);
    }
    assert_eq!(bench.session.transcript().facts().model.as_deref(), Some("a-model"));
    assert!(!bench.session.history().complete && bench.session.history().first_seq > 10_002);
}

#[test]
fn what_was_kept_is_shown_until_the_server_is_heard() {
    let mut bench = Bench::starting(StartAt::Tail);
    bench.feed(Input::Start);
    let kept = page("e1", 51..=60, 60).unwrap();
    bench.feed(Input::Recall(kept.clone()));
    assert_eq!((shown(&bench), bench.session.part().kept), ((51, 60, 10), true));
    bench.feed(Input::WantHistory);
    bench.feed(Input::Return);
    assert_eq!((shown(&bench).2, bench.fetches().len()), (10, 1), "there is nobody to ask");
    answer(&mut bench, page("e1", 91..=100, 100));
    assert_eq!((shown(&bench), bench.session.part().kept), ((91, 100, 10), false));
    bench.feed(Input::Recall(kept));
    assert_eq!(shown(&bench).0, 91);
}

#[test]
fn a_link_to_a_row_is_followed_once_the_log_is_known() {
    let mut bench = Bench::starting(StartAt::Tail);
    bench.feed(Input::Start);
    bench.feed(Input::Visit { seq: 3 });
    answer(&mut bench, page("e1", 991..=1_000, 1_000));
    serve(&mut bench, 1_000);
    assert_eq!(shown(&bench), (1, 252, 252));
    bench.feed(Input::Visit { seq: 995 });
    assert_eq!(shown(&bench).0, 991, "that is loaded");
    bench.feed(Input::Visit { seq: 900 });
    serve(&mut bench, 1_000);
    assert_eq!((shown(&bench), bench.session.part().away), ((501, 1_000, 500), false), "one with the end");
}

#[test]
fn another_wish_takes_the_place_of_the_one_under_way() {
    let mut bench = of_10_000();
    bench.feed(Input::Visit { seq: 5_000 });
    let (first, _) = *bench.fetches().last().unwrap();
    bench.feed(Input::Visit { seq: 100 });
    serve(&mut bench, 10_000);
    assert_eq!(shown(&bench).0, 1);
    bench.feed(Input::Fetched { fetch: first, page: page("e1", 4_750..=5_249, 10_000) });
    assert_eq!(shown(&bench).0, 1, "too late");
    bench.feed(Input::Visit { seq: 9_000 });
    bench.feed(Input::Return);
    assert!(!bench.session.part().away && !bench.session.history().loading);
}
