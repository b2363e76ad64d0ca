//! From the agent's start to a conversation.

use serde_json::json;

use super::{SESSION, Stage, options};
use crate::args::FrontOptions;

#[test]
fn an_agent_is_greeted_with_what_is_offered_and_a_session_is_opened_in_the_directory() {
    let mut stage = Stage::new(options());
    let (_, method, params) = stage.calls[0].clone();
    assert_eq!(method, "initialize");
    assert_eq!(params["protocolVersion"], 1);
    assert_eq!(params["clientCapabilities"]["fs"], json!({"readTextFile": true, "writeTextFile": true}));
    assert_eq!(params["clientCapabilities"]["terminal"], true);
    stage.greeted(json!({}));
    assert_eq!((stage.calls[1].1, &stage.calls[1].2["cwd"]), ("session/new", &json!("/p")));
}

#[test]
fn a_prompt_that_came_early_waits_for_the_session() {
    let mut stage = Stage::new(options());
    stage.prompt("u", "hi");
    assert_eq!(stage.story(), "u queued");
    stage.greeted(json!({}));
    stage.reply("session/new", Ok(json!({"sessionId": SESSION})));
    assert_eq!(stage.story(), "u started\ninit\nreplay u\nstatus");
    assert_eq!(stage.calls.last().unwrap().2["prompt"], json!([{"type": "text", "text": "hi"}]));
}

#[test]
fn a_host_that_asks_who_it_is_hears_of_the_commands_as_well() {
    let mut stage = Stage::new(options());
    assert!(stage.control(json!({"subtype": "initialize"})).is_null());
    stage.greeted(json!({}));
    stage.reply("session/new", Ok(json!({"sessionId": SESSION})));
    assert_eq!(stage.last("control_response"), &json!(null));
    let commands = json!([{"name": "web", "description": "Search", "input": {"hint": "query"}}]);
    stage.update(json!({"sessionUpdate": "available_commands_update", "availableCommands": commands}));
    let known = stage.last("control_response")["response"]["response"].clone();
    assert_eq!(known["commands"], json!([{"name": "web", "description": "Search", "argumentHint": "query"}]));
    assert_eq!(known["agent"]["name"], "test");
}

#[test]
fn a_host_does_not_wait_for_ever_to_hear_who_it_is() {
    let mut stage = Stage::new(options());
    stage.control(json!({"subtype": "initialize"}));
    stage.pass(20_000);
    assert_eq!(stage.last("control_response")["response"]["subtype"], "success");
    assert_eq!(stage.machine.next_deadline_ms(), None);
}

#[test]
fn a_login_that_is_wanted_is_said_and_the_next_prompt_tries_again() {
    let mut stage = Stage::new(options());
    stage.greeted(json!({}));
    stage.fails("session/new", -32000, "Authentication required");
    assert!(stage.last("auth_status")["error"].as_str().unwrap().contains("Login (by browser)"));
    stage.lines.clear();
    stage.prompt("u", "hi");
    assert_eq!(stage.story(), "u queued");
    stage.fails("session/new", -32000, "Authentication required");
    let result = stage.last("result").clone();
    assert_eq!((&result["is_error"], &result["subtype"]), (&json!(true), &json!("success")));
    assert!(result["result"].as_str().unwrap().contains("log in first"), "{result}");
    assert_eq!(stage.last("assistant")["error"], "authentication_failed");
    stage.prompt("v", "hi");
    stage.reply("session/new", Ok(json!({"sessionId": SESSION})));
    assert_eq!(stage.calls.last().unwrap().1, "session/prompt");
}

#[test]
fn another_version_or_another_protocol_is_refused_in_words() {
    for (answer, words) in
        [(json!({"protocolVersion": 2}), "version 2"), (json!("MCP"), "does not speak ACP")]
    {
        let mut stage = Stage::new(options());
        stage.prompt("u", "hi");
        stage.reply("initialize", Ok(answer));
        assert!(stage.last("result")["result"].as_str().unwrap().contains(words));
        stage.prompt("v", "hi");
        assert_eq!(stage.last("command_lifecycle")["command_uuid"], "v");
    }
}

