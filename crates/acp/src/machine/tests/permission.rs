//! What the agent may do.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{SESSION, Stage, command, options};
use crate::args::FrontOptions;
use crate::machine::{AskId, Asked};
use crate::serve::Job;

fn stage_in(mode: &str) -> Stage {
    let options = FrontOptions { permission_mode: Some(mode.into()), ..options() };
    let mut stage = Stage::open_with(options, json!({}), json!({}));
    stage.prompt("u", "hi");
    stage.lines.clear();
    stage
}

const ALL: [(&str, &str); 4] =
    [("yes", "allow_once"), ("always", "allow_always"), ("no", "reject_once"), ("never", "reject_always")];

fn asked(kind: &str, options: &[(&str, &str)]) -> Asked {
    let call = json!({"toolCallId": "1", "title": "Do it", "kind": kind, "rawInput": {"command": "make", "file_path": "/p/a"}});
    asked_for(&call, options)
}

fn asked_for(call: &Value, options: &[(&str, &str)]) -> Asked {
    let options: Vec<Value> = options
        .iter()
        .map(|(id, kind)| json!({"optionId": id, "name": id.to_uppercase(), "kind": kind}))
        .collect();
    Asked::Permission(json!({"sessionId": SESSION, "toolCall": call, "options": options}))
}

fn decide(stage: &mut Stage, payload: Value) {
    let id = stage.last("control_request")["request_id"].clone();
    let response = json!({"subtype": "success", "request_id": id, "response": payload});
    stage.host(json!({"type": "control_response", "response": response}));
}

fn chosen(stage: &Stage, ask: AskId) -> Value {
    let (_, answer) = stage.answers.iter().find(|(answered, _)| *answered == ask).expect("it is answered");
    answer.as_ref().unwrap()["outcome"].clone()
}

#[test]
fn every_option_is_a_choice_of_its_own() {
    for (id, kind) in ALL {
        let mut stage = stage_in("default");
        let ask = stage.asks(asked("execute", &ALL));
        let request = stage.last("control_request")["request"].clone();
        assert_eq!((&request["tool_name"], &request["input"]["command"]), (&json!("Bash"), &json!("make")));
        assert_eq!(
            request["permission_options"][1],
            json!({"option_id": "always", "name": "ALWAYS", "kind": "allow_always"})
        );
        let behavior = if kind.starts_with("allow") { "allow" } else { "deny" };
        decide(&mut stage, json!({"behavior": behavior, "option_id": id, "updatedInput": {}}));
        assert_eq!(chosen(&stage, ask), json!({"outcome": "selected", "optionId": id}));
    }
}

#[test]
fn an_answer_that_says_two_things_is_a_no() {
    for payload in [
        json!({"behavior": "allow", "option_id": "no"}),
        json!({"behavior": "allow", "option_id": "unknown"}),
        json!({"behavior": "maybe", "option_id": "yes"}),
        json!({}),
    ] {
        let mut stage = stage_in("default");
        let ask = stage.asks(asked("execute", &ALL));
        decide(&mut stage, payload.clone());
        assert_eq!(chosen(&stage, ask)["optionId"], "no", "{payload}");
    }
    let mut stage = stage_in("default");
    let ask = stage.asks(asked("execute", &ALL[..2]));
    decide(&mut stage, json!({"behavior": "deny", "message": "no"}));
    assert_eq!(chosen(&stage, ask), json!({"outcome": "cancelled"}), "no option says no");
}

#[test]
fn a_plain_yes_never_lasts() {
    let mut stage = stage_in("default");
    let ask = stage.asks(asked("execute", &ALL));
    decide(&mut stage, json!({"behavior": "allow", "updatedInput": {}}));
    assert_eq!(chosen(&stage, ask)["optionId"], "yes");
    let mut stage = stage_in("default");
    let ask = stage.asks(asked("execute", &ALL[1..]));
    decide(&mut stage, json!({"behavior": "allow", "updatedInput": {}}));
    assert_eq!(chosen(&stage, ask)["optionId"], "no");
}

