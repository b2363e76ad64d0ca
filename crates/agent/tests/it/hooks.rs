//! Hooks: the host's callbacks at the moments of a conversation, and what their answers do.

use serde_json::{Value, json};

use crate::host::{Host, kind};

async fn with_hooks(hooks: Value) -> Host {
    let mut host = Host::start();
    host.request(json!({"subtype": "initialize", "hooks": hooks})).await;
    host
}

async fn callback(host: &mut Host) -> Value {
    host.until(|line| line["request"]["subtype"] == "hook_callback").await
}

/// Waits for the next callback and answers it.
async fn hear(host: &mut Host, answer: Value) -> Value {
    let request = callback(host).await;
    host.answer(&request, answer).await;
    request["request"]["input"].clone()
}

fn before(decision: &str) -> Value {
    json!({"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": decision, "permissionDecisionReason": "said the hook"}})
}

fn on_bash() -> Value {
    json!({"PreToolUse": [{"matcher": "Bash", "hookCallbackIds": ["h"]}]})
}

#[tokio::test]
async fn every_moment_tells_what_it_is_about_in_the_recorded_order() {
    let all = json!({
        "PreToolUse": [{"matcher": "Bash", "hookCallbackIds": ["hook_0"]}],
        "PostToolUse": [{"matcher": null, "hookCallbackIds": ["hook_1"]}],
        "UserPromptSubmit": [{"hookCallbackIds": ["hook_2"]}],
        "Stop": [{"hookCallbackIds": ["hook_3"]}],
    });
    let mut host = with_hooks(all).await;
    host.prompt_as("p", "@bash echo hi\n@say After.").await;
    let submitted = hear(&mut host, json!({})).await;
    assert!(
        host.all("system", Some("init")).is_empty(),
        "the turn is announced once the prompt is let through"
    );
    let asked = hear(&mut host, before("ask")).await;
    let request = host.allow_next().await;
    let ran = hear(&mut host, json!({})).await;
    let stopped = hear(&mut host, json!({})).await;
    host.until_result().await;
    host.finish().await.unwrap();

    assert_eq!(
        (&submitted["prompt"], &submitted["prompt_id"]),
        (&json!("@bash echo hi\n@say After."), &json!("p"))
    );
    assert_eq!(
        (&asked["tool_input"], &asked["permission_mode"]),
        (&json!({"command": "echo hi", "description": "echo hi"}), &json!("default"))
    );
    assert_eq!(
        json!([request["request"]["decision_reason"], request["request"]["decision_reason_type"]]),
        json!(["said the hook", "hook"])
    );
    assert_eq!(ran["tool_response"]["stdout"], "hi");
    assert_eq!(
        (&stopped["last_assistant_message"], &stopped["stop_hook_active"]),
        (&json!("After."), &json!(false))
    );
    let kinds: Vec<String> = host.seen.iter().map(kind).filter(|kind| !kind.starts_with("delta")).collect();
    let order = kinds.join(" ").replace("control_request control_response", "asked");
    assert!(order.contains("lifecycle:started asked system:init"), "{order}");
    assert!(order.contains("asked user:tool_result"), "{order}");
    assert!(order.contains("message_stop asked result:success"), "{order}");
}

#[tokio::test]
async fn a_hook_denies_changes_and_allows_a_call() {
    let mut host = with_hooks(on_bash()).await;
    host.prompt("@bash touch a\n@bash touch b\n@bash touch c").await;
    hear(&mut host, before("deny")).await;
    let mut changed = before("allow");
    changed["hookSpecificOutput"]["updatedInput"] = json!({"command": "touch d"});
    hear(&mut host, changed).await;
    hear(&mut host, before("allow")).await;
    let result = host.until_result().await;
    let there: Vec<bool> = ["a", "b", "c", "d"].map(|name| host.path(name).exists()).to_vec();
    assert_eq!(there, [false, false, true, true]);
    assert_eq!(result["permission_denials"][0]["tool_input"]["command"], "touch a");
    assert!(
        host.all("control_request", None).iter().all(|line| line["request"]["subtype"] == "hook_callback")
    );
}