fn resuming(can: serde_json::Value) -> Stage {
    let mut stage = Stage::new(FrontOptions { resume: Some("old".into()), ..options() });
    stage.greeted(can);
    stage
}

#[test]
fn an_earlier_conversation_is_loaded_and_what_is_repeated_of_it_is_not_said_twice() {
    let mut stage = resuming(json!({"loadSession": true}));
    assert_eq!((stage.calls[1].1, &stage.calls[1].2["sessionId"]), ("session/load", &json!("old")));
    let said =
        json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "earlier"}});
    stage.notice("session/update", json!({"sessionId": "old", "update": said}));
    let call = json!({"sessionUpdate": "tool_call", "toolCallId": "1", "title": "x", "status": "completed"});
    stage.notice("session/update", json!({"sessionId": "old", "update": call}));
    stage.reply("session/load", Ok(json!({})));
    assert_eq!(stage.story(), "");
    stage.pass(600);
    stage.notice("session/update", json!({"sessionId": "old", "update": said}));
    assert_eq!(stage.story(), "text: earlier");
    assert_eq!(stage.machine.conversation, "old");
}

#[test]
fn an_agent_that_goes_on_repeating_after_its_answer_is_heard_out_before_the_prompt() {
    let mut stage = resuming(json!({"loadSession": true}));
    stage.prompt("u", "hi");
    stage.reply("session/load", Ok(json!({})));
    let said =
        json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "earlier"}});
    for _ in 0..3 {
        stage.pass(400);
        stage.notice("session/update", json!({"sessionId": "old", "update": said}));
    }
    assert_eq!(stage.story(), "u queued");
    stage.pass(500);
    assert_eq!(stage.calls.last().unwrap().1, "session/prompt");
    let mut stage = resuming(json!({"loadSession": true}));
    stage.prompt("u", "hi");
    stage.reply("session/load", Ok(json!({})));
    for _ in 0..25 {
        stage.pass(400);
        stage.notice("session/update", json!({"sessionId": "old", "update": said}));
    }
    assert_eq!(stage.calls.last().unwrap().1, "session/prompt", "not for ever");
}

#[test]
fn a_conversation_that_can_be_resumed_is_not_loaded() {
    let stage = resuming(json!({"loadSession": true, "sessionCapabilities": {"resume": {}}}));
    assert_eq!(stage.calls[1].1, "session/resume");
}

#[test]
fn a_conversation_that_cannot_be_taken_up_begins_anew_and_says_so() {
    let mut stage = resuming(json!({}));
    assert_eq!(stage.story(), "! This agent cannot take up an earlier conversation: it begins anew.");
    assert_eq!(stage.calls[1].1, "session/new");
    let mut stage = resuming(json!({"loadSession": true}));
    stage.fails("session/load", -32002, "not found");
    assert!(stage.story().contains("did not take up the earlier conversation (not found)"));
    assert_eq!(stage.calls.last().unwrap().1, "session/new");
}

#[test]
fn an_id_that_is_none_here_stays_between_front_and_agent() {
    let mut stage = Stage::new(options());
    stage.greeted(json!({}));
    stage.reply("session/new", Ok(json!({"sessionId": "../x y"})));
    stage.prompt("u", "hi");
    assert_eq!(stage.calls.last().unwrap().2["sessionId"], "../x y");
    assert!(stage.last("system")["session_id"].as_str().unwrap().starts_with("id"));
}

fn modes(current: &str, ids: &[&str]) -> serde_json::Value {
    let all: Vec<_> = ids.iter().map(|id| json!({"id": id, "name": id.to_uppercase()})).collect();
    json!({"modes": {"currentModeId": current, "availableModes": all}})
}

