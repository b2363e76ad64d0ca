//! Every bound of the protocol crate at its limit and one beyond. Those of one machine's insides are tested beside it
//! (`json.rs`, `id.rs`, `live.rs`); this page is about what a session and a transcript take.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use portcullis_protocol::approval::digest;
use portcullis_protocol::limits::{
    AGENT_DEPTH_MAX, FOREIGN_ID_BYTES_MAX, LEDGER_ENTRIES_MAX, MERGED_BLOCKS_MAX, MERGED_MESSAGES_MAX,
    OUTBOX_BYTES_MAX, OUTBOX_EVENTS_MAX, PENDING_REQUESTS_MAX, PREVIEW_BLOCKS_MAX, PREVIEW_BYTES_MAX,
    PREVIEW_MESSAGES_MAX, QUEUE_PROMPTS_MAX, RETRACT_ITEMS_MAX, TASKS_MAX, TODO_ENTRIES_MAX,
    TODO_TEXT_BYTES_MAX,
};
use portcullis_protocol::session::transcript::{Activity, ItemBody, PromptState, ToolState, Transcript};
use portcullis_protocol::session::{Change, Input, OutboxError, Output, Session, SessionConfig, StartAt};
use portcullis_protocol::{RawJson, Tick};

fn raw(text: &str) -> RawJson {
    RawJson::parse(text).unwrap()
}

fn apply(transcript: &mut Transcript, event: &str) {
    let seq = transcript.order().len() as u64 + 1;
    transcript.apply(seq, &raw(event));
    transcript.take_changes();
}

fn live(transcript: &mut Transcript, event: &str) {
    transcript.apply_live(&raw(event));
    transcript.take_changes();
}

