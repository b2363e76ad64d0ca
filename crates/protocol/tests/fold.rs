//! Recorded runs of real agents, folded. The transcripts beside them were read against the recordings by eye;
//! `UPDATE_EXPECT=1 cargo test -p portcullis-protocol` writes them anew.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use portcullis_protocol::RawJson;
use portcullis_protocol::session::transcript::{Change, Item, ItemBody, ToolInput, Transcript};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Recorded {
    dir: String,
    #[serde(default)]
    msg: Option<RawJson>,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn captures() -> Vec<(String, Vec<RawJson>)> {
    let mut captures: Vec<_> = std::fs::read_dir(fixtures().join("captures"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), log(&path)))
        .collect();
    captures.sort_by(|a, b| a.0.cmp(&b.0));
    captures
}

/// What the log and the live stream of such a run hold: prompts as they were sent, and all the agent said.
fn log(path: &Path) -> Vec<RawJson> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Recorded>(line).unwrap());
    lines
        .filter_map(|line| {
            let event = line.msg?;
            let header = event.header().ok()?;
            (line.dir == "out" || (line.dir == "in" && header.kind == "user")).then_some(event)
        })
        .collect()
}

/// Folds a run; `keep` says which volatile events arrive.
fn fold(events: &[RawJson], mut keep: impl FnMut(usize) -> bool) -> Transcript {
    let mut transcript = Transcript::new();
    let mut seq = 0;
    for (index, event) in events.iter().enumerate() {
        if event.header().is_ok_and(|header| header.is_durable()) {
            seq += 1;
            transcript.apply(seq, event);
        } else if keep(index) {
            transcript.apply_live(event);
        }
    }
    transcript
}

fn render(transcript: &Transcript) -> String {
    let mut out = String::new();
    for item in transcript.items() {
        let indent = if item.parent.is_some() { "    " } else { "" };
        let _ = writeln!(out, "{indent}{}", line(item));
    }
    for prompt in transcript.queue() {
        let _ = writeln!(out, "queued [{}] {}", prompt.state.as_str(), clip(&prompt.text));
    }
    let facts = transcript.facts();
    let _ = writeln!(
        out,
        "-- {:?} {:?}",
        facts.model.as_deref().unwrap_or("?"),
        facts.permission_mode.as_deref().unwrap_or("?")
    );
    out
}

fn line(item: &Item) -> String {
    match &item.body {
        ItemBody::Prompt(prompt) => format!("> [{}] {}", prompt.state.as_str(), clip(&prompt.text)),
        ItemBody::Text { text, live, aborted } => {
            format!("text{}{} {}", mark(*live, "(live)"), mark(*aborted, "(aborted)"), clip(text))
        }
        ItemBody::Thinking { text, live } => format!("thinking{} {}", mark(*live, "(live)"), clip(text)),
        ItemBody::Tool(call) => {
            let input = match &call.input {
                ToolInput::Partial(text) => format!("(partial) {text}"),
                ToolInput::Whole(raw) => raw.as_str().to_owned(),
            };
            let output =
                call.output.as_ref().map(|output| format!(" = {}", clip(&output.text))).unwrap_or_default();
            format!("{} [{}] {}{output}", call.name, call.state.as_str(), clip(&input))
        }
        ItemBody::Notice(notice) => format!("! {} {}", notice.level.as_str(), clip(&notice.text)),
        ItemBody::TurnEnd(end) => {
            format!("=== {} {}", end.outcome.as_str(), clip(end.error.as_deref().unwrap_or("")))
        }
    }
}

fn mark(set: bool, mark: &str) -> &str {
    if set { mark } else { "" }
}

fn clip(text: &str) -> String {
    let text = text.replace('\n', "⏎");
    if text.chars().count() > 100 {
        format!("{}…", text.chars().take(100).collect::<String>())
    } else {
        text
    }
}

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

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn losing_any_volatile_event_gives_the_same_transcript(seed in any::<u64>()) {
        for (name, events) in captures() {
            let whole = render(&fold(&events, |_| true));
            let mut random = seed | 1;
            let some = render(&fold(&events, |_| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random % 3 != 0
            }));
            prop_assert_eq!(&some, &whole, "{} with some", &name);
            let none = render(&fold(&events, |_| false));
            prop_assert_eq!(&none, &whole, "{} with none", &name);
        }
    }
}
