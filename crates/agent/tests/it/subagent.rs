//! Sub-agents: real calls under the call that started them.

use serde_json::{Value, json};

use crate::host::Host;

fn below(line: &Value) -> bool {
    line["parent_tool_use_id"].is_string()
}

#[tokio::test]
async fn a_sub_agent_runs_its_lines_and_reports_its_last_words() {
    let mut host = Host::start();
    host.write_file("needle.txt", "here");
    host.prompt("@agent Find the needle\n  @read needle.txt\n  @bash touch sub.txt\n  @say Found it.\n@say The sub-agent is back.").await;
    let request = host.allow_next().await;
    let result = host.until_result().await;
    host.finish().await.unwrap();

    let call = host.all("assistant", None)[0]["message"]["content"][0].clone();
    assert_eq!((&call["name"], &call["input"]["description"]), (&json!("Agent"), &json!("Find the needle")));
    let started = host.all("system", Some("task_started"))[0];
    assert_eq!(request["request"]["agent_id"], started["task_id"]);
    assert!(host.path("sub.txt").exists());
    let inner: Vec<&Value> = host.seen.iter().filter(|line| below(line)).collect();
    assert!(
        inner
            .iter()
            .all(|line| line["parent_tool_use_id"] == call["id"] && line["agent_id"] == started["task_id"])
    );
    assert!(inner.iter().all(|line| line["type"] != "stream_event"));
    assert_eq!(
        inner[0]["message"]["content"][0]["text"].as_str().unwrap().lines().next(),
        Some("Find the needle")
    );
    assert_eq!(host.texts(), ["The sub-agent is back."]);
    let back = host.seen.iter().rfind(|line| line["tool_use_result"]["agentId"].is_string()).unwrap();
    assert_eq!(back["message"]["content"][0]["content"], json!([{"type": "text", "text": "Found it."}]));
    assert_eq!(back["tool_use_result"]["totalToolUseCount"], 2);
    assert_eq!(result["num_turns"], 2);
}

#[tokio::test]
async fn its_text_is_forwarded_on_request() {
    let mut host = Host::start();
    host.request(json!({"subtype": "initialize", "forwardSubagentText": true})).await;
    host.prompt("@agent Talk\n  @say inner words").await;
    host.until_result().await;
    assert_eq!(host.texts(), ["inner words"]);
}

#[tokio::test]
async fn two_sub_agents_wait_side_by_side() {
    let mut host = Host::start();
    host.prompt("@parallel\n  @agent One\n    @bash touch one\n  @agent Two\n    @bash touch two").await;
    let first = host.until_permission().await;
    let second = host.until_permission().await;
    assert_ne!(first["request"]["agent_id"], second["request"]["agent_id"]);
    for request in [second, first] {
        host.answer(&request, json!({"behavior": "allow"})).await;
    }
    host.until_result().await;
    assert!(host.path("one").exists() && host.path("two").exists());
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_reaches_into_a_sub_agent() {
    let mut host = Host::start();
    host.prompt("@agent Slow\n  @sleep 3600000").await;
    host.until(|line| line["subtype"] == "task_started").await;
    host.interrupt().await;
    let result = host.until_result().await;
    assert_eq!(result["terminal_reason"], "aborted_tools");
    assert_eq!(host.all("system", Some("task_notification"))[0]["status"], "stopped");
}

#[tokio::test]
async fn nesting_has_a_bottom() {
    let mut script = String::new();
    for depth in 0..5 {
        script.push_str(&format!("{}@agent level {depth}\n", "  ".repeat(depth)));
    }
    let mut host = Host::start();
    host.prompt(&script).await;
    host.until_result().await;
    assert_eq!(host.all("system", Some("task_started")).len(), 3);
    assert!(host.lines.iter().any(|line| line.contains("agents may nest 3 deep at most")));
}