#[test]
fn a_diff_is_shown_to_whoever_decides() {
    let mut stage = stage_in("default");
    let diff = json!({"type": "diff", "path": "/p/a", "oldText": null, "newText": "x"});
    let call = json!({"toolCallId": "1", "title": "Write a", "kind": "edit", "content": [diff], "rawInput": {"mode": "0755"}});
    stage.asks(asked_for(&call, &ALL));
    let request = &stage.last("control_request")["request"];
    assert_eq!(request["tool_name"], "Write");
    assert_eq!(request["input"], json!({"mode": "0755", "file_path": "/p/a", "content": "x"}));
    assert_eq!(request["description"], "Write a");
}

#[test]
fn an_interrupt_withdraws_what_waits_before_it_is_answered() {
    let mut stage = stage_in("default");
    let ask = stage.asks(asked("execute", &ALL));
    stage.lines.clear();
    stage.control(json!({"subtype": "interrupt"}));
    assert_eq!(chosen(&stage, ask), json!({"outcome": "cancelled"}));
    let late = stage.asks(asked("execute", &ALL));
    assert_eq!(chosen(&stage, late), json!({"outcome": "cancelled"}), "nobody is asked in a turn that ends");
    stage.reply("session/prompt", Ok(json!({"stopReason": "cancelled"})));
    assert_eq!(
        stage.story(),
        "withdrawn\ncontrol_response\nresult error The call was refused.\n\
         [Request interrupted by user for tool use]\nerror_during_execution aborted_tools\nu cancelled"
    );
}

#[test]
fn what_was_refused_is_told_as_refused() {
    let mut stage = stage_in("default");
    stage.asks(asked("execute", &ALL));
    decide(&mut stage, json!({"behavior": "deny", "message": "no"}));
    stage.update(json!({"sessionUpdate": "tool_call_update", "toolCallId": "1", "status": "failed"}));
    assert_eq!(stage.last("user")["tool_result_meta"][0]["non_execution_kind"], "user-rejected");
    stage.reply("session/prompt", Ok(json!({"stopReason": "end_turn"})));
    assert_eq!(stage.last("result")["permission_denials"][0]["tool_use_id"], "1");
}

fn write() -> Job {
    Job::Write { path: PathBuf::from("/p/a"), content: "x".into() }
}

#[test]
fn a_file_is_written_once_a_person_allowed_it() {
    let mut stage = stage_in("default");
    stage.wants(write());
    assert!(stage.served.is_empty());
    assert_eq!(stage.story(), "Write {\"file_path\":\"/p/a\",\"content\":\"x\"}\nasks Write");
    stage.wants(command("make"));
    decide(&mut stage, json!({"behavior": "deny", "message": "not now"}));
    assert_eq!(stage.answers.last().unwrap().1, Err("not now".into()));
    assert!(stage.served.is_empty());
}

#[test]
fn what_was_allowed_is_carried_out_as_it_was_shown() {
    let mut stage = stage_in("default");
    stage.wants(write());
    decide(
        &mut stage,
        json!({"behavior": "allow", "updatedInput": {"file_path": "/p/a", "content": "evil"}}),
    );
    assert_eq!(stage.served, [write()]);
}

#[test]
fn a_call_that_a_person_allowed_needs_no_second_word_for_what_it_said() {
    let mut stage = stage_in("default");
    stage.asks(asked("execute", &ALL));
    decide(&mut stage, json!({"behavior": "allow", "updatedInput": {}}));
    stage.wants(command("make"));
    stage.wants(write());
    assert_eq!(stage.served, [command("make")], "the path stands in a call that runs a command");
    stage.wants(command("make install"));
    assert_eq!(stage.served.len(), 1, "another command is another question");
    stage.update(json!({"sessionUpdate": "tool_call_update", "toolCallId": "1", "status": "completed"}));
    stage.wants(command("make"));
    assert_eq!(stage.served.len(), 1, "a call that is over allows nothing");
}

