//! What one process of a session leaves to the next.

use super::*;

const NAME: &str = "65a6d5e8-32e3-40de-9fc8-711391c3bbb5";

fn init(name: &str, mode: &str) -> Value {
    json!({"type": "system", "subtype": "init", "session_id": name, "model": "m", "permissionMode": mode, "uuid": "i"})
}

fn answered(id: &str) -> Value {
    json!({"type": "control_response", "response": {"subtype": "success", "request_id": id, "response": {}}})
}

/// A process that named its conversation, and is gone.
fn left_behind(name: &str, mode: &str) -> Machine {
    let mut machine = Machine::running();
    machine.line(init(name, mode));
    machine.rest();
    end(&mut machine);
    machine
}

fn end(machine: &mut Machine) {
    machine.exit(1);
    for _ in 0..3 {
        machine.settle();
    }
}

/// Delivers a prompt to a machine whose process is gone: what it does once it is attached again.
fn prompted(machine: &mut Machine, seq: u64, uuid: &str) -> Vec<String> {
    let mut shown = machine.deliver(seq, uuid, "go on");
    shown.extend(machine.frame(WorkerDown::Hello(hello(0, 0))));
    shown
}

fn spawned(shown: &[String]) -> Vec<&str> {
    shown.iter().filter_map(|line| line.strip_prefix("spawn")).map(str::trim).collect()
}

fn prompts(shown: &[String]) -> Vec<String> {
    let lines = stdin(shown).into_iter().filter(|line| line["type"] == "user");
    lines.map(|line| line["uuid"].as_str().unwrap().to_owned()).collect()
}

fn said(shown: &[String]) -> String {
    let words = only(shown, "spool ").join("\n");
    words.chars().filter(|letter| *letter != '\\').collect()
}

#[test]
fn the_next_process_takes_the_conversation_up_and_hears_nothing_before_it_did() {
    let mut machine = left_behind(NAME, "default");
    let shown = prompted(&mut machine, 2, "p2");
    assert_eq!(spawned(&shown), [NAME]);
    assert!(prompts(&shown).is_empty(), "{shown:?}");
    assert!(machine.control(json!({"subtype": "get_usage"})).is_empty(), "neither a prompt nor a question");
    let shown = machine.line(answered("pc-2"));
    assert_eq!(prompts(&shown), ["p2"]);
    assert!(stdin(&shown).iter().any(|line| line["request"]["subtype"] == "get_usage"));
}