fn prompt(uuid: usize) -> String {
    format!(r#"{{"type":"user","uuid":"p{uuid}","message":{{"role":"user","content":"x"}}}}"#)
}

fn text_line(message: &str, uuid: &str, text: &str) -> String {
    format!(
        r#"{{"type":"assistant","uuid":"{uuid}","message":{{"id":"{message}","content":[{{"type":"text","text":"{text}"}}]}}}}"#
    )
}

fn block_start(message: &str, index: usize) -> String {
    format!(
        r#"{{"type":"stream_event","api_message_id":"{message}","event":{{"type":"content_block_start","index":{index},"content_block":{{"type":"text","text":""}}}}}}"#
    )
}

fn block_delta(message: &str, text: &str) -> String {
    format!(
        r#"{{"type":"stream_event","api_message_id":"{message}","event":{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}}}}"#
    )
}

#[test]
fn the_queue_holds_its_limit_and_then_the_oldest_moves_among_the_items() {
    let mut transcript = Transcript::new();
    for uuid in 0..QUEUE_PROMPTS_MAX {
        apply(&mut transcript, &prompt(uuid));
    }
    assert_eq!((transcript.queue().len(), transcript.order().len()), (QUEUE_PROMPTS_MAX, 0));
    apply(&mut transcript, &prompt(QUEUE_PROMPTS_MAX));
    assert_eq!((transcript.queue().len(), transcript.order().len()), (QUEUE_PROMPTS_MAX, 1));
    apply(&mut transcript, r#"{"type":"command_lifecycle","command_uuid":"p0","state":"started"}"#);
    let first = transcript.items().next().unwrap();
    assert!(matches!(&first.body, ItemBody::Prompt(prompt) if prompt.state == PromptState::Running));
}

#[test]
fn previews_hold_their_number_of_blocks_and_the_next_waits_for_its_seal() {
    let mut transcript = Transcript::new();
    for index in 0..PREVIEW_BLOCKS_MAX {
        live(&mut transcript, &block_start("m", index));
    }
    assert_eq!(transcript.order().len(), PREVIEW_BLOCKS_MAX);
    live(&mut transcript, &block_start("m", PREVIEW_BLOCKS_MAX));
    assert_eq!(transcript.order().len(), PREVIEW_BLOCKS_MAX);
    apply(&mut transcript, r#"{"type":"result","subtype":"success"}"#);
    assert_eq!(transcript.order().len(), 1);
    live(&mut transcript, &block_start("n", 0));
    assert_eq!(transcript.order().len(), 2, "room was given back");
}

#[test]
fn previews_hold_their_bytes_and_the_rest_waits_for_its_seal() {
    let mut transcript = Transcript::new();
    let start = r#"{"type":"text","text":""}"#.len();
    live(&mut transcript, &block_start("m", 0));
    let shown = |transcript: &Transcript| {
        let ItemBody::Text { text, .. } = &transcript.items().next().unwrap().body else { panic!("no text") };
        text.len()
    };
    let half = (PREVIEW_BYTES_MAX - start) / 2;
    live(&mut transcript, &block_delta("m", &"x".repeat(half)));
    live(&mut transcript, &block_delta("m", &"x".repeat(PREVIEW_BYTES_MAX - start - half)));
    assert_eq!(shown(&transcript), PREVIEW_BYTES_MAX - start);
    live(&mut transcript, &block_delta("m", "y"));
    assert_eq!(shown(&transcript), PREVIEW_BYTES_MAX - start);
}

#[test]
fn previews_remember_their_number_of_messages() {
    let mut transcript = Transcript::new();
    for message in 0..PREVIEW_MESSAGES_MAX {
        live(&mut transcript, &block_start(&format!("m{message}"), 0));
    }
    assert_eq!(transcript.order().len(), PREVIEW_MESSAGES_MAX);
    live(&mut transcript, &block_start("one more", 0));
    assert_eq!(transcript.order().len(), PREVIEW_MESSAGES_MAX, "the oldest went");
}

#[test]
fn a_streams_message_id_has_a_length() {
    let mut transcript = Transcript::new();
    live(&mut transcript, &block_start(&"m".repeat(FOREIGN_ID_BYTES_MAX), 0));
    assert_eq!(transcript.order().len(), 1);
    live(&mut transcript, &block_start(&"n".repeat(FOREIGN_ID_BYTES_MAX + 1), 0));
    assert_eq!(transcript.order().len(), 1);
}

#[test]
fn a_message_is_merged_as_long_as_it_is_remembered() {
    let others = |count: usize| {
        let mut transcript = Transcript::new();
        apply(&mut transcript, &text_line("first", "a", "One"));
        for other in 0..count {
            apply(&mut transcript, &text_line(&format!("m{other}"), &format!("u{other}"), "x"));
        }
        apply(&mut transcript, &text_line("first", "b", "One two"));
        transcript.order().len() - count
    };
    assert_eq!(others(MERGED_MESSAGES_MAX - 1), 1);
    assert_eq!(others(MERGED_MESSAGES_MAX), 2);
}

#[test]
fn a_repeated_line_is_found_as_far_back_as_the_limit() {
    let shown = |behind: usize| {
        let mut transcript = Transcript::new();
        apply(&mut transcript, &text_line("m", "first", "First"));
        for block in 0..behind {
            apply(&mut transcript, &text_line("m", &format!("u{block}"), &format!("{block} x")));
        }
        apply(&mut transcript, &text_line("m", "first", "First"));
        transcript.order().len() - behind
    };
    assert_eq!(shown(MERGED_BLOCKS_MAX - 1), 1);
    assert_eq!(shown(MERGED_BLOCKS_MAX), 2);
}

#[test]
fn a_line_vanishes_as_far_back_as_the_limit() {
    let kept = |behind: usize| {
        let mut transcript = Transcript::new();
        apply(&mut transcript, &text_line("m", "old", "Old"));
        for _ in 0..behind {
            apply(&mut transcript, r#"{"type":"system","subtype":"informational","content":"x"}"#);
        }
        apply(
            &mut transcript,
            r#"{"type":"assistant","supersedes":["old"],"message":{"id":"n","content":[]}}"#,
        );
        transcript.order().len() - behind
    };
    assert_eq!(kept(RETRACT_ITEMS_MAX - 1), 0);
    assert_eq!(kept(RETRACT_ITEMS_MAX), 1);
}

#[test]
fn tasks_are_bound_up_to_their_number() {
    let mut transcript = Transcript::new();
    for task in 0..=TASKS_MAX {
        apply(
            &mut transcript,
            &format!(
                r#"{{"type":"assistant","message":{{"id":"m{task}","content":[{{"type":"tool_use","id":"t{task}","name":"Bash","input":{{}}}}]}}}}"#
            ),
        );
        apply(
            &mut transcript,
            &format!(
                r#"{{"type":"system","subtype":"task_started","task_id":"k{task}","tool_use_id":"t{task}","is_backgrounded":true}}"#
            ),
        );
    }
    let bound = transcript
        .items()
        .filter(|item| matches!(&item.body, ItemBody::Tool(call) if call.task.is_some()))
        .count();
    assert_eq!((bound, transcript.facts().tasks.len()), (TASKS_MAX, TASKS_MAX));
}

fn todo_write(entries: usize, text: &str) -> Transcript {
    let mut transcript = Transcript::new();
    let todos = vec![format!(r#"{{"content":"{text}","status":"pending"}}"#); entries].join(",");
    apply(
        &mut transcript,
        &format!(
            r#"{{"type":"assistant","message":{{"id":"m","content":[{{"type":"tool_use","id":"t","name":"TodoWrite","input":{{"todos":[{todos}]}}}}]}}}}"#
        ),
    );
    apply(
        &mut transcript,
        r#"{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t","content":"ok"}]}}"#,
    );
    transcript
}

#[test]
fn a_list_of_what_there_is_to_do_has_a_length_and_so_have_its_texts() {
    assert_eq!(todo_write(TODO_ENTRIES_MAX, "a").facts().todo.len(), TODO_ENTRIES_MAX);
    assert_eq!(todo_write(TODO_ENTRIES_MAX + 1, "a").facts().todo.len(), TODO_ENTRIES_MAX);
    let length = |bytes: usize| todo_write(1, &"x".repeat(bytes)).facts().todo[0].text.len();
    assert_eq!(length(TODO_TEXT_BYTES_MAX), TODO_TEXT_BYTES_MAX);
    assert_eq!(length(TODO_TEXT_BYTES_MAX + 1), TODO_TEXT_BYTES_MAX);
    assert_eq!(
        todo_write(1, &"é".repeat(TODO_TEXT_BYTES_MAX)).facts().todo[0].text.len(),
        TODO_TEXT_BYTES_MAX
    );
}

#[test]
fn sub_agents_are_followed_up_to_their_depth() {
    let state = |depth: usize| {
        let mut transcript = Transcript::new();
        for level in 0..=depth {
            let parent = if level == 0 { "null".to_owned() } else { format!("\"t{}\"", level - 1) };
            apply(
                &mut transcript,
                &format!(
                    r#"{{"type":"assistant","parent_tool_use_id":{parent},"message":{{"id":"m{level}","content":[{{"type":"tool_use","id":"t{level}","name":"Agent","input":{{}}}}]}}}}"#
                ),
            );
        }
        apply(
            &mut transcript,
            r#"{"type":"system","subtype":"task_started","task_id":"k","tool_use_id":"t0","is_backgrounded":true}"#,
        );
        apply(&mut transcript, r#"{"type":"result","subtype":"success"}"#);
        let ItemBody::Tool(call) = &transcript.items().nth(depth).unwrap().body else { panic!("no tool") };
        call.state
    };
    assert_eq!(state(AGENT_DEPTH_MAX), ToolState::Running);
    assert_eq!(state(AGENT_DEPTH_MAX + 1), ToolState::Interrupted);
}

#[test]
fn the_working_state_counts_as_many_requests_as_may_wait() {
    let mut transcript = Transcript::new();
    let ask = |id: usize| {
        format!(r#"{{"type":"control_request","request_id":"R{id}","request":{{"subtype":"can_use_tool"}}}}"#)
    };
    for id in 0..=PENDING_REQUESTS_MAX {
        apply(&mut transcript, &ask(id));
    }
    for id in 0..PENDING_REQUESTS_MAX {
        assert_eq!(transcript.facts().activity, Activity::Waiting);
        apply(&mut transcript, &format!(r#"{{"type":"control_cancel_request","request_id":"R{id}"}}"#));
    }
    assert_eq!(transcript.facts().activity, Activity::Idle, "the one beyond was not counted");
}

#[test]
fn the_ledger_keeps_its_number_of_requests() {
    let request = r#"{"subtype":"can_use_tool","tool_name":"Bash","input":{}}"#;
    let digest = digest(&raw(request));
    let mut session = Session::new(SessionConfig { seed: 1, start: StartAt::Beginning });
    session.handle(Tick(0), Input::Start);
    session.handle(Tick(0), Input::Opened { token: "t".into() });
    let frame = |session: &mut Session, text: String| session.handle(Tick(0), Input::Frame(text));
    frame(&mut session, r#"{"type":"welcome","epoch":"e","head_seq":0,"resumed":true,"heartbeat_ms":1,"server_time_ms":1,"worker":{"state":"online"},"pending":[],"role":"owner"}"#.into());
    for id in 0..=LEDGER_ENTRIES_MAX {
        frame(
            &mut session,
            format!(
                r#"{{"type":"permission","request_id":"R{id}","state":"pending","digest":"{digest}","asked_at_ms":{id},"event":{{"type":"control_request","request_id":"R{id}","request":{request}}}}}"#
            ),
        );
    }
    assert_eq!(session.ledger().entries().len(), LEDGER_ENTRIES_MAX);
}

#[test]
fn the_outbox_holds_its_number_and_its_bytes() {
    let refused = |session: &mut Session, uuid: &str, text: &str| {
        session.handle(Tick(0), Input::Prompt { uuid: uuid.into(), said: text.into() });
        std::iter::from_fn(|| session.poll_output())
            .any(|output| output == Output::Change(Change::PromptRejected(OutboxError::Full)))
    };
    let mut session = Session::new(SessionConfig { seed: 1, start: StartAt::Beginning });
    for uuid in 0..OUTBOX_EVENTS_MAX {
        assert!(!refused(&mut session, &uuid.to_string(), "x"));
    }
    assert!(refused(&mut session, "one more", "x"));

    let mut session = Session::new(SessionConfig { seed: 1, start: StartAt::Beginning });
    let third = "x".repeat(OUTBOX_BYTES_MAX / 3);
    assert!(!refused(&mut session, "big", &third) && !refused(&mut session, "as big", &third));
    assert!(refused(&mut session, "and as big", &third));
    assert!(!refused(&mut session, "small", "x"));
}
