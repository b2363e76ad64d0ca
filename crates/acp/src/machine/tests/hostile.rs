//! An agent that says anything at all: the machine goes on, every line is one, and every question is answered once.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{SESSION, Stage};
use crate::machine::Asked;

fn id() -> impl Strategy<Value = String> {
    prop_oneof!["[abc]", "\\PC{0,80}"]
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map("[a-z]{1,8}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn update() -> impl Strategy<Value = Value> {
    let status =
        prop_oneof![Just("pending"), Just("in_progress"), Just("completed"), Just("failed"), Just("odd")];
    let kind = prop_oneof![Just("edit"), Just("execute"), Just("read"), Just("odd")];
    let content = prop_oneof![
        "\\PC{0,9}".prop_map(|text| json!({"type": "content", "content": {"type": "text", "text": text}})),
        "\\PC{0,9}".prop_map(|text| json!({"type": "diff", "path": text, "newText": text})),
        Just(json!({"type": "terminal", "terminalId": "none"})),
        anything(),
    ];
    prop_oneof![
        "\\PC{0,9}".prop_map(
            |text| json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}})
        ),
        (id(), status, kind, content, anything(), any::<bool>()).prop_map(
            |(id, status, kind, content, raw, first)| {
                let name = if first { "tool_call" } else { "tool_call_update" };
                json!({"sessionUpdate": name, "toolCallId": id, "title": "t", "status": status, "kind": kind,
                   "content": [content], "rawInput": raw})
            }
        ),
        (anything(), "[a-z_]{1,20}")
            .prop_map(|(value, name)| json!({"sessionUpdate": name, "entries": value, "x": value})),
        anything(),
    ]
}

#[derive(Clone, Debug)]
enum Deed {
    Update(Value),
    Ask(String, Value),
    EndTurn(Value),
    Fail(i32),
    Prompt,
    Interrupt,
    Decide(usize, bool),
    Wait,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => update().prop_map(Deed::Update),
        2 => (id(), anything()).prop_map(|(id, raw)| Deed::Ask(id, raw)),
        1 => anything().prop_map(Deed::EndTurn),
        1 => any::<i32>().prop_map(Deed::Fail),
        2 => Just(Deed::Prompt),
        1 => Just(Deed::Interrupt),
        2 => (0..4_usize, any::<bool>()).prop_map(|(at, allow)| Deed::Decide(at, allow)),
        1 => Just(Deed::Wait),
    ]
}

fn carry_out(stage: &mut Stage, deed: Deed, at: usize, asked: &mut Vec<crate::machine::AskId>) {
    match deed {
        Deed::Update(update) => stage.update(update),
        Deed::Ask(id, raw) => {
            let options = json!([{"optionId": "a", "name": "A", "kind": "allow_once"}, raw]);
            let call = json!({"toolCallId": id, "rawInput": raw});
            let params = json!({"sessionId": SESSION, "toolCall": call, "options": options});
            asked.push(stage.asks(Asked::Permission(params)));
        }
        Deed::EndTurn(answer) => {
            if stage.calls.iter().any(|(_, method, _)| *method == "session/prompt") {
                stage.reply("session/prompt", Ok(json!({"stopReason": answer, "usage": answer})));
            }
        }
        Deed::Fail(code) => {
            if stage.calls.iter().any(|(_, method, _)| *method == "session/prompt") {
                stage.fails("session/prompt", code, "no");
            }
        }
        Deed::Prompt => stage.prompt(&format!("p{at}"), "go"),
        Deed::Interrupt => drop(stage.control(json!({"subtype": "interrupt"}))),
        Deed::Decide(nth, allow) => {
            let open: Vec<Value> =
                stage.lines.iter().filter(|line| line["type"] == "control_request").cloned().collect();
            if let Some(request) = open.get(nth) {
                let payload = json!({"behavior": if allow { "allow" } else { "deny" }, "updatedInput": {}});
                let response =
                    json!({"subtype": "success", "request_id": request["request_id"], "response": payload});
                stage.host(json!({"type": "control_response", "response": response}));
            }
        }
        Deed::Wait => stage.pass(10_000),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_every_question_is_answered_once_and_every_prompt_has_one_result(
        deeds in proptest::collection::vec(deed(), 0..40),
    ) {
        let mut stage = Stage::open();
        let mut asked = Vec::new();
        for (at, deed) in deeds.into_iter().enumerate() {
            carry_out(&mut stage, deed, at, &mut asked);
        }
        // Nobody answers any more.
        stage.agent_dies("gone");
        let count = |kind: &str, state: &str| {
            stage.lines.iter().filter(|line| line["type"] == kind && (state.is_empty() || line["state"] == state)).count()
        };
        prop_assert_eq!(count("command_lifecycle", "started"), count("result", ""));
        for ask in asked {
            let answers = stage.answers.iter().filter(|(answered, _)| *answered == ask).count();
            prop_assert!(answers <= 1, "{ask:?} is answered {answers} times");
        }
        prop_assert!(stage.end.is_some());
    }
}

#[test]
fn a_flood_of_questions_is_answered_by_nobody_beyond_a_bound() {
    let mut stage = Stage::open();
    stage.prompt("u", "hi");
    for n in 0..1_000 {
        let call = json!({"toolCallId": format!("c{n}"), "title": "x"});
        let options = json!([{"optionId": "a", "name": "A", "kind": "allow_once"}]);
        stage.asks(Asked::Permission(json!({"sessionId": SESSION, "toolCall": call, "options": options})));
    }
    let open = stage.lines.iter().filter(|line| line["type"] == "control_request").count();
    assert_eq!((open, stage.answers.len()), (128, 1_000 - 128));
}

#[test]
fn a_flood_of_calls_keeps_a_bounded_number() {
    let mut stage = Stage::open();
    stage.prompt("u", "hi");
    for n in 0..10_000 {
        stage.update(json!({"sessionUpdate": "tool_call", "toolCallId": format!("c{n}"), "title": "x"}));
        stage.lines.clear();
    }
    assert!(stage.machine.calls.len() <= super::super::CALLS_MAX);
    assert_eq!(stage.machine.calls.len(), stage.machine.call_order.len());
}

#[test]
fn a_chunk_of_ten_megabytes_is_told_in_lines_that_fit() {
    let mut stage = Stage::open();
    stage.prompt("u", "hi");
    stage.says(&"x".repeat(10_000_000));
    stage.reply("session/prompt", Ok(json!({"stopReason": "end_turn"})));
    let said: usize = stage
        .lines
        .iter()
        .filter(|line| line["type"] == "assistant")
        .map(|line| line["message"]["content"][0]["text"].as_str().unwrap().len())
        .sum();
    assert_eq!(said, 10_000_000);
    assert!(stage.lines.iter().all(|line| line.to_string().len() < 1024 * 1024));
}

#[test]
fn a_call_that_changes_for_ever_is_not_written_for_ever() {
    let mut stage = Stage::open();
    stage.prompt("u", "hi");
    for n in 0..1_000 {
        stage.update(
            json!({"sessionUpdate": "tool_call", "toolCallId": "1", "title": "x", "rawInput": {"n": n}}),
        );
    }
    assert!(stage.lines.iter().filter(|line| line["type"] == "assistant").count() <= 32);
}

#[test]
fn updates_of_another_session_change_nothing_here() {
    let mut stage = Stage::open();
    stage.prompt("u", "hi");
    stage.lines.clear();
    let said = json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "x"}});
    stage.notice("session/update", json!({"sessionId": "other", "update": said}));
    assert_eq!(stage.story(), "acp_update");
}
