//! The `portcullis.v1` dialect: what a reader sees when it comes, comes back, falls behind, or is not who it says.

use std::time::Duration;

use portcullis_protocol::role::Role;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Device, Stage, prompt, seqs_of};

async fn fill(stage: &Stage, to: u64) {
    let head = stage.owner.events(&stage.session, "").await["head_seq"].as_u64().unwrap();
    let events: Vec<Value> = (head + 1..=to).map(|n| prompt(&format!("u{n}"), "x")).collect();
    for chunk in events.chunks(100) {
        assert_eq!(stage.owner.say(&stage.session, json!(chunk)).await.0, StatusCode::OK);
    }
}

fn path(session: &str) -> String {
    format!("/v1/sessions/ws/{session}/subscribe?dialect=portcullis.v1")
}

fn auth(token: &str) -> Value {
    json!({ "type": "auth", "credential": { "type": "oauth", "token": token } })
}

#[tokio::test]
async fn a_reader_is_welcomed_and_gets_every_event_once() {
    let stage = Stage::set().await;
    fill(&stage, 300).await;
    let mut ws = stage.owner.subscribe(&stage.session, None).await;
    let welcome = ws.next().await;
    assert_eq!(
        (&welcome["type"], &welcome["head_seq"], &welcome["role"]),
        (&json!("welcome"), &json!(300), &json!("owner"))
    );
    assert_eq!((&welcome["resumed"], &welcome["worker"]["state"]), (&json!(false), &json!("offline")));
    assert_eq!(welcome["pending"], json!([]));
    let first = seqs_of(&ws.next_of("events").await);
    assert_eq!(first, (1..=256).collect::<Vec<_>>(), "a frame has a bound");
    assert_eq!(ws.read_to(300).await, (257..=300).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_reader_goes_on_where_it_stands_and_a_foreign_epoch_starts_again() {
    let stage = Stage::set().await;
    fill(&stage, 20).await;
    let epoch = stage.owner.events(&stage.session, "").await["epoch"].as_str().unwrap().to_owned();
    let open = async |resume: Value| {
        let mut ws = stage.owner.subscribe(&stage.session, Some(resume)).await;
        let welcome = ws.next_of("welcome").await;
        (ws, welcome["resumed"].as_bool().unwrap(), welcome["reset_reason"].clone())
    };
    let (mut ws, resumed, reason) = open(json!({ "epoch": epoch, "after_seq": 15 })).await;
    assert_eq!((resumed, reason), (true, Value::Null));
    assert_eq!(ws.read_to(20).await, [16, 17, 18, 19, 20]);

    let (mut ws, resumed, reason) = open(json!({ "epoch": "e_other", "after_seq": 15 })).await;
    assert_eq!((resumed, reason), (false, json!("epoch")));
    assert_eq!(ws.read_to(20).await.first(), Some(&1));

    let (mut ws, resumed, reason) = open(json!({ "epoch": epoch, "after_seq": 21 })).await;
    assert_eq!((resumed, reason), (false, json!("beyond_head")));
    assert_eq!(ws.read_to(20).await.first(), Some(&1));
}

#[tokio::test]
async fn a_reader_that_would_rather_load_the_tail_gets_only_what_comes_next() {
    let stage = Stage::set().await;
    fill(&stage, 20).await;
    let epoch = stage.owner.events(&stage.session, "").await["epoch"].clone();
    let resume = json!({ "epoch": epoch, "after_seq": 2, "max_gap": 5 });
    let mut ws = stage.owner.subscribe(&stage.session, Some(resume)).await;
    let welcome = ws.next_of("welcome").await;
    assert_eq!(
        (&welcome["resumed"], &welcome["reset_reason"], &welcome["head_seq"]),
        (&json!(false), &json!("gap"), &json!(20))
    );
    fill(&stage, 21).await;
    assert_eq!(seqs_of(&ws.next_of("events").await), [21]);
}

#[tokio::test]
async fn a_reader_that_does_not_acknowledge_is_paused_and_goes_on_when_it_does() {
    let stage = Stage::set().await;
    fill(&stage, 700).await;
    let mut ws = stage.owner.subscribe(&stage.session, None).await;
    let mut seqs = seqs_of(&ws.next_of("events").await);
    seqs.extend(seqs_of(&ws.next_of("events").await));
    assert_eq!(seqs.len(), 512);
    // Whatever is said at once still comes through; content does not.
    let worker = stage.bridge.serve("i1").await;
    loop {
        let frame = ws.next().await;
        assert_ne!(frame["type"], "events");
        if frame["type"] == "worker" {
            break;
        }
    }
    ws.send(&json!({ "type": "ack", "seq": 512 })).await;
    assert_eq!(ws.read_to(700).await, (513..=700).collect::<Vec<_>>());
    drop(worker);
}

#[tokio::test]
async fn one_event_of_any_size_passes() {
    let stage = Stage::set().await;
    let mut ws = stage.owner.subscribe(&stage.session, None).await;
    ws.read_to(1).await;
    stage.owner.say(&stage.session, json!([prompt("big", &"x".repeat(3 * 1024 * 1024))])).await;
    stage.owner.say(&stage.session, json!([prompt("next", "x")])).await;
    assert_eq!(seqs_of(&ws.next_of("events").await), [2]);
    ws.send(&json!({ "type": "ack", "seq": 2 })).await;
    assert_eq!(seqs_of(&ws.next_of("events").await), [3]);
}

#[tokio::test]
async fn no_event_falls_between_backlog_and_tail() {
    let stage = Stage::set().await;
    let writer = async {
        for n in 2..=60 {
            stage.owner.say(&stage.session, json!([prompt(&format!("u{n}"), "x")])).await;
        }
    };
    let readers = async {
        for _ in 0..15 {
            let mut ws = stage.owner.subscribe(&stage.session, None).await;
            let head = ws.next_of("welcome").await["head_seq"].as_u64().unwrap();
            let seqs = ws.read_to((head + 2).min(60)).await;
            assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seqs:?}");
            assert_eq!(seqs[0], 1);
        }
    };
    tokio::join!(writer, readers);
}

#[tokio::test]
async fn who_joins_in_the_middle_of_a_stream_sees_it_from_its_start() {
    let stage = Stage::set().await;
    let mut worker = stage.bridge.serve("i1").await;
    let delta = |kind: &str| json!({ "type": "stream_event", "event": { "type": kind } });
    let mut early = stage.owner.subscribe(&stage.session, None).await;
    early.read_to(1).await;
    worker.live("m1", 0, delta("message_start")).await;
    worker.live("m1", 1, delta("content_block_delta")).await;
    let mut joiner = stage.owner.subscribe(&stage.session, None).await;
    joiner.read_to(1).await;
    worker.live("m1", 2, delta("content_block_delta")).await;
    for ws in [&mut early, &mut joiner] {
        let mut numbers = Vec::new();
        while numbers.last() != Some(&2) {
            let frame = ws.next_of("live").await;
            for live in frame["events"].as_array().unwrap() {
                assert_eq!((&live["stream"], &live["after_seq"]), (&json!("m1"), &json!(1)));
                numbers.push(live["n"].as_u64().unwrap());
            }
        }
        assert_eq!(numbers, [0, 1, 2]);
    }
    worker.content(&[json!({ "type": "assistant", "uuid": "a1", "message": { "id": "m1" } })]).await;
    worker.live("m1", 3, delta("message_stop")).await;
    let mut late = stage.owner.subscribe(&stage.session, None).await;
    late.read_to(2).await;
    worker.content(&[json!({ "type": "result", "uuid": "r1" })]).await;
    let frame = late.next().await;
    assert_eq!(frame["type"], "events", "a sealed stream is not replayed: {frame}");
}

#[tokio::test]
async fn a_volatile_event_is_not_in_the_log() {
    let stage = Stage::set().await;
    let worker = stage.bridge.serve("i1").await;
    worker.live("m1", 0, json!({ "type": "stream_event", "event": { "type": "message_start" } })).await;
    assert_eq!(stage.owner.events(&stage.session, "").await["head_seq"], 1);
}

#[tokio::test]
async fn the_first_frame_says_who_it_is() {
    let stage = Stage::set().await;
    let first = async |frame: &str, session: &str| {
        let mut ws = stage.owner.socket(&path(session), &[]).await;
        ws.send_text(frame).await;
        ws.closed().await
    };
    let session = &*stage.session;
    assert_eq!(first("not json", session).await, 4003);
    assert_eq!(first(r#"{"type":"ack","seq":1}"#, session).await, 4003);
    assert_eq!(first(&auth("wrong").to_string(), session).await, 4003);
    assert_eq!(first(&auth(&stage.owner.token).to_string(), "session_unknown").await, 4001);
    assert_eq!(first(&"x".repeat(100_000), session).await, 1009);
    stage.server.clock.advance(600_000);
    assert_eq!(first(&auth(&stage.owner.token).to_string(), session).await, 4004);
}

#[tokio::test]
async fn an_unknown_dialect_is_refused_and_the_subprotocol_counts_as_the_query() {
    let stage = Stage::set().await;
    let base = format!("/v1/sessions/ws/{}/subscribe", stage.session);
    let mut ws = stage.owner.socket(&format!("{base}?dialect=portcullis.v2"), &[]).await;
    assert_eq!(ws.closed().await, 4010);
    let mut ws = stage.owner.socket(&base, &[("sec-websocket-protocol", "portcullis.v1")]).await;
    ws.send(&auth(&stage.owner.token)).await;
    assert_eq!(ws.next().await["type"], "welcome");
}

#[tokio::test]
async fn a_token_in_the_address_counts_for_nothing() {
    let stage = Stage::set().await;
    let path = format!("{}&token={t}&access_token={t}", path(&stage.session), t = stage.owner.token);
    let mut ws = stage.owner.socket(&path, &[]).await;
    ws.send(&json!({ "type": "ack", "seq": 0 })).await;
    assert_eq!(ws.closed().await, 4003);
    let (status, _) =
        stage.server.anonymous().get(&format!("/v1/sessions?access_token={}", stage.owner.token)).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_socket_stays_with_the_device_that_opened_it() {
    let stage = Stage::set().await;
    let other = stage.server.admit(Role::Viewer, 77).await;
    let mut ws = stage.owner.subscribe(&stage.session, None).await;
    ws.read_to(1).await;
    let again =
        stage.server.sign_in(stage.owner.id.as_ref().unwrap(), &crate::support::Key::ed25519(1)).await.1;
    ws.send(&auth(again["access_token"].as_str().unwrap())).await;
    stage.owner.say(&stage.session, json!([prompt("u2", "x")])).await;
    assert_eq!(ws.read_to(2).await, [2], "a fresh token of the same device changes nothing");
    ws.send(&auth(&other.token)).await;
    assert_eq!(ws.closed().await, 4003);
}

#[tokio::test]
async fn a_device_has_eight_sockets_on_a_session_and_no_more() {
    let stage = Stage::set().await;
    let mut sockets = Vec::new();
    for _ in 0..8 {
        let mut ws = stage.owner.subscribe(&stage.session, None).await;
        ws.next_of("welcome").await;
        sockets.push(ws);
    }
    let mut ninth = stage.owner.subscribe(&stage.session, None).await;
    assert_eq!(ninth.closed().await, 4008);
}

#[tokio::test]
async fn an_archived_session_closes_its_readers_and_can_still_be_read_to_its_end() {
    let stage = Stage::set().await;
    let mut ws = stage.owner.subscribe(&stage.session, None).await;
    ws.read_to(1).await;
    stage.owner.post(&format!("/v1/sessions/{}/archive", stage.session), &json!({})).await;
    assert_eq!(ws.closed().await, 4011);
    let mut again = stage.owner.subscribe(&stage.session, None).await;
    again.next_of("welcome").await;
    assert_eq!(again.read_to(1).await, [1]);
    assert_eq!(again.closed().await, 4011);
}

#[tokio::test]
async fn frames_that_are_not_ours_are_passed_over_and_broken_ones_end_the_socket() {
    let stage = Stage::set().await;
    let mut ws = stage.owner.subscribe(&stage.session, None).await;
    ws.read_to(1).await;
    ws.send(&json!({ "type": "from_the_future", "x": 1 })).await;
    ws.send(&json!({ "type": "ack", "seq": u64::MAX })).await;
    stage.owner.say(&stage.session, json!([prompt("u2", "x")])).await;
    assert_eq!(ws.read_to(2).await, [2]);
    ws.send_text("{").await;
    assert_eq!(ws.closed().await, 1007);
}

#[tokio::test]
async fn a_handshake_without_an_upgrade_is_an_error_in_the_one_shape() {
    let stage = Stage::set().await;
    assert_eq!(stage.owner.get(&path(&stage.session)).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_slow_reader_holds_nobody_up() {
    let stage = Stage::set().await;
    let slow: Device = stage.server.admit(Role::Viewer, 90).await;
    let _idle = slow.subscribe(&stage.session, None).await;
    let mut quick = stage.owner.subscribe(&stage.session, None).await;
    quick.read_to(1).await;
    let big = "x".repeat(512 * 1024);
    for n in 2..=20 {
        stage.owner.say(&stage.session, json!([prompt(&format!("u{n}"), &big)])).await;
    }
    let read = tokio::time::timeout(Duration::from_secs(20), quick.read_to(20)).await;
    assert_eq!(read.expect("the quick one is not held up").len(), 19);
}

#[tokio::test]
async fn silent_sockets_keep_nobody_out() {
    let stage = Stage::set().await;
    let path = format!("/v1/sessions/ws/{}/subscribe?dialect=portcullis.v1", stage.session);
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(stage.owner.socket(&path, &[]).await);
    }
    stage.owner.subscribe(&stage.session, None).await.next_of("welcome").await;
    assert_eq!(silent[0].closed().await, 1013, "the oldest made room");
    let auth = json!({ "type": "auth", "credential": { "type": "oauth", "token": stage.owner.token } });
    let newest = silent.last_mut().unwrap();
    newest.send(&auth).await;
    newest.next_of("welcome").await;
}
