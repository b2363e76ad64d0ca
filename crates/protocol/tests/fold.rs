//! Recorded runs of real agents, folded. The transcripts beside them were read against the recordings by eye;
//! `UPDATE_EXPECT=1 cargo test -p portcullis-protocol` writes them anew.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod recordings;

use expect_test::expect_file;
use portcullis_protocol::session::transcript::{Change, ItemBody, Transcript};
use recordings::shown::{fold, line, render};
use recordings::{captures, fixtures};

#[test]
fn every_recording_folds_to_its_transcript() {
    for (name, events) in captures() {
        let transcript = fold(&events, |_| true);
        expect_file![fixtures().join(format!("transcripts/{name}.txt"))].assert_eq(&render(&transcript));
    }
}

#[test]
fn nothing_stays_live_after_the_last_turn() {
    for (name, events) in captures() {
        for item in fold(&events, |_| true).items() {
            let live = matches!(
                &item.body,
                ItemBody::Text { live: true, .. } | ItemBody::Thinking { live: true, .. }
            );
            assert!(!live, "{name}: {}", line(item));
        }
    }
}

#[test]
fn no_prompt_is_shown_twice_or_lost() {
    for (name, events) in captures() {
        let transcript = fold(&events, |_| true);
        let mut sent: Vec<String> = events
            .iter()
            .filter_map(|event| event.header().ok())
            .filter(|header| header.kind == "user" && header.is_replay)
            .filter_map(|header| header.uuid)
            .collect();
        sent.sort();
        sent.dedup();
        let shown: Vec<String> = transcript
            .items()
            .filter_map(|item| {
                if let ItemBody::Prompt(prompt) = &item.body { Some(prompt.uuid.clone()) } else { None }
            })
            .collect();
        let mut unique = shown.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), shown.len(), "{name}: a prompt stands twice");
    }
}

#[test]
fn a_page_that_follows_the_changes_shows_the_same_order() {
    for (name, events) in captures() {
        let mut transcript = Transcript::new();
        let mut page = Vec::new();
        for (index, event) in events.iter().enumerate() {
            if event.header().is_ok_and(|header| header.is_durable()) {
                transcript.apply(index as u64 + 1, event);
            } else {
                transcript.apply_live(event);
            }
            for change in transcript.take_changes() {
                match change {
                    Change::Reset => page.clear(),
                    Change::Inserted { index, id } => page.insert(index, id),
                    Change::Removed { index, id } => assert_eq!(page.remove(index), id, "{name}"),
                    Change::Updated { id } => assert!(page.contains(&id), "{name}"),
                    Change::Queue | Change::Facts => {}
                }
            }
            assert_eq!(page, transcript.order(), "{name}");
        }
    }
}

#[test]
fn says_how_long_a_call_took_what_a_turn_cost_and_keeps_images() {
    use portcullis_protocol::RawJson;
    use portcullis_protocol::session::transcript::{ItemBody, Transcript};
    let mut transcript = Transcript::new();
    let lines = [
        r#"{"type":"assistant","uuid":"a","timestamp":"2026-11-21T09:11:20.000Z","message":{"id":"m","content":[{"type":"tool_use","id":"t","name":"Read","input":{}}]}}"#,
        r#"{"type":"user","uuid":"b","timestamp":"2026-11-21T09:11:23.500Z","message":{"content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk="}}]}]}}"#,
        r#"{"type":"result","uuid":"c","subtype":"success","total_cost_usd":0.25,"usage":{"input_tokens":7,"output_tokens":3}}"#,
        r#"{"type":"result","uuid":"d","subtype":"success","total_cost_usd":0.26,"usage":{"input_tokens":7,"output_tokens":3}}"#,
    ];
    for (seq, line) in (1..).zip(lines) {
        transcript.apply(seq, &RawJson::parse(line).unwrap());
    }
    let items: Vec<_> = transcript.items().collect();
    assert_eq!((items[0].took_ms, items[0].at_ms), (Some(3_500), Some(1_795_252_280_000)));
    let ItemBody::Tool(call) = &items[0].body else { panic!("no call") };
    let output = call.output.as_ref().unwrap();
    assert!(output.images == 1 && output.blocks.as_ref().unwrap().as_str().contains("aGk="));
    let costs: Vec<_> = items[1..]
        .iter()
        .map(|item| {
            let ItemBody::TurnEnd(end) = &item.body else { panic!("no end") };
            (end.cost_micros, end.input_tokens, end.output_tokens)
        })
        .collect();
    assert_eq!(costs, [(Some(250_000), Some(7), Some(3)), (Some(10_000), Some(7), Some(3))]);
}
