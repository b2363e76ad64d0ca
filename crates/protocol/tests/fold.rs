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
