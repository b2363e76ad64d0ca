//! Bad input, and the end of input.

use portcullis_agent::AgentError;
use serde_json::json;

use crate::host::Host;

#[tokio::test]
async fn a_line_that_is_no_json_ends_the_agent() {
    for line in [
        "{\"type\":\"user\", this is not json}\n",
        "{\"type\":\"user\",\"message\":{\"role\":\"assistant\",\"content\":\"x\"}}\n",
    ] {
        let mut host = Host::start();
        host.request(json!({"subtype": "initialize"})).await;
        host.send_raw(line).await;
        let error = host.finish().await.unwrap_err();
        assert!(matches!(error, AgentError::BadInput(_)), "{error}");
        assert_eq!(host.seen.len(), 1);
    }
}

#[tokio::test]
async fn half_a_line_at_the_end_is_bad_input() {
    let mut host = Host::start();
    host.send_raw("{\"type\":\"user\",\"message\":{\"role\":\"us").await;
    assert!(matches!(host.finish().await, Err(AgentError::BadInput(_))));
}

#[tokio::test]
async fn what_is_unknown_or_empty_is_ignored() {
    let mut host = Host::start();
    host.send_raw("\n  \r\n{\"type\":\"totally_unknown\",\"x\":1}\n{\"type\":\"keep_alive\"}\n42\n").await;
    host.send_raw(
        "{\"type\":\"control_response\",\"response\":{\"subtype\":\"success\",\"request_id\":\"never\"}}\n",
    )
    .await;
    host.send_raw(
        "{\"type\":\"control_cancel_request\",\"request_id\":\"never\"}\n{\"type\":\"control_response\"}\n",
    )
    .await;
    host.prompt("@say Still fine.").await;
    assert_eq!(host.until_result().await["result"], "Still fine.");
    assert_eq!(host.finish().await.unwrap().exit_code(), 0);
}

#[tokio::test]
async fn an_idle_agent_leaves_at_the_end_of_input() {
    let mut host = Host::start();
    assert_eq!(host.finish().await.unwrap().exit_code(), 0);
    assert!(host.lines.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_runs_and_waits_is_answered_after_the_end_of_input() {
    let mut host = Host::start();
    host.prompt("@storm 5 1000").await;
    host.until_delta().await;
    host.prompt("@say and this").await;
    assert_eq!(host.finish().await.unwrap().exit_code(), 0);
    assert_eq!(host.texts(), ["1 2 3 4 5 ", "and this"]);
}

#[tokio::test]
async fn a_request_that_nobody_can_answer_any_more_fails() {
    let mut host = Host::start();
    host.prompt("@bash touch a\n@bash touch b\n@say end").await;
    host.until_permission().await;
    assert_eq!(host.finish().await.unwrap().exit_code(), 0);
    assert!(!host.path("a").exists() && !host.path("b").exists());
    let refusals = host
        .lines
        .iter()
        .filter(|line| line.contains("\"tool_result\"") && line.contains("stream closed before response"));
    assert_eq!(refusals.count(), 2);
    assert_eq!(host.all("result", None)[0]["result"], "end");
    assert_eq!(host.all("result", None)[0]["permission_denials"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_an_error() {
    let mut host = Host::start_with(|options| options.cwd = "/no/such/directory".into());
    assert!(matches!(host.finish().await, Err(AgentError::Directory { .. })));
}