#[test]
fn a_conversation_that_cannot_be_taken_up_is_said_once_and_a_new_one_begins() {
    let mut machine = left_behind(NAME, "default");
    prompted(&mut machine, 2, "p2");
    let zeros = json!({"type": "result", "subtype": "error_during_execution", "is_error": true, "num_turns": 0,
        "total_cost_usd": 0, "session_id": NAME, "uuid": "z", "errors": ["No conversation found"]});
    assert!(machine.line(zeros).is_empty(), "its zeros are no turn of anybody");
    let shown = machine.exit(1);
    assert_eq!(spawned(&shown), [""]);
    assert_eq!(prompts(&shown), ["p2"], "what waited goes to the new one, once");
    assert!(said(&shown).contains("could not take up its earlier conversation (boom)"), "{shown:?}");
    assert!(!said(&shown).contains("agent_ended"), "{shown:?}");
    assert!(
        only(&shown, "journal ")
            .contains(&r#"{"left":{"spent":{"before_nano_usd":0,"counted_nano_usd":0}}}"#)
    );
    let shown = machine.exit(1);
    assert!(spawned(&shown).is_empty(), "it is not tried for ever");
}

#[test]
fn a_process_that_was_killed_while_it_took_up_is_not_tried_again_by_itself() {
    let mut machine = left_behind(NAME, "default");
    prompted(&mut machine, 2, "p2");
    let killed = AgentExit { code: None, signal: Some(9), last_stderr: None };
    let shown = machine.handle(Input::AgentExited(killed));
    assert!(spawned(&shown).is_empty());
    assert!(said(&shown).contains(r#""delivery_unknown""#), "{shown:?}");
    for _ in 0..3 {
        machine.settle();
    }
    assert_eq!(spawned(&prompted(&mut machine, 3, "p3")), [NAME], "the conversation is still there");
}

#[test]
fn an_agent_that_never_answers_is_given_its_prompts_in_the_end() {
    let mut machine = left_behind(NAME, "default");
    prompted(&mut machine, 2, "p2");
    machine.now = Tick(ANSWER_TIMEOUT_MS);
    assert_eq!(prompts(&machine.handle(Input::Tick)), ["p2"]);
}

#[test]
fn a_cleared_conversation_is_not_taken_up_and_the_one_after_it_is() {
    let mut machine = Machine::running();
    machine.line(init(NAME, "default"));
    machine.line(
        json!({"type": "conversation_reset", "new_conversation_id": "n", "session_id": NAME, "uuid": "c"}),
    );
    machine.rest();
    end(&mut machine);
    assert_eq!(spawned(&prompted(&mut machine, 2, "p2")), [""]);
    machine.line(init("second", "default"));
    end(&mut machine);
    assert_eq!(spawned(&prompted(&mut machine, 3, "p3")), ["second"]);
}

#[test]
fn b1_a_conversation_that_is_called_as_a_flag_is_not_taken_up() {
    for name in ["--dangerously-skip-permissions", "-p", "../../etc", "a b"] {
        let mut machine = left_behind(name, "default");
        assert_eq!(spawned(&prompted(&mut machine, 2, "p2")), [""], "{name}");
    }
}

#[test]
fn the_next_process_goes_on_in_the_mode_and_with_the_model_that_were_chosen() {
    let mut machine = Machine::running();
    machine.line(init(NAME, "plan"));
    let asked = machine.control(json!({"subtype": "set_model", "model": "small"}));
    let id = stdin(&asked)[0]["request_id"].as_str().unwrap().to_owned();
    let answer = json!({"subtype": "success", "request_id": id, "response": {"model": "claude-small-1"}});
    machine.line(json!({"type": "control_response", "response": answer}));
    machine.rest();
    end(&mut machine);
    let shown = prompted(&mut machine, 2, "p2");
    let requests: Vec<Value> = stdin(&shown).into_iter().map(|line| line["request"].clone()).collect();
    assert_eq!(
        requests,
        [
            json!({"subtype": "initialize"}),
            json!({"subtype": "set_permission_mode", "mode": "plan"}),
            json!({"subtype": "set_model", "model": "small"}),
        ]
    );
    let refused = json!({"subtype": "error", "request_id": "pc-4", "error": "no"});
    let shown = machine.line(json!({"type": "control_response", "response": refused}));
    assert!(said(&shown).contains("permission mode that was chosen before"), "{shown:?}");
}

#[test]
fn a_mode_this_machine_does_not_allow_any_more_is_not_chosen_again() {
    let left = r#"{"left":{"permission_mode":"bypassPermissions"}}"#;
    let mut machine = Machine::with(|spec| spec.earlier = earlier(&[left]));
    machine.attach();
    let shown = machine.deliver(1, "p1", "hi");
    assert!(!shown.iter().any(|line| line.contains("bypassPermissions")), "{shown:?}");
}

#[test]
fn the_next_life_of_a_bridge_goes_on_with_what_the_last_one_left() {
    let mut machine = Machine::running();
    let mut disk: Vec<String> = Vec::new();
    let mut keep = |shown: Vec<String>| {
        disk.extend(
            only(&shown, "journal ").into_iter().filter(|line| line.contains("left")).map(str::to_owned),
        );
    };
    keep(machine.line(init(NAME, "default")));
    for (uuid, total) in [("r1", 0.5), ("r2", 0.75)] {
        keep(
            machine
                .line(json!({"type": "result", "subtype": "success", "uuid": uuid, "total_cost_usd": total})),
        );
    }
    let lines: Vec<&str> = disk.iter().map(String::as_str).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    let cost_after = |total: f64| {
        let mut next = Machine::with(|spec| spec.earlier = earlier(&lines));
        next.attach();
        assert_eq!(spawned(&next.deliver(9, "p9", "hi")), [NAME]);
        next.line(answered("pc-1"));
        next.line(json!({"type": "result", "subtype": "success", "uuid": "r3", "total_cost_usd": total}));
        next.relay.report.state().total_cost_usd
    };
    assert_eq!(cost_after(1.0), Some(1.0), "an agent that goes on counting");
    assert_eq!(cost_after(0.25), Some(1.0), "an agent that begins at zero");
}

#[test]
fn a_conversation_nobody_can_take_up_is_said_to_be_lost_when_the_next_process_and_when_the_bridge_ends() {
    let forgetful =
        json!({"type": "system", "subtype": "init", "session_id": NAME, "resumable": false, "uuid": "i"});
    let mut machine = Machine::running();
    assert!(machine.relay.can_go_on(), "it had no turn yet");
    let shown = machine.line(forgetful.clone());
    assert!(only(&shown, "journal ").iter().any(|entry| entry.contains(r#""forgets":true"#)), "{shown:?}");
    assert!(!machine.relay.can_go_on());
    end(&mut machine);
    let shown = prompted(&mut machine, 2, "p2");
    assert_eq!(spawned(&shown), [""]);
    assert!(said(&shown).contains("cannot take up its earlier conversation"), "{shown:?}");
    machine.line(forgetful);
    assert!(said(&machine.handle(Input::Shutdown)).contains("the session is archived"));
    assert!(said(&machine.handle(Input::Shutdown)).is_empty(), "said once");
}

#[test]
fn a_session_that_can_be_resumed_or_lost_nothing_goes_on_after_its_bridge() {
    let mut machine = left_behind(NAME, "default");
    assert!(machine.relay.can_go_on());
    assert!(said(&machine.handle(Input::Shutdown)).is_empty());
    let mut machine = Machine::running();
    machine.line(init("-p", "default"));
    assert!(!machine.relay.can_go_on(), "its name is none");
    machine.line(
        json!({"type": "conversation_reset", "new_conversation_id": "n", "session_id": NAME, "uuid": "c"}),
    );
    assert!(machine.relay.can_go_on(), "a cleared conversation is lost to nobody");
}

#[test]
fn what_the_next_life_of_a_bridge_reads_knows_of_a_lost_conversation() {
    let legacy = Legacy { forgets: true, ..Legacy::default() };
    let machine = Machine::with(|spec| spec.earlier.legacy = legacy);
    assert!(!machine.relay.can_go_on());
}
