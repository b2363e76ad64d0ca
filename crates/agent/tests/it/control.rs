//! Control requests: each is answered once, by what the agent really knows.

use serde_json::{Value, json};

use crate::host::Host;

#[tokio::test]
async fn initialize_introduces_the_agent_and_what_waits() {
    let mut host = Host::start();
    let first = host.request(json!({"subtype": "initialize", "hooks": null, "agents": {"helper": {}}})).await;
    let reply = &first["response"];
    assert_eq!(reply["models"][0]["value"], "default");
    assert_eq!(reply["agents"][1]["name"], "helper");
    assert_eq!(reply["commands"][0]["name"], "clear");
    assert_eq!(
        (&reply["current_permission_mode"], &reply["session_state"]),
        (&json!("default"), &json!("idle"))
    );
    assert_eq!(first["pending_permission_requests"], json!([]));
    assert!(reply.get("hooks_applied").is_none());
    let hooked = host.request(json!({"subtype": "initialize", "hooks": {"PreToolUse": []}})).await;
    assert_eq!(hooked["response"]["hooks_applied"], true);

    host.prompt("@bash true").await;
    let request = host.until_permission().await;
    let second = host.request(json!({"subtype": "initialize"})).await;
    assert_eq!(second["pending_permission_requests"], json!([request]));
    assert_eq!(second["response"]["session_state"], "requires_action");
    host.until(|line| line["subtype"] == "background_tasks_changed").await;
    host.answer(&request, json!({"behavior": "deny", "message": "no"})).await;
    host.until_result().await;
}

#[tokio::test]
async fn the_mode_changes_aloud_and_bypass_stays_shut() {
    let mut host = Host::start();
    let set = |mode: &str| json!({"subtype": "set_permission_mode", "mode": mode});
    assert_eq!(host.request(set("acceptEdits")).await["response"], json!({"mode": "acceptEdits"}));
    let status = host.until(|line| line["subtype"] == "status").await;
    assert_eq!((&status["status"], &status["permissionMode"]), (&Value::Null, &json!("acceptEdits")));
    assert_eq!(host.request(set("bypassPermissions")).await["error_code"], "bypass_not_launched");
    assert_eq!(host.request(set("nonsense")).await["error_code"], "invalid_mode");
    host.prompt("@write a.txt x\n@bash true").await;
    let init = host.until(|line| line["subtype"] == "init").await;
    assert_eq!(init["permissionMode"], "acceptEdits");
    assert_eq!(host.until_permission().await["request"]["tool_name"], "Bash");
}

#[tokio::test]
async fn bypass_opens_where_it_was_launched_for() {
    let mut host = Host::start_with(|options| options.bypass_allowed = true);
    let answer = host.request(json!({"subtype": "set_permission_mode", "mode": "bypassPermissions"})).await;
    assert_eq!(answer["response"], json!({"mode": "bypassPermissions"}));
    host.prompt("@bash touch free").await;
    host.until_result().await;
    assert!(host.path("free").exists());
}

#[tokio::test]
async fn a_mode_does_not_answer_what_waits() {
    let mut host = Host::start();
    host.prompt("@write a.txt x").await;
    let request = host.until_permission().await;
    host.request(json!({"subtype": "set_permission_mode", "mode": "acceptEdits"})).await;
    assert!(!host.path("a.txt").exists());
    host.answer(&request, json!({"behavior": "deny", "message": "no"})).await;
    host.until_result().await;
    assert!(!host.path("a.txt").exists());
}

#[tokio::test]
async fn the_model_changes_with_a_notice_and_shows_in_the_next_init() {
    let mut host = Host::start();
    let set = |model: Value| json!({"subtype": "set_model", "model": model});
    assert_eq!(host.request(set(json!("scripted-1"))).await["response"], json!({"model": "scripted-1"}));
    assert_eq!(
        host.all("user", None)[0]["message"]["content"],
        "<local-command-stdout>Set model to `scripted-1`</local-command-stdout>"
    );
    host.prompt("@say hi").await;
    assert_eq!(host.until(|line| line["subtype"] == "init").await["model"], "scripted-1");
    host.until_result().await;
    for reset in [json!("default"), Value::Null] {
        assert_eq!(host.request(set(reset)).await["response"], json!({"model": "scripted"}));
    }
    assert_eq!(host.request(set(json!("a\nb"))).await["subtype"], "error");
    assert_eq!(
        host.request(set(json!("claude-x"))).await["subtype"],
        "error",
        "nobody answers under that name"
    );
}

#[tokio::test]
async fn what_is_unknown_is_refused_at_once() {
    let mut host = Host::start();
    let answer = host.request(json!({"subtype": "no_such_subtype"})).await;
    assert_eq!(answer["error"], "Unsupported control request subtype: no_such_subtype");
    assert_eq!(answer["error_code"], "unsupported_request");
    host.send(json!({"type": "control_request", "request": null})).await;
    let nameless = host.until(|line| line["type"] == "control_response").await;
    assert!(nameless["response"].get("request_id").is_none());
}

#[tokio::test]
async fn tells_files_cost_and_context() {
    let mut host = Host::start();
    host.write_file("src/main.rs", "");
    let files = host.request(json!({"subtype": "file_suggestions", "query": "main"})).await;
    assert_eq!(files["response"]["suggestions"], json!(["src/main.rs"]));
    host.prompt("@say hi").await;
    host.until_result().await;
    let cost = host.request(json!({"subtype": "get_session_cost"})).await;
    assert!(cost["response"]["text"].as_str().unwrap().contains("scripted: 1200 input"));
    let context = host.request(json!({"subtype": "get_context_usage"})).await;
    assert_eq!(context["response"]["totalTokens"], 1201);
    assert_eq!(context["response"]["maxTokens"], 200_000);
}

#[tokio::test(start_paused = true)]
async fn a_request_is_answered_in_the_middle_of_a_stream() {
    let mut host = Host::start();
    host.prompt("@storm 1000000").await;
    host.until_delta().await;
    host.request(json!({"subtype": "get_session_cost"})).await;
    assert!(host.all("result", None).is_empty());
    host.interrupt().await;
    host.until_result().await;
}
