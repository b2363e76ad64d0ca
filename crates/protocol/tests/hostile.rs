//! Whatever comes in, nothing panics and nothing grows without a bound.
#![cfg(not(target_arch = "wasm32"))]

use portcullis_protocol::approval::{Decision, bind, reveal::reveal};
use portcullis_protocol::session::transcript::Transcript;
use portcullis_protocol::session::{Input, Session, SessionConfig};
use portcullis_protocol::wire::client::{ClientFrame, ServerFrame};
use portcullis_protocol::wire::framing::{Line, LineFramer};
use portcullis_protocol::wire::worker::{WorkerDown, WorkerPost, WorkerUp};
use portcullis_protocol::wire::{control, prompt};
use portcullis_protocol::{RawJson, Tick};
use proptest::prelude::*;

const EXAMPLES: &str = include_str!("fixtures/examples.ndjson");

/// A line of the examples with a few of its characters replaced, cut or doubled.
fn mutated() -> impl Strategy<Value = String> {
    let lines: Vec<&str> = EXAMPLES.lines().collect();
    let edit = (any::<prop::sample::Index>(), 0..4_u8, any::<char>());
    (prop::sample::select(lines), prop::collection::vec(edit, 0..6)).prop_map(|(line, edits)| {
        let mut characters: Vec<char> = line.chars().collect();
        for (at, kind, character) in edits {
            let index = at.index(characters.len().max(1));
            match kind {
                0 if index < characters.len() => characters[index] = character,
                1 if index < characters.len() => {
                    characters.remove(index);
                }
                2 => characters.insert(index.min(characters.len()), character),
                _ => characters.truncate(characters.len().max(2) - 1),
            }
        }
        characters.into_iter().collect()
    })
}

/// Puts `text` through every door there is.
fn every_door(text: &str) {
    let _ = ServerFrame::parse(text);
    let _ = ClientFrame::parse(text);
    let _ = WorkerDown::parse(text);
    let _ = WorkerUp::parse(text);
    let _ = serde_json::from_str::<WorkerPost>(text);
    let shown = reveal(text);
    assert!(shown.fold.is_none_or(|fold| fold.start <= fold.end && fold.end <= shown.lines.len()));
    let mut session = Session::new(SessionConfig { seed: 1 });
    session.handle(Tick(0), Input::Start);
    session.handle(Tick(0), Input::Frame(text.to_owned()));
    let Ok(raw) = RawJson::parse(text) else { return };
    let _ =
        (raw.has_duplicate_keys(), raw.same_value(&raw), prompt::check(&raw), control::Request::parse(&raw));
    if let Ok(decision) = Decision::parse(&raw) {
        let _ = bind(&raw, &decision);
    }
    let mut transcript = Transcript::new();
    transcript.apply(1, &raw);
    transcript.apply_live(&raw);
}

proptest! {
    #[test]
    fn no_text_makes_anything_panic(text in "\\PC{0,200}") {
        every_door(&text);
    }

    #[test]
    fn no_broken_message_makes_anything_panic(line in mutated()) {
        every_door(&line);
        if let Some(message) = line.split_once("\"msg\":").and_then(|(_, rest)| rest.strip_suffix('}')) {
            every_door(message);
        }
    }

    #[test]
    fn lines_are_cut_the_same_however_the_bytes_arrive(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        cuts in prop::collection::vec(1..20_usize, 1..40),
    ) {
        let read = |chunks: Vec<&[u8]>| {
            let mut framer = LineFramer::new(16);
            let mut lines: Vec<Line> = Vec::new();
            for chunk in chunks {
                framer.push(chunk, |line| lines.push(line));
            }
            lines.extend(framer.finish());
            lines
        };
        let mut rest = &bytes[..];
        let mut chunks = Vec::new();
        for cut in cuts.into_iter().cycle() {
            if rest.is_empty() { break }
            let (head, tail) = rest.split_at(cut.min(rest.len()));
            chunks.push(head);
            rest = tail;
        }
        prop_assert_eq!(read(chunks), read(vec![&bytes]));
    }

    #[test]
    fn events_in_any_order_keep_the_transcript_whole(order in prop::collection::vec(any::<prop::sample::Index>(), 1..80)) {
        let lines: Vec<&str> = EXAMPLES.lines().collect();
        let mut transcript = Transcript::new();
        for (seq, index) in order.iter().enumerate() {
            let line = lines[index.index(lines.len())];
            let Some(message) = line.split_once("\"msg\":").and_then(|(_, rest)| rest.strip_suffix('}')) else { continue };
            let Ok(raw) = RawJson::parse(message) else { continue };
            transcript.apply(seq as u64 + 1, &raw);
            transcript.apply_live(&raw);
            prop_assert_eq!(transcript.items().count(), transcript.order().len(), "an id without its item");
        }
    }
}
