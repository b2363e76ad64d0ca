//! Holds whole conversations against the sequence of line kinds in recorded sessions of the CLI this wire comes from.
//! Left out: where a message's last two events fall (they race with the tools there) and token estimates.

use serde_json::json;

use crate::host::Host;

const SHAPES: &str = include_str!("fixtures/shapes.txt");

async fn open() -> Host {
    let mut host = Host::start();
    host.request(json!({"subtype": "initialize"})).await;
    host
}

async fn check(mut host: Host, recorded: &str) {
    host.finish().await.unwrap();
    let left_out = ["message_delta", "message_stop", "system:thinking_tokens"];
    let mut kinds: Vec<String> =
        host.kinds().into_iter().filter(|kind| !left_out.contains(&kind.as_str())).collect();
    kinds.dedup_by(|next, last| next == last && next.starts_with("delta:"));
    let prefix = format!("{recorded}: ");
    let expected = SHAPES.lines().find_map(|line| line.strip_prefix(&prefix)).expect("a recorded shape");
    assert_eq!(kinds.join("\n"), expected.replace(' ', "\n"), "{recorded}");
}

#[tokio::test]
async fn text_only() {
    let mut host = open().await;
    host.prompt("@say Hello, this is a text.").await;
    check(host, "text-only").await;
}

#[tokio::test]
async fn thinking_then_text() {
    let mut host = open().await;
    host.prompt("@think The user wants a sum.\n@say The answer is 4.").await;
    check(host, "thinking-text").await;
}

#[tokio::test]
async fn a_command_allowed() {
    let mut host = open().await;
    host.prompt("@say Let me create a file.\n@bash touch made.txt\n@say It is there.").await;
    host.allow_next().await;
    host.until_result().await;
    check(host, "bash-allowed").await;
}

#[tokio::test]
async fn a_command_denied() {
    let mut host = open().await;
    host.prompt("@bash rm -rf build").await;
    host.deny_next("Please keep the build directory.").await;
    host.until_result().await;
    check(host, "bash-denied").await;
}

#[tokio::test]
async fn a_command_denied_with_interrupt() {
    let mut host = open().await;
    host.prompt("@bash rm -rf build").await;
    let request = host.until_permission().await;
    host.answer(&request, json!({"behavior": "deny", "message": "Stop.", "interrupt": true})).await;
    host.until_result().await;
    check(host, "bash-denied-interrupt").await;
}

#[tokio::test]
async fn an_interrupt_while_a_request_waits() {
    let mut host = open().await;
    host.prompt("@bash touch q.txt").await;
    host.until_permission().await;
    host.interrupt().await;
    host.until_lifecycle("cancelled").await;
    host.prompt("@say After.").await;
    host.until_result().await;
    check(host, "permission-pending-interrupt").await;
}

#[tokio::test]
async fn a_prompt_while_a_request_waits() {
    let mut host = open().await;
    host.prompt("@bash touch q.txt").await;
    let request = host.until_permission().await;
    host.prompt("Actually, also say hi").await;
    host.until_lifecycle("queued").await;
    host.answer(&request, json!({"behavior": "allow"})).await;
    host.until_result().await;
    check(host, "permission-pending-user-message").await;
}

#[tokio::test(start_paused = true)]
async fn prompts_queued_while_a_stream_runs() {
    let mut host = open().await;
    host.prompt("@storm 10 1000").await;
    host.until_delta().await;
    for text in ["@say two", "three", "four"] {
        host.prompt(text).await;
    }
    host.until_result().await;
    host.until_result().await;
    check(host, "queued-while-busy").await;
}

#[tokio::test(start_paused = true)]
async fn a_queued_prompt_cancelled_and_the_stream_interrupted() {
    let mut host = open().await;
    host.prompt("@storm 100 1000").await;
    host.until_delta().await;
    host.prompt_as("second", "@say two").await;
    host.prompt_as("third", "@say three").await;
    host.until_delta().await;
    host.request(json!({"subtype": "cancel_async_message", "message_uuid": "second"})).await;
    host.interrupt().await;
    host.until_result().await;
    host.until_result().await;
    check(host, "cancel-queued").await;
}

#[tokio::test]
async fn a_sub_agent_with_a_read_and_a_command() {
    let mut host = open().await;
    host.write_file("n.txt", "needle");
    host.prompt("@say I will delegate.\n@agent Find the needle\n  @read n.txt\n  @bash touch sub.txt\n  @say Found.\n@say Back.").await;
    host.allow_next().await;
    host.until_result().await;
    check(host, "subagent").await;
}

#[tokio::test]
async fn a_second_initialize_while_a_request_waits() {
    let mut host = open().await;
    host.prompt("@tool WebFetch {\"url\":\"http://127.0.0.1:1/one\"}").await;
    let request = host.until_permission().await;
    host.request(json!({"subtype": "initialize"})).await;
    host.answer(&request, json!({"behavior": "deny", "message": "no"})).await;
    host.until_result().await;
    check(host, "second-initialize-while-pending").await;
}
