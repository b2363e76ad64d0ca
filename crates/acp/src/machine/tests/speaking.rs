//! Turns: what the agent says and does, and how they end.

use serde_json::{Value, json};

use super::Stage;

fn running() -> Stage {
    let mut stage = Stage::open();
    stage.prompt("u", "hi");
    stage.lines.clear();
    stage
}

fn ends(stage: &mut Stage, reason: &str) {
    stage.reply("session/prompt", Ok(json!({"stopReason": reason})));
}

#[test]
fn chunks_of_one_voice_are_one_block_and_stream_as_they_come() {
    let mut stage = running();
    stage.update(json!({"sessionUpdate": "agent_thought_chunk", "content": {"type": "text", "text": "hm"}}));
    stage.says("Hel");
    stage.says("lo");
    let deltas: Vec<Value> = stage.lines.iter().map(|line| line["event"]["delta"]["text"].clone()).collect();
    assert!(deltas.contains(&json!("Hel")) && deltas.contains(&json!("lo")));
    ends(&mut stage, "end_turn");
    assert_eq!(stage.last("result")["result"], "Hello");
    let before_stop = |lines: &[Value]| {
        let at = |is: &dyn Fn(&Value) -> bool| lines.iter().rposition(is).unwrap();
        at(&|line| line["type"] == "assistant") < at(&|line| line["event"]["type"] == "content_block_stop")
    };
    assert!(before_stop(&stage.lines), "the finished block comes before the end of its stream");
    assert_eq!(stage.story(), "thinking: hm\ntext: Hello\nsuccess completed\nu completed");
}