#[tokio::test]
async fn a_deny_rule_holds_whatever_a_hook_says() {
    let flags = ["--disallowedTools=Bash(touch:*)".to_owned()];
    let mut host = Host::start_with_flags(&flags, |_| {});
    host.request(json!({"subtype": "initialize", "hooks": on_bash()})).await;
    host.prompt("@bash touch a").await;
    hear(&mut host, before("allow")).await;
    host.until_result().await;
    assert!(!host.path("a").exists());
}

#[tokio::test]
async fn a_hook_stops_the_turn() {
    let mut host = with_hooks(on_bash()).await;
    host.prompt("@bash touch a\n@say never said").await;
    hear(&mut host, json!({"continue": false, "stopReason": "enough"})).await;
    let result = host.until_result().await;
    assert_eq!((&result["terminal_reason"], &result["result"]), (&json!("hook_stopped"), &json!("enough")));
    assert!(!host.path("a").exists() && host.texts().is_empty());
}

#[tokio::test]
async fn an_interrupt_withdraws_a_callback_and_nothing_ran() {
    let mut host = with_hooks(on_bash()).await;
    host.prompt("@bash touch a").await;
    let request = callback(&mut host).await;
    host.interrupt().await;
    host.until_result().await;
    assert_eq!(host.all("control_cancel_request", None)[0]["request_id"], request["request_id"]);
    host.answer(&request, before("allow")).await;
    host.prompt("@say after").await;
    host.until_result().await;
    assert!(!host.path("a").exists());
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_never_answers_is_withdrawn_and_passed_over_or_counts_as_a_no() {
    let hooks = json!({"PreToolUse": [
        {"matcher": "Write", "hookCallbackIds": ["slow"], "timeout": 5},
        {"matcher": "Edit", "hookCallbackIds": ["strict"], "timeout": 5, "onFailure": "block"},
    ]});
    let mut host = with_hooks(hooks).await;
    host.prompt("@write a.txt one\n@edit a.txt one => two").await;
    callback(&mut host).await;
    host.until(|line| line["type"] == "control_cancel_request").await;
    host.allow_next().await;
    callback(&mut host).await;
    host.until_result().await;
    assert_eq!(host.all("control_cancel_request", None).len(), 2);
    assert_eq!(host.read_file("a.txt"), "one");
}

#[tokio::test]
async fn the_end_of_the_input_fails_what_waits() {
    let mut host = with_hooks(on_bash()).await;
    host.prompt("@bash touch a").await;
    callback(&mut host).await;
    host.finish().await.unwrap();
    assert!(!host.path("a").exists(), "a hook that fails is passed over, and nobody is left to permit");
}

#[tokio::test]
async fn what_a_hook_adds_reaches_the_model_and_not_the_person() {
    let api = portcullis_testkit::MessagesApi::start().await.unwrap();
    let endpoint = portcullis_agent::Endpoint::new(&api.base_url()).unwrap();
    let mut host = Host::start_with(|options| {
        options.endpoint = Some(endpoint);
        options.model = "m".to_owned();
    });
    let hooks = json!({"UserPromptSubmit": [{"hookCallbackIds": ["h"]}], "SessionStart": [{"hookCallbackIds": ["s"]}],
                       "PostToolUse": [{"hookCallbackIds": ["t"]}]});
    host.request(json!({"subtype": "initialize", "hooks": hooks})).await;
    host.prompt("hello").await;
    let started = hear(&mut host, json!({"hookSpecificOutput": {"hookEventName": "SessionStart", "additionalContext": "It is Monday."}})).await;
    hear(
        &mut host,
        json!({"hookSpecificOutput": {"hookEventName": "UserPromptSubmit", "additionalContext": "Be kind."}}),
    )
    .await;
    host.until_result().await;
    assert_eq!(started["source"], "startup");
    assert_eq!(api.requests()[0].last_text(), "hello\nIt is Monday.\nBe kind.");

    api.then(portcullis_testkit::Reply::new().tool("TodoWrite", json!({"todos": []})));
    host.prompt("again").await;
    hear(&mut host, json!({})).await;
    hear(&mut host, json!({"decision": "block", "reason": "That list is empty."})).await;
    host.until_result().await;
    let asked = api.requests();
    assert_eq!(asked[2].tool_results().len(), 1);
    assert_eq!(asked[2].last_text(), "That list is empty.");
    let shown = host.all("user", None).into_iter().filter(|line| line["isReplay"] == true);
    assert!(shown.into_iter().all(|line| !line.to_string().contains("Be kind.")));
}