#[test]
fn the_agent_is_brought_into_the_mode_the_session_was_started_in() {
    let planned = FrontOptions { permission_mode: Some("plan".into()), ..options() };
    let mut stage = Stage::open_with(planned, json!({}), modes("default", &["default", "plan"]));
    assert_eq!(stage.calls.last().unwrap().2["modeId"], "plan");
    stage.reply("session/set_mode", Ok(json!({})));
    stage.prompt("u", "hi");
    assert_eq!(stage.lines.iter().find(|line| line["subtype"] == "init").unwrap()["permissionMode"], "plan");
}

#[test]
fn a_lax_mode_the_agent_begins_in_is_said_by_its_name_here() {
    let mut stage = Stage::new(options());
    stage.greeted(json!({}));
    let mut answer = modes("yolo", &["yolo"]);
    answer["sessionId"] = json!(SESSION);
    stage.reply("session/new", Ok(answer));
    assert_eq!(stage.last("system")["permissionMode"], "bypassPermissions");
}

#[test]
fn modes_are_switched_by_their_meaning_and_the_agents_own_are_listed() {
    let mut stage =
        Stage::open_with(options(), json!({}), modes("default", &["default", "autoEdit", "architect"]));
    assert!(stage.control(json!({"subtype": "set_permission_mode", "mode": "acceptEdits"})).is_null());
    assert_eq!(stage.calls.last().unwrap().2["modeId"], "autoEdit");
    stage.reply("session/set_mode", Ok(json!({})));
    assert_eq!(stage.last("control_response")["response"]["response"], json!({"mode": "acceptEdits"}));
    assert_eq!(stage.last("system")["permissionMode"], "acceptEdits");
    let refused = stage.control(json!({"subtype": "set_permission_mode", "mode": "bypassPermissions"}));
    assert_eq!(refused["error_code"], "invalid_mode");
    assert!(refused["error"].as_str().unwrap().contains("ARCHITECT"));
    let known = stage.control(json!({"subtype": "initialize"}));
    assert!(known.is_null());
    stage.pass(2_000);
    let known = stage.last("control_response")["response"]["response"].clone();
    assert_eq!(
        known["agent_modes"][2],
        json!({"id": "architect", "name": "ARCHITECT", "description": "", "permission_mode": null})
    );
    stage.update(json!({"sessionUpdate": "current_mode_update", "currentModeId": "architect"}));
    assert!(stage.story().contains("a mode of its own, “ARCHITECT” (architect)"));
}

#[test]
fn a_mode_only_the_front_has_is_not_ended_by_the_agent() {
    let mut stage = Stage::open_with(options(), json!({}), modes("default", &["default"]));
    stage.control(json!({"subtype": "set_permission_mode", "mode": "dontAsk"}));
    stage.update(json!({"sessionUpdate": "current_mode_update", "currentModeId": "default"}));
    assert_eq!(stage.machine.mode.as_str(), "dontAsk");
    assert_eq!(
        stage.control(json!({"subtype": "set_permission_mode", "mode": "default"}))["subtype"],
        "success"
    );
    assert_eq!(stage.machine.mode.as_str(), "default");
}

#[test]
fn a_model_is_chosen_among_the_agents_own() {
    let options = |current: &str| {
        json!([{"id": "model", "name": "Model", "category": "model", "type": "select", "currentValue": current,
                "options": [{"value": "m1", "name": "One"}, {"value": "m2", "name": "Two"}]}])
    };
    let mut stage = Stage::open_with(super::options(), json!({}), json!({"configOptions": options("m1")}));
    assert_eq!(stage.control(json!({"subtype": "set_model", "model": "m3"}))["subtype"], "error");
    assert!(stage.control(json!({"subtype": "set_model", "model": "m2"})).is_null());
    let (_, method, params) = stage.calls.last().unwrap().clone();
    assert_eq!(
        (method, params["value"].as_str(), params["configId"].as_str()),
        ("session/set_config_option", Some("m2"), Some("model"))
    );
    stage.reply("session/set_config_option", Ok(json!({"configOptions": options("m2")})));
    assert_eq!(stage.last("control_response")["response"]["response"], json!({"model": "m2"}));
    stage.prompt("u", "hi");
    assert_eq!(stage.lines.iter().find(|line| line["subtype"] == "init").unwrap()["model"], "m2");
}