#[test]
fn an_edit_is_drawn_with_its_diff_and_its_result() {
    let mut stage = running();
    stage.says("I edit.");
    stage.update(json!({"sessionUpdate": "tool_call", "toolCallId": "1", "title": "Edit", "kind": "edit", "status": "pending"}));
    assert_eq!(stage.story(), "text: I edit.", "a call that says nothing yet waits");
    let diff = json!({"type": "diff", "path": "/p/a", "oldText": "a\n", "newText": "b\n"});
    stage.update(json!({"sessionUpdate": "tool_call_update", "toolCallId": "1", "content": [diff]}));
    assert_eq!(stage.story(), r#"Edit {"file_path":"/p/a","old_string":"a\n","new_string":"b\n"}"#);
    stage.update(json!({"sessionUpdate": "tool_call_update", "toolCallId": "1", "status": "completed"}));
    let patch = &stage.last("user")["tool_use_result"]["structuredPatch"][0];
    assert_eq!(patch["lines"], json!(["-a", "+b"]));
    assert_eq!(stage.story(), "result /p/a was changed.");
    stage.update(json!({"sessionUpdate": "tool_call_update", "toolCallId": "1", "status": "failed"}));
    ends(&mut stage, "end_turn");
    assert_eq!(stage.story(), "success completed\nu completed", "what is over is not told twice");
}

#[test]
fn a_call_that_was_only_named_is_told_before_what_comes_after_it() {
    let mut stage = running();
    stage.update(json!({"sessionUpdate": "tool_call", "toolCallId": "1", "title": "Look", "kind": "think"}));
    stage.says("then");
    ends(&mut stage, "end_turn");
    assert_eq!(
        stage.story(),
        "Think {\"title\":\"Look\"}\ntext: then\nresult \nsuccess completed\nu completed"
    );
}

#[test]
fn a_terminals_output_is_the_commands_result() {
    let mut stage = running();
    let content = json!([{"type": "terminal", "terminalId": "term"}]);
    stage.update(json!({"sessionUpdate": "tool_call", "toolCallId": "1", "title": "run", "kind": "execute",
                        "status": "in_progress", "rawInput": {"command": "make"}, "content": content}));
    stage.update(json!({"sessionUpdate": "tool_call_update", "toolCallId": "1", "status": "completed"}));
    assert_eq!(
        stage.story(),
        "Bash {\"command\":\"make\",\"description\":\"run\"}\nresult Exit code 2\n[The beginning was left out.]\nout\n"
    );
}

#[test]
fn a_plan_is_a_list_of_things_to_do_and_is_told_when_it_changed() {
    let mut stage = running();
    let plan = |status: &str| json!({"sessionUpdate": "plan", "entries": [{"content": "a", "priority": "high", "status": status}]});
    stage.update(plan("pending"));
    stage.update(plan("pending"));
    stage.update(plan("in_progress"));
    let todos: Vec<_> = stage.lines.iter().filter(|line| line["type"] == "assistant").collect();
    assert_eq!(todos.len(), 2);
    assert_eq!(todos[1]["message"]["content"][0]["input"]["todos"][0]["status"], "in_progress");
    assert_eq!(stage.last("user")["tool_use_result"]["oldTodos"][0]["status"], "pending");
}

#[test]
fn every_stop_reason_is_told_apart() {
    for (reason, story) in [
        ("end_turn", "success completed"),
        ("max_tokens", "success completed"),
        ("refusal", "success completed"),
        ("max_turn_requests", "error_max_turns max_turns"),
        ("cancelled", "error_during_execution aborted_streaming"),
        ("a_new_one", "error_during_execution completed"),
    ] {
        let mut stage = running();
        ends(&mut stage, reason);
        assert!(stage.story().starts_with(story), "{reason}");
    }
}

#[test]
fn a_turn_that_fails_says_why_and_the_next_one_runs() {
    let mut stage = running();
    stage.fails("session/prompt", -32603, "boom");
    assert_eq!(stage.story(), "text: The agent failed: boom\nsuccess api_error\nu completed");
    stage.prompt("v", "again");
    assert_eq!(stage.calls.last().unwrap().1, "session/prompt");
}

#[test]
fn an_interrupt_keeps_its_order() {
    let mut stage = running();
    stage.says("half");
    let answer = stage.control(json!({"subtype": "interrupt"}));
    assert_eq!(answer["response"], json!({"still_queued": []}));
    assert_eq!(stage.calls.last().unwrap().1, "session/cancel");
    stage.control(json!({"subtype": "interrupt"}));
    assert_eq!(stage.calls.iter().filter(|(_, method, _)| *method == "session/cancel").count(), 1);
    ends(&mut stage, "cancelled");
    assert_eq!(
        stage.story(),
        "control_response\ncontrol_response\ntext: half (aborted)\n[Request interrupted by user]\n\
         error_during_execution aborted_streaming\nu cancelled"
    );
}

#[test]
fn an_agent_that_does_not_stop_loses_its_turn() {
    let mut stage = running();
    stage.control(json!({"subtype": "interrupt"}));
    stage.pass(9_999);
    assert_eq!(stage.last("result"), &Value::Null);
    stage.pass(1);
    assert_eq!(stage.last("result")["terminal_reason"], "aborted_streaming");
    stage.lines.clear();
    ends(&mut stage, "end_turn");
    assert_eq!(stage.story(), "", "its late end is nobody's");
}

#[test]
fn prompts_wait_and_run_one_by_one() {
    let mut stage = running();
    stage.prompt("v", "2");
    stage.prompt("w", "3");
    stage.prompt("v", "2");
    assert_eq!(stage.story(), "v queued\nw queued\nreplay v");
    assert_eq!(
        stage.control(json!({"subtype": "cancel_async_message", "message_uuid": "w"}))["response"]["cancelled"],
        true
    );
    ends(&mut stage, "end_turn");
    assert!(stage.story().ends_with("success completed\nu completed\nv started\ninit\nreplay v\nstatus"));
    stage.prompt("x", "4");
    let answer = stage.control(json!({"subtype": "interrupt", "cancel_queued": true}));
    assert_eq!(answer["response"], json!({"still_queued": [], "cancelled": ["x"]}));
}

#[test]
fn an_urgent_prompt_ends_what_runs() {
    let mut stage = running();
    stage.prompt("v", "later");
    stage.host(json!({"type": "user", "uuid": "n", "priority": "now", "message": {"role": "user", "content": "now"}}));
    assert_eq!(stage.calls.last().unwrap().1, "session/cancel");
    ends(&mut stage, "cancelled");
    let story = stage.story();
    assert!(story.contains("success aborted_streaming\nu completed\nn started"), "{story}");
}

#[test]
fn what_wants_no_answer_goes_with_the_next_prompt() {
    let mut stage = Stage::open();
    stage.host(json!({"type": "user", "uuid": "a", "shouldQuery": false, "message": {"role": "user", "content": "note"}}));
    assert_eq!(stage.story(), "a queued\na started\ninit\nreplay a\nsuccess completed\na completed");
    stage.prompt("b", "go");
    assert_eq!(
        stage.calls.last().unwrap().2["prompt"],
        json!([{"type": "text", "text": "note"}, {"type": "text", "text": "go"}])
    );
}

#[test]
fn cost_and_tokens_are_running_totals() {
    let mut stage = running();
    stage.update(json!({"sessionUpdate": "usage_update", "used": 10, "size": 1000, "cost": {"amount": 0.5, "currency": "USD"}}));
    let usage = json!({"inputTokens": 3, "outputTokens": 4, "totalTokens": 7});
    stage.reply("session/prompt", Ok(json!({"stopReason": "end_turn", "usage": usage})));
    let result = stage.last("result").clone();
    assert_eq!((&result["total_cost_usd"], &result["usage"]["output_tokens"]), (&json!(0.5), &json!(4)));
    assert_eq!(result["modelUsage"]["test"]["contextWindow"], 1000);
    stage.prompt("v", "2");
    stage.reply("session/prompt", Ok(json!({"stopReason": "end_turn", "usage": usage})));
    assert_eq!(stage.last("result")["modelUsage"]["test"]["inputTokens"], 6);
}

#[test]
fn an_agent_that_dies_fails_its_turn_and_ends_the_front() {
    let mut stage = running();
    stage.says("half");
    stage.agent_dies("the agent is gone (exit code 1): boom");
    assert_eq!(stage.story(), "text: half\nerror_during_execution model_error\nu completed");
    assert_eq!(stage.end, Some((1, Some("the agent is gone (exit code 1): boom".into()))));
}

#[test]
fn a_host_that_leaves_lets_the_turn_end() {
    let mut stage = running();
    stage.host_leaves();
    assert_eq!(stage.end, None);
    ends(&mut stage, "end_turn");
    assert_eq!(stage.end, Some((0, None)));
    let mut idle = Stage::open();
    idle.host_leaves();
    assert_eq!(idle.end, Some((0, None)));
}

#[test]
fn a_title_is_told_and_what_nobody_knows_is_kept() {
    let mut stage = running();
    stage.update(json!({"sessionUpdate": "session_info_update", "title": "Fix it"}));
    assert_eq!(stage.last("system")["title"], "Fix it");
    stage.update(json!({"sessionUpdate": "hologram", "depth": 3}));
    assert_eq!(stage.last("system")["update"]["depth"], 3);
    stage.notice("_vendor/thing", json!({"x": 1}));
    assert_eq!(stage.last("system")["params"], json!({"x": 1}));
    assert_eq!(stage.control(json!({"subtype": "mcp_status"}))["error_code"], "unsupported_request");
}
