//! The scripted API, asked by a plain HTTP client.

#![expect(clippy::unwrap_used, reason = "a test that meets what it did not expect should stop right there")]

use portcullis_testkit::{Gate, MessagesApi, Reply};
use reqwest::Response;
use serde_json::{Value, json};

async fn ask(api: &MessagesApi, body: &Value) -> Response {
    let url = format!("{}/v1/messages", api.base_url());
    reqwest::Client::new().post(url).header("x-api-key", "k").body(body.to_string()).send().await.unwrap()
}

fn prompt(text: &str) -> Value {
    json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": text}]})
}

/// The events of a stream that ended, by type, and its JSON.
fn events(text: &str) -> Vec<Value> {
    text.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

fn types(text: &str) -> String {
    events(text).iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn streams_thinking_text_and_a_call_and_stops_for_the_call() {
    let api = MessagesApi::start().await.unwrap();
    api.then(Reply::new().thinking("hm").text("hello").tool("Bash", json!({"command": "ls"})).usage(7, 3));
    let text = ask(&api, &prompt("hi")).await.text().await.unwrap();
    let block = "content_block_start content_block_delta content_block_delta content_block_stop";
    assert_eq!(types(&text), format!("message_start {block} {block} {block} message_delta message_stop"));
    let events = events(&text);
    assert_eq!(events[0]["message"]["usage"]["input_tokens"], 7);
    assert_eq!(events[events.len() - 2]["delta"]["stop_reason"], "tool_use");
    assert_eq!(events[events.len() - 2]["usage"]["output_tokens"], 3);
}

#[tokio::test]
async fn answers_whole_when_no_stream_is_wanted() {
    let api = MessagesApi::start().await.unwrap();
    api.then(Reply::new().text("hello").tool("Bash", json!({"command": "ls"})));
    let whole: Value = ask(&api, &json!({"model": "m"})).await.json().await.unwrap();
    assert_eq!(whole["content"][0]["text"], "hello");
    assert_eq!(whole["content"][1]["input"], json!({"command": "ls"}));
}

#[tokio::test]
async fn keeps_the_order_of_its_script_beside_standing_rules_and_writes_everything_down() {
    let api = MessagesApi::start().await.unwrap();
    api.then(Reply::failure(529, "overloaded_error", "later").header("retry-after", "3"));
    api.when(|request| request.last_text() == "title", Reply::new().thinking("a title"));
    assert!(ask(&api, &prompt("title")).await.text().await.unwrap().contains("title"));
    let refused = ask(&api, &prompt("one")).await;
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (529, "3"));
    assert_eq!(refused.json::<Value>().await.unwrap()["error"]["type"], "overloaded_error");
    assert!(ask(&api, &prompt("two")).await.text().await.unwrap().contains("message_stop"));
    let asked = api.requests();
    assert_eq!(asked.iter().map(|request| request.last_text()).collect::<Vec<_>>(), ["title", "one", "two"]);
    assert_eq!(asked[0].header("x-api-key"), Some("k"));
    let conversation = api.until_asked(2).await;
    assert_eq!(conversation.iter().map(|request| request.last_text()).collect::<Vec<_>>(), ["one", "two"]);
}

#[tokio::test]
async fn cuts_a_stream_in_the_middle_and_fails_in_the_middle() {
    let api = MessagesApi::start().await.unwrap();
    api.then(Reply::new().begin_text("Hel").cut())
        .then(Reply::new().begin_text("Hel").error("api_error", "no"));
    assert!(ask(&api, &prompt("a")).await.text().await.is_err());
    assert!(ask(&api, &prompt("b")).await.text().await.is_err());
}

#[tokio::test]
async fn waits_at_a_gate_and_notices_who_leaves() {
    let api = MessagesApi::start().await.unwrap();
    let gate = Gate::new();
    api.then(Reply::new().begin_text("a").wait_for(&gate).more("b"))
        .then(Reply::new().begin_text("a").stall());
    let mut held = ask(&api, &prompt("a")).await;
    assert!(held.chunk().await.unwrap().is_some());
    gate.open();
    assert!(held.text().await.unwrap().ends_with("message_stop\"}\n\n"));
    let mut stalled = ask(&api, &prompt("b")).await;
    assert!(stalled.chunk().await.unwrap().is_some());
    drop(stalled);
    api.until_abandoned(1).await;
}

#[tokio::test]
async fn a_conversation_with_an_opening_of_its_own_has_a_queue_of_its_own() {
    let api = MessagesApi::start().await.unwrap();
    api.then(Reply::new().text("main")).then_in("count the files", Reply::new().text("aside"));
    let said = async |text: &str| {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": text}]});
        let answer: Value = ask(&api, &body).await.json().await.unwrap();
        (answer["id"].as_str().unwrap().to_owned(), answer["content"][0]["text"].as_str().unwrap().to_owned())
    };
    assert_eq!(said("please count the files").await, ("msg_testkit00".into(), "aside".into()));
    assert_eq!(said("hello").await, ("msg_testkit01".into(), "main".into()));
    assert_eq!(said("count the files again").await.1, "ok");
}