#[test]
fn a_variable_that_nobody_saw_is_another_question_unless_it_only_says_who_runs() {
    for (name, value, ran) in
        [("CLAUDECODE", "1", true), ("CLAUDECODE", "x", false), ("MAKEFLAGS", "--eval=$(shell id)", false)]
    {
        let mut stage = stage_in("default");
        stage.asks(asked("execute", &ALL));
        decide(&mut stage, json!({"behavior": "allow", "updatedInput": {}}));
        let Job::Create(mut line) = command("make") else { unreachable!("a command") };
        line.env.push((name.to_owned(), value.to_owned()));
        stage.wants(Job::Create(line));
        assert_eq!(stage.served.len(), usize::from(ran), "{name}={value}");
    }
}

#[test]
fn an_allowed_edit_may_write_its_own_file() {
    let mut stage = stage_in("default");
    stage.asks(asked("edit", &ALL));
    decide(&mut stage, json!({"behavior": "allow", "option_id": "yes", "updatedInput": {}}));
    stage.wants(write());
    stage.wants(Job::Write { path: PathBuf::from("/p/b"), content: "x".into() });
    assert_eq!(stage.served, [write()]);
}

#[test]
fn a_mode_that_refuses_or_accepts_does_so_without_a_question() {
    for (mode, written, ran) in
        [("plan", false, false), ("dontAsk", false, false), ("acceptEdits", true, false)]
    {
        let mut stage = stage_in(mode);
        stage.wants(write());
        assert_eq!(stage.served.len() == 1, written, "{mode}");
        stage.wants(command("make"));
        assert_eq!(stage.served.len() == 2, ran, "{mode}");
        let asks = stage.lines.iter().filter(|line| line["type"] == "control_request").count();
        assert_eq!(asks, usize::from(mode == "acceptEdits"), "{mode}");
    }
    for (mode, kind, asks) in [("plan", "edit", 0), ("plan", "read", 1), ("dontAsk", "read", 0)] {
        let mut stage = stage_in(mode);
        stage.asks(asked(kind, &ALL));
        let asked = stage.lines.iter().filter(|line| line["type"] == "control_request").count();
        assert_eq!(asked, asks, "{mode} {kind}");
    }
}

#[test]
fn reading_is_no_question_and_another_session_is_none_of_ours() {
    let mut stage = stage_in("plan");
    let read = Job::Read { path: PathBuf::from("/p/a"), line: None, limit: None, or_empty: false };
    stage.wants(read.clone());
    assert_eq!(stage.served, std::slice::from_ref(&read));
    stage.asks(Asked::Job(crate::serve::Prepared { session_id: "other".into(), job: read }));
    assert!(stage.answers.last().unwrap().1.is_err());
    assert_eq!(stage.served.len(), 1);
}

#[test]
fn a_file_that_is_not_there_is_empty_to_an_agent_that_could_make_none_otherwise() {
    for (name, empty) in [("gemini-cli", true), ("test", false)] {
        let mut stage = Stage::new(options());
        stage.greeted_by(name, json!({}));
        stage.reply("session/new", Ok(json!({"sessionId": SESSION})));
        let read = |or_empty| Job::Read { path: PathBuf::from("/p/a"), line: None, limit: None, or_empty };
        stage.wants(read(false));
        assert_eq!(stage.served, [read(empty)], "{name}");
    }
}

#[test]
fn what_an_agent_says_in_words_alone_is_shown_to_whoever_decides() {
    let mut stage = stage_in("default");
    let text = json!({"type": "content", "content": {"type": "text", "text": "in /p (as told)"}});
    let call = json!({"toolCallId": "1", "title": "make", "kind": "execute", "content": [text]});
    stage.asks(asked_for(&call, &ALL));
    let input = &stage.last("control_request")["request"]["input"];
    assert_eq!(input, &json!({"title": "make", "details": "in /p (as told)"}));
}

#[test]
fn a_question_after_the_host_left_is_answered_by_nobody() {
    let mut stage = stage_in("default");
    let waits = stage.asks(asked("execute", &ALL));
    stage.host_leaves();
    assert_eq!(chosen(&stage, waits), json!({"outcome": "cancelled"}));
    let late = stage.asks(asked("execute", &ALL));
    assert_eq!(chosen(&stage, late), json!({"outcome": "cancelled"}));
}
