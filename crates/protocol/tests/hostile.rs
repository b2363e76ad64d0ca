//! Whatever comes in, nothing panics and nothing grows without a bound.
#![cfg(not(target_arch = "wasm32"))]

#[path = "../../../fuzz/src/doors.rs"]
#[expect(unreachable_pub, reason = "the library of the fuzz targets")]
mod doors;

use portcullis_protocol::wire::framing::{Line, LineFramer};
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

/// Lines for the fold: whole and broken messages of the examples, durable and volatile.
fn scene() -> impl Strategy<Value = String> {
    let line = (mutated(), any::<bool>()).prop_map(|(line, volatile)| {
        let message =
            line.split_once("\"msg\":").and_then(|(_, rest)| rest.strip_suffix('}')).unwrap_or(&line);
        format!("{}{}", if volatile { "~" } else { "" }, message.replace('\n', " "))
    });
    prop::collection::vec(line, 0..40).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn no_text_makes_anything_panic(text in "\\PC{0,200}") {
        doors::decoder(text.as_bytes());
    }

    #[test]
    fn no_bytes_make_anything_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        doors::decoder(&bytes);
        doors::framer(&bytes);
        doors::fold(&bytes);
    }

    #[test]
    fn no_broken_message_makes_anything_panic(line in mutated()) {
        doors::decoder(line.as_bytes());
        if let Some(message) = line.split_once("\"msg\":").and_then(|(_, rest)| rest.strip_suffix('}')) {
            doors::decoder(message.as_bytes());
        }
    }

    #[test]
    fn no_run_of_broken_messages_makes_anything_panic(scene in scene()) {
        doors::fold(scene.as_bytes());
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
}
