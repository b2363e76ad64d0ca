//! Floods of volatile events. Nothing an agent streams makes a transcript grow without a bound, nor work that grows
//! with what came before: each flood here is long enough that either would not come to its end.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use portcullis_protocol::RawJson;
use portcullis_protocol::limits::{
    PREVIEW_BLOCKS_MAX, PREVIEW_BYTES_MAX, PREVIEW_MESSAGES_MAX, TODO_TEXT_BYTES_MAX,
};
use portcullis_protocol::session::transcript::{ItemBody, ToolCall, ToolInput, Transcript};

const EVENTS: usize = 20_000;

fn live(transcript: &mut Transcript, event: &str) {
    transcript.apply_live(&RawJson::parse(event).unwrap());
    transcript.take_changes();
}

fn apply(transcript: &mut Transcript, event: &str) {
    transcript.apply(1, &RawJson::parse(event).unwrap());
    transcript.take_changes();
}

fn stream(message: &str, event: &str) -> String {
    format!(r#"{{"type":"stream_event","event":{event},"api_message_id":"{message}"}}"#)
}

fn start(message: &str, index: usize) -> String {
    stream(
        message,
        &format!(
            r#"{{"type":"content_block_start","index":{index},"content_block":{{"type":"text","text":""}}}}"#
        ),
    )
}

fn delta(message: &str, index: usize, text: &str) -> String {
    stream(
        message,
        &format!(
            r#"{{"type":"content_block_delta","index":{index},"delta":{{"type":"text_delta","text":"{text}"}}}}"#
        ),
    )
}

fn shown_bytes(transcript: &Transcript) -> usize {
    let bytes = transcript.items().map(|item| match &item.body {
        ItemBody::Text { text, .. } | ItemBody::Thinking { text, .. } => text.len(),
        ItemBody::Tool(ToolCall { input: ToolInput::Partial(text), .. }) => text.len(),
        ItemBody::Tool(_) | ItemBody::Prompt(_) | ItemBody::Notice(_) | ItemBody::TurnEnd(_) => 0,
    });
    bytes.sum()
}

/// After a flood a turn goes on as if nothing had been.
#[track_caller]
fn goes_on(transcript: &mut Transcript) {
    apply(transcript, r#"{"type":"result","subtype":"success"}"#);
    assert_eq!(transcript.items().filter(|item| item.seq == 0).count(), 0, "previews are gone");
    let before = transcript.order().len();
    live(transcript, &stream("after", r#"{"type":"message_start","message":{"id":"after"}}"#));
    live(transcript, &start("after", 0));
    live(transcript, &delta("after", 0, "hi"));
    assert_eq!((transcript.order().len(), shown_bytes(transcript)), (before + 1, 2));
}

#[test]
fn blocks_that_begin_and_never_end() {
    let mut transcript = Transcript::new();
    for index in 0..EVENTS {
        live(&mut transcript, &start("m", index));
    }
    assert_eq!(transcript.order().len(), PREVIEW_BLOCKS_MAX);
    goes_on(&mut transcript);
}

#[test]
fn a_block_that_begins_again_and_again() {
    let mut transcript = Transcript::new();
    for _ in 0..EVENTS {
        live(&mut transcript, &start("m", 0));
    }
    assert_eq!(transcript.order().len(), 1);
    goes_on(&mut transcript);
}

#[test]
fn messages_that_begin_and_never_end() {
    let mut transcript = Transcript::new();
    for message in 0..EVENTS {
        live(&mut transcript, &start(&format!("m{message}"), 0));
    }
    assert_eq!(transcript.order().len(), PREVIEW_MESSAGES_MAX);
    for message in 0..EVENTS {
        let id = format!("n{message}");
        live(&mut transcript, &stream(&id, r#"{"type":"message_start","message":{"id":"x"}}"#));
    }
    assert_eq!(transcript.order().len(), 0, "a message that begins ends the others");
    goes_on(&mut transcript);
}

#[test]
fn blocks_that_are_abandoned_as_fast_as_they_begin() {
    let mut transcript = Transcript::new();
    for message in 0..EVENTS {
        let id = format!("m{message}");
        live(&mut transcript, &start(&id, 0));
        let stop = r#"{"type":"stream_event","event":{"type":"message_stop"},"api_message_id":"M","abandoned_blocks":{"from_block_index":0}}"#;
        live(&mut transcript, &stop.replace('M', &id));
    }
    assert_eq!((transcript.order().len(), transcript.items().count()), (0, 0));
    goes_on(&mut transcript);
}

#[test]
fn pieces_of_blocks_that_never_began() {
    let mut transcript = Transcript::new();
    live(&mut transcript, &start("m", 7));
    for index in 0..EVENTS {
        live(&mut transcript, &delta("m", index + 8, "x"));
        live(&mut transcript, &delta(&format!("n{index}"), 7, "x"));
    }
    assert_eq!((transcript.order().len(), shown_bytes(&transcript)), (1, 0));
    goes_on(&mut transcript);
}

#[test]
fn pieces_without_end() {
    let mut transcript = Transcript::new();
    let mebibyte = "x".repeat(1024 * 1024);
    for index in 0..4 {
        live(&mut transcript, &start("m", index));
    }
    for round in 0..40 {
        live(&mut transcript, &delta("m", round % 4, &mebibyte));
    }
    assert!(shown_bytes(&transcript) <= PREVIEW_BYTES_MAX);
    assert!(shown_bytes(&transcript) > PREVIEW_BYTES_MAX - 2 * mebibyte.len());
    for _ in 0..EVENTS {
        live(&mut transcript, &delta("m", 0, "xxxxxxxxxxxxxxxx"));
    }
    assert!(shown_bytes(&transcript) <= PREVIEW_BYTES_MAX);
    goes_on(&mut transcript);
}

#[test]
fn lines_of_the_log_below_as_many_previews_as_there_may_be() {
    let mut transcript = Transcript::new();
    for index in 0..PREVIEW_BLOCKS_MAX {
        live(&mut transcript, &start("m", index));
    }
    for line in 0..EVENTS {
        apply(&mut transcript, r#"{"type":"system","subtype":"informational","content":"x"}"#);
        live(&mut transcript, &delta("m", line % PREVIEW_BLOCKS_MAX, "x"));
    }
    assert_eq!(transcript.order().len(), EVENTS + PREVIEW_BLOCKS_MAX);
    assert_eq!(
        transcript.items().take(EVENTS).filter(|item| item.seq == 0).count(),
        0,
        "previews stand behind"
    );
    goes_on(&mut transcript);
}

#[test]
fn what_a_running_tool_says_about_itself_has_a_length() {
    let kept = |bytes: usize| {
        let mut transcript = Transcript::new();
        apply(
            &mut transcript,
            r#"{"type":"assistant","message":{"id":"m","content":[{"type":"tool_use","id":"t","name":"Agent","input":{}}]}}"#,
        );
        let said = "x".repeat(bytes);
        let progress = format!(
            r#"{{"type":"system","subtype":"task_progress","task_id":"k","tool_use_id":"t","description":"{said}","last_tool_name":"{said}"}}"#
        );
        for _ in 0..10 {
            live(&mut transcript, &progress);
        }
        let ItemBody::Tool(call) = &transcript.items().next().unwrap().body else { panic!("no tool") };
        let progress = call.progress.as_deref().unwrap();
        [&progress.description, &progress.last_tool].map(|text| text.as_ref().unwrap().len())
    };
    assert_eq!(kept(TODO_TEXT_BYTES_MAX), [TODO_TEXT_BYTES_MAX; 2]);
    assert_eq!(kept(TODO_TEXT_BYTES_MAX + 1), [TODO_TEXT_BYTES_MAX; 2]);
}
