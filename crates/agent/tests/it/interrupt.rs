//! Stopping: in order, completely, and without harm to what comes after.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::host::{Host, kind};

/// The kinds of all lines from the first that matches.
fn from(host: &Host, first: &str) -> String {
    let kinds = host.kinds();
    let start = kinds.iter().position(|kind| kind == first).unwrap();
    kinds[start..].join(" ")
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_cut_with_its_text_kept() {
    let mut host = Host::start();
    host.prompt("@storm 1000 100").await;
    host.until_delta().await;
    host.until_delta().await;
    let receipt = host.interrupt().await;
    let result = host.until_result().await;
    host.until_lifecycle("cancelled").await;

    assert_eq!(receipt["response"], json!({"still_queued": []}));
    assert_eq!(
        from(&host, "control_response"),
        "control_response assistant:text! user:text content_block_stop message_delta message_stop \
         result:error_during_execution lifecycle:cancelled"
    );
    assert_eq!(host.texts(), ["1 2 "]);
    let stop = host.seen.iter().find(|line| line["event"]["type"] == "message_stop").unwrap();
    assert_eq!(stop["abandoned_blocks"]["from_block_index"], 1);
    assert_eq!(
        json!([result["is_error"], result["terminal_reason"], result["num_turns"], result["stop_reason"]]),
        json!([true, "aborted_streaming", 2, null])
    );
    assert!(result.get("result").is_none());

    host.prompt("@say After.").await;
    assert_eq!(host.until_result().await["subtype"], "success");
    assert_eq!(host.finish().await.unwrap().exit_code(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_pause_before_the_first_word_is_cut_too() {
    let mut host = Host::start();
    host.prompt("@sleep 3600000").await;
    host.until(|line| line["status"] == "requesting").await;
    host.interrupt().await;
    let result = host.until_result().await;
    assert_eq!(result["terminal_reason"], "aborted_streaming");
    assert_eq!(host.finish().await.unwrap().exit_code(), 1);
}

#[tokio::test]
async fn pending_requests_are_withdrawn_before_the_receipt() {
    let mut host = Host::start();
    host.prompt("@parallel\n  @tool A {}\n  @tool B {}\n  @bash touch c").await;
    let first = host.until_permission().await;
    let second = host.until_permission().await;
    host.interrupt().await;
    let result = host.until_result().await;
    host.until_lifecycle("cancelled").await;

    assert_eq!(
        from(&host, "control_cancel_request"),
        "control_cancel_request control_cancel_request control_response user:tool_result user:tool_result \
         user:tool_result user:text result:error_during_execution lifecycle:cancelled"
    );
    let cancelled: Vec<&Value> =
        host.all("control_cancel_request", None).into_iter().map(|line| &line["request_id"]).collect();
    assert_eq!(cancelled, [&first["request_id"], &second["request_id"]]);
    let rejected = host.seen.iter().find(|line| kind(line) == "user:tool_result").unwrap();
    assert_eq!(rejected["tool_use_result"], "User rejected tool use");
    assert_eq!(rejected["tool_result_meta"][0]["non_execution_kind"], "user-rejected");
    let marker = host.seen.iter().find(|line| kind(line) == "user:text").unwrap();
    assert_eq!(marker["message"]["content"][0]["text"], "[Request interrupted by user for tool use]");
    assert_eq!(
        (&result["terminal_reason"], &result["stop_reason"]),
        (&json!("aborted_tools"), &json!("tool_use"))
    );
    assert_eq!(result["permission_denials"].as_array().unwrap().len(), 2);

    host.answer(&first, json!({"behavior": "allow", "updatedInput": {}})).await;
    host.prompt("@say After.").await;
    assert_eq!(host.until_result().await["result"], "After.");
}

#[tokio::test]
async fn a_running_command_dies_with_all_it_started() {
    let mut host = Host::start();
    host.prompt("@bash trap '' TERM; sleep 300 & echo $! > pid; echo $$ > shell; wait").await;
    host.allow_next().await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while fs::read_to_string(host.path("shell")).map_or(true, |text| !text.ends_with('\n')) {
        assert!(Instant::now() < deadline, "the command never started");
        tokio::task::yield_now().await;
    }
    host.interrupt().await;
    let result = host.until_result().await;
    assert_eq!(result["terminal_reason"], "aborted_tools");
    assert_eq!(result["permission_denials"], json!([]));
    for file in ["pid", "shell"] {
        let status = format!("/proc/{}/stat", host.read_file(file).trim());
        while fs::read_to_string(&status).is_ok_and(|text| !text.contains(") Z ")) {
            assert!(Instant::now() < deadline, "{file} is still there");
            tokio::task::yield_now().await;
        }
    }
    host.prompt("@say After.").await;
    assert_eq!(host.until_result().await["result"], "After.");
}

#[tokio::test]
async fn an_agent_that_ends_takes_its_commands_with_it() {
    let mut host = Host::start();
    host.prompt("@bash echo $$ > shell; sleep 300").await;
    host.allow_next().await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while fs::read_to_string(host.path("shell")).map_or(true, |text| !text.ends_with('\n')) {
        assert!(Instant::now() < deadline, "the command never started");
        tokio::task::yield_now().await;
    }
    host.send_raw("garbage\n").await;
    host.finish().await.unwrap_err();
    let status = format!("/proc/{}/stat", host.read_file("shell").trim());
    while fs::read_to_string(&status).is_ok_and(|text| !text.contains(") Z ")) {
        assert!(Instant::now() < deadline, "the command is still there");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_command_is_a_task_and_its_end_is_told_before_its_result() {
    let mut host = Host::start();
    host.prompt("@bash sleep 300").await;
    host.allow_next().await;
    let started = host.until(|line| line["subtype"] == "task_started").await;
    assert_eq!(started["task_type"], "local_bash");
    host.interrupt().await;
    host.until_result().await;
    let told = from(&host, "system:task_started");
    assert!(
        told.starts_with(
            "system:task_started control_response system:task_notification user:tool_result user:text result"
        ),
        "{told}"
    );
    assert_eq!(host.all("system", Some("task_notification"))[0]["status"], "stopped");
}

#[tokio::test]
async fn an_idle_agent_takes_an_interrupt_calmly() {
    let mut host = Host::start();
    assert_eq!(host.interrupt().await["response"], json!({"still_queued": []}));
    host.prompt("@say Still there.").await;
    assert_eq!(host.until_result().await["result"], "Still there.");
}

#[tokio::test(start_paused = true)]
async fn queued_prompts_survive_an_interrupt_unless_cancelled_with_it() {
    for cancel_queued in [false, true] {
        let mut host = Host::start();
        host.prompt_as("a", "@storm 1000 100").await;
        host.until_delta().await;
        host.prompt_as("b", "@say second").await;
        let receipt = host.request(json!({"subtype": "interrupt", "cancel_queued": cancel_queued})).await;
        host.until_result().await;
        if cancel_queued {
            assert_eq!(receipt["response"], json!({"still_queued": [], "cancelled": ["b"]}));
            host.finish().await.unwrap();
            assert_eq!(host.all("result", None).len(), 1);
        } else {
            assert_eq!(receipt["response"], json!({"still_queued": ["b"]}));
            assert_eq!(host.until_result().await["result"], "second");
        }
    }
}

#[tokio::test]
async fn a_denial_with_interrupt_ends_the_turn_and_withdraws_the_rest() {
    let mut host = Host::start();
    host.prompt("@parallel\n  @tool A {}\n  @tool B {}\n@say never").await;
    let first = host.until_permission().await;
    host.until_permission().await;
    host.answer(&first, json!({"behavior": "deny", "message": "Stop right there.", "interrupt": true})).await;
    let result = host.until_result().await;
    assert_eq!(result["subtype"], "error_during_execution");
    assert_eq!(host.all("control_cancel_request", None).len(), 1);
    assert!(
        !host.lines.iter().any(|line| line.contains("tool_result") && line.contains("Stop right there."))
    );
    assert!(host.texts().is_empty());
    assert_eq!(host.finish().await.unwrap().exit_code(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_urgent_prompt_cuts_the_stream_without_an_error() {
    let mut host = Host::start();
    host.prompt_as("slow", "@storm 1000 100").await;
    host.until_delta().await;
    host.send(json!({"type": "user", "uuid": "urgent", "priority": "now", "message": {"role": "user", "content": "@say now"}})).await;
    let cut = host.until_result().await;
    assert_eq!(
        json!([cut["subtype"], cut["is_error"], cut["terminal_reason"]]),
        json!(["success", false, "aborted_streaming"])
    );
    assert_eq!(cut["result"], "1 ");
    assert_eq!(host.until_result().await["result"], "now");
    assert!(!host.lines.iter().any(|line| line.contains("[Request interrupted")));
}
