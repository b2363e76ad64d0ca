//! One line of every kind of message there is: each survives as it came, and none is an error to the fold.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use portcullis_protocol::RawJson;
use portcullis_protocol::session::transcript::Transcript;
use portcullis_protocol::wire::client::{Events, SeqEvent, ServerFrame};
use serde::Deserialize;

#[derive(Deserialize)]
struct Example {
    kind: String,
    msg: RawJson,
}

fn examples() -> Vec<Example> {
    include_str!("fixtures/examples.ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_kind_survives_a_frame_byte_for_byte() {
    for example in examples() {
        let frame =
            ServerFrame::Events(Events { events: vec![SeqEvent { seq: 1, event: example.msg.clone() }] });
        let Ok(ServerFrame::Events(read)) = ServerFrame::parse(&frame.to_text()) else {
            panic!("{}", example.kind)
        };
        assert_eq!(read.events[0].event, example.msg, "{}", example.kind);
    }
}

#[test]
fn every_kind_has_a_header() {
    for example in examples() {
        assert!(example.msg.header().is_ok(), "{}", example.kind);
    }
}

#[test]
fn no_kind_an_agent_writes_is_an_event_that_cannot_be_shown() {
    use portcullis_protocol::session::transcript::ItemBody;
    for example in examples().into_iter().filter(|example| example.kind.starts_with("out:")) {
        let mut transcript = Transcript::new();
        transcript.apply(1, &example.msg);
        let broken = transcript.items().any(
            |item| matches!(&item.body, ItemBody::Notice(notice) if notice.text.starts_with("An event that cannot be shown")),
        );
        assert!(!broken, "{}", example.kind);
    }
}
