//! Sessions that go on after their process ended, and conversations that are forgotten.

use portcullis_agent::{AgentError, AgentOptions, Endpoint};
use portcullis_testkit::{MessagesApi, Reply};
use serde_json::json;

use crate::host::Host;

/// The agent's own folder is inside the project, which is gone after the test.
fn kept(api: &MessagesApi) -> impl FnOnce(&mut AgentOptions) {
    let endpoint = Endpoint::new(&api.base_url()).unwrap();
    move |options| {
        options.endpoint = Some(endpoint);
        options.model = "claude-sonnet-4-5".to_owned();
        options.data_dir = Some(options.cwd.join(".data"));
    }
}

#[tokio::test]
async fn a_resumed_session_remembers_what_was_said_and_what_it_cost() {
    let api = MessagesApi::start().await.unwrap();
    api.then(Reply::new().text("Nice to meet you.")).then(Reply::new().text("Ada."));
    let mut first = Host::start_with_flags(&["--session-id=s-1".to_owned()], kept(&api));
    first.prompt("I am Ada.").await;
    let cost = first.until_result().await["total_cost_usd"].as_f64().unwrap();
    first.finish().await.unwrap();

    let mut second = Host::start_in(first.project, &["--resume=s-1".to_owned()], kept(&api));
    second.prompt("Who am I?").await;
    let result = second.until_result().await;
    assert_eq!((&result["session_id"], &result["result"]), (&json!("s-1"), &json!("Ada.")));
    assert!(result["total_cost_usd"].as_f64().unwrap() > cost);
    let texts: Vec<String> = api.requests()[1]
        .messages()
        .iter()
        .map(|message| message["content"][0]["text"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(texts, ["I am Ada.", "Nice to meet you.", "Who am I?"]);
    assert!(
        second.all("user", None).iter().all(|line| line["uuid"] != "prompt-0"),
        "history is not told again"
    );
}

#[tokio::test]
async fn a_fork_leaves_the_first_session_as_it_is_and_continue_finds_the_last() {
    let api = MessagesApi::start().await.unwrap();
    let mut first = Host::start_with_flags(&["--session-id=s-1".to_owned()], kept(&api));
    first.prompt("one").await;
    first.until_result().await;
    first.finish().await.unwrap();

    let mut fork =
        Host::start_in(first.project, &["--resume=s-1".to_owned(), "--fork-session".to_owned()], kept(&api));
    fork.prompt("two").await;
    let forked = fork.until_result().await["session_id"].clone();
    fork.finish().await.unwrap();
    assert_ne!(forked, "s-1");

    let mut again = Host::start_in(fork.project, &["--resume=s-1".to_owned()], kept(&api));
    again.prompt("three").await;
    again.until_result().await;
    again.finish().await.unwrap();
    assert_eq!(api.requests()[2].messages().len(), 3, "the fork's words are not in it");

    let mut latest = Host::start_in(again.project, &["--continue".to_owned()], kept(&api));
    latest.prompt("four").await;
    assert_eq!(latest.until_result().await["session_id"], "s-1");
}

#[tokio::test]
async fn an_unknown_session_is_said_to_be_unknown() {
    let mut host = Host::start_with_flags(&["--resume=nobody".to_owned()], |_| {});
    let result = host.until_result().await;
    assert_eq!((&result["subtype"], &result["num_turns"]), (&json!("error_during_execution"), &json!(0)));
    assert!(result["errors"][0].as_str().unwrap().contains("nobody"));
    assert!(matches!(host.finish().await, Err(AgentError::NoConversation(id)) if id == "nobody"));
}

#[tokio::test]
async fn clear_starts_a_new_conversation_under_a_new_id() {
    let api = MessagesApi::start().await.unwrap();
    let mut host = Host::start_with(kept(&api));
    host.prompt("one").await;
    let before = host.until_result().await["session_id"].clone();
    host.prompt("/clear").await;
    let reset = host.until(|line| line["type"] == "conversation_reset").await;
    let cleared = host.until_result().await;
    assert_eq!((&cleared["num_turns"], &cleared["total_cost_usd"]), (&json!(0), &json!(0.0)));
    assert!(cleared["session_id"] == reset["new_conversation_id"] && cleared["session_id"] != before);
    host.prompt("two").await;
    host.until_result().await;
    assert_eq!(api.requests()[1].messages().len(), 1);
}

#[tokio::test]
async fn the_agent_answers_for_itself_what_it_knows_itself() {
    let mut host = Host::start();
    host.prompt("/cost").await;
    let result = host.until_result().await;
    assert_eq!((&result["local_command"], &result["num_turns"]), (&json!("/cost"), &json!(0)));
    assert!(host.texts()[0].starts_with("Estimated cost:"));
    host.prompt("/nothing of ours").await;
    let request = host.until_permission().await;
    assert_eq!(
        request["request"]["subtype"], "can_use_tool",
        "what is not ours goes to the model, whose tour begins"
    );
}

#[tokio::test]
async fn the_state_of_the_session_is_told_to_who_wants_to_know() {
    let mut host = Host::start_with(|options| options.tell_session_state = true);
    host.prompt("@bash true").await;
    let request = host.until_permission().await;
    host.answer(&request, json!({"behavior": "allow"})).await;
    host.until(|line| line["state"] == "idle").await;
    let states: Vec<_> =
        host.all("system", Some("session_state_changed")).iter().map(|line| &line["state"]).collect();
    assert_eq!(states, ["running", "requires_action", "running", "idle"]);
}

#[tokio::test]
async fn a_session_that_is_not_to_be_kept_leaves_nothing() {
    let api = MessagesApi::start().await.unwrap();
    let mut host = Host::start_with_flags(&["--no-session-persistence".to_owned()], kept(&api));
    host.prompt("one").await;
    host.until_result().await;
    host.prompt("/clear").await;
    host.until_result().await;
    assert!(!host.path(".data").exists());
}
