//! Prompts that arrive while the agent is busy.

use serde_json::{Value, json};

use crate::host::Host;

#[tokio::test(start_paused = true)]
async fn prompts_that_waited_together_are_answered_in_one_turn() {
    let mut host = Host::start();
    host.prompt_as("a", "@storm 10 1000").await;
    host.until_delta().await;
    host.prompt_as("b", "@say two").await;
    host.prompt_as("c", "ignored beside directives").await;
    host.prompt_as("d", "@say four").await;
    host.until_result().await;
    let merged = host.until_result().await;
    host.finish().await.unwrap();

    assert_eq!(merged["user_message_uuids"], json!(["b", "c", "d"]));
    assert_eq!(host.all("result", None).len(), 2);
    assert_eq!(&host.texts()[1..], ["two", "four"]);
    let replays: Vec<&Value> = host.all("user", None);
    assert_eq!(replays[1]["message"]["content"], "@say two");
    assert!(replays[1].get("timestamp").is_none());
    let blocks = json!([
        {"type": "text", "text": "@say two\n"},
        {"type": "text", "text": "ignored beside directives\n"},
        {"type": "text", "text": "@say four"},
    ]);
    assert_eq!((&replays[3]["uuid"], &replays[3]["message"]["content"]), (&json!("d"), &blocks));
}

#[tokio::test]
async fn a_prompt_that_comes_while_a_request_waits_joins_the_turn_and_answers_nothing() {
    let mut host = Host::start();
    host.prompt_as("a", "@bash touch q").await;
    let request = host.until_permission().await;
    host.prompt_as("b", "Actually, also say hi").await;
    host.until_lifecycle("queued").await;
    assert!(!host.path("q").exists());
    host.answer(&request, json!({"behavior": "allow"})).await;
    let result = host.until_result().await;
    host.finish().await.unwrap();
    assert_eq!(result["user_message_uuids"], json!(["a", "b"]));
    assert_eq!(host.texts(), ["Noted: Actually, also say hi"]);
    assert_eq!(host.all("system", Some("init")).len(), 1);
    assert_eq!(host.all("result", None).len(), 1);
}

#[tokio::test]
async fn a_prompt_for_later_waits_for_its_own_turn() {
    let mut host = Host::start();
    host.prompt_as("a", "@bash true").await;
    let request = host.until_permission().await;
    host.send(json!({"type": "user", "uuid": "b", "priority": "later", "message": {"role": "user", "content": "@say later"}})).await;
    host.until_lifecycle("queued").await;
    host.answer(&request, json!({"behavior": "allow"})).await;
    assert_eq!(host.until_result().await["user_message_uuids"], json!(["a"]));
    assert_eq!(host.until_result().await["user_message_uuids"], json!(["b"]));
}

#[tokio::test(start_paused = true)]
async fn a_waiting_prompt_can_be_cancelled_once() {
    let mut host = Host::start();
    host.prompt_as("a", "@storm 10 1000").await;
    host.until_delta().await;
    host.prompt_as("b", "@say never").await;
    let cancel = json!({"subtype": "cancel_async_message", "message_uuid": "b"});
    let first = host.request(cancel.clone()).await;
    assert_eq!(first["response"], json!({"cancelled": true, "message_uuid": "b"}));
    assert_eq!(host.request(cancel).await["response"], json!({"cancelled": false}));
    host.finish().await.unwrap();
    let states: Vec<&Value> = host
        .all("command_lifecycle", None)
        .into_iter()
        .filter(|line| line["command_uuid"] == "b")
        .map(|line| &line["state"])
        .collect();
    assert_eq!(states, ["queued", "cancelled"]);
    assert_eq!(host.all("result", None).len(), 1);
}

#[tokio::test]
async fn a_repeated_uuid_is_echoed_and_not_run_again() {
    let mut host = Host::start();
    host.prompt_as("a", "@write a.txt once").await;
    host.allow_next().await;
    host.until_result().await;
    host.prompt_as("a", "@write a.txt twice").await;
    let echo = host.until(|line| line["isReplay"] == true).await;
    assert_eq!((&echo["uuid"], echo.get("timestamp")), (&json!("a"), None));
    host.finish().await.unwrap();
    assert_eq!(host.all("result", None).len(), 1);
    assert_eq!(host.read_file("a.txt"), "once");
}

#[tokio::test]
async fn a_prompt_that_wants_no_answer_has_an_empty_result() {
    let mut host = Host::start();
    host.send(json!({"type": "user", "uuid": "a", "shouldQuery": false, "message": {"role": "user", "content": "context"}})).await;
    let result = host.until_result().await;
    assert_eq!(json!([result["subtype"], result["num_turns"], result["result"]]), json!(["success", 0, ""]));
    host.finish().await.unwrap();
    assert_eq!(
        host.kinds().join(" "),
        "lifecycle:queued lifecycle:started system:init replay result:success lifecycle:completed"
    );
}
