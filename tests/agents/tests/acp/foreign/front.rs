//! Claude Code's own front for the protocol, the newest: it works on files and runs commands by itself, and asks first.

use anyhow::{Context, Result, ensure};
use portcullis_agents_tests::scene::Scene;
use portcullis_agents_tests::script::bash;
use portcullis_agents_tests::talk::{Talk, answers, of_kind, tool_results};
use portcullis_testkit::Reply;
use serde_json::{Value, json};

use super::{claude_behind, pick, place};

async fn claude() -> Result<Scene> {
    let executable = vec![("CLAUDE_CODE_EXECUTABLE".to_owned(), place("PORTCULLIS_CLAUDE")?.into())];
    claude_behind("PORTCULLIS_ACP_AGENT", executable).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prompt_is_answered_and_the_agent_introduces_itself() -> Result<()> {
    let scene = claude().await?;
    scene.api.then(Reply::new().thinking("hm").text("forty-two"));
    let talk = Talk::new(&scene).await?;
    let result = talk.turn(1, "what is it?").await?;
    ensure!(result["subtype"] == "success", "{result}\n{}", talk.story().await);
    let log = talk.log().await?;
    ensure!(answers(&log).contains("forty-two"), "{}", talk.story().await);
    let states: Vec<&str> =
        of_kind(&log, "command_lifecycle").filter_map(|event| event["state"].as_str()).collect();
    ensure!(states.starts_with(&["queued", "started"]), "{states:?}");
    let known = talk.ask(json!({"subtype": "initialize"})).await?;
    ensure!(known["commands"].as_array().is_some_and(|commands| !commands.is_empty()), "{known}");
    ensure!(known["agent_modes"].to_string().contains("plan"), "{known}");
    let listed = talk.listed("idle").await?;
    ensure!(listed["permission_mode"] == "default", "{listed}");
    talk.ask(json!({"subtype": "set_permission_mode", "mode": "plan"})).await?;
    talk.until("the new mode", |log| log.iter().any(|event| event["permissionMode"] == "plan").then_some(()))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_option_is_a_choice_of_its_own() -> Result<()> {
    let scene = claude().await?;
    scene
        .api
        .then(bash("toolu_1", "touch once.txt"))
        .then(bash("toolu_2", "touch never.txt"))
        .then(Reply::new().text("done"));
    let talk = Talk::new(&scene).await?;
    talk.say("make files").await?;
    let asked = talk.asked().await?;
    ensure!(asked.request["tool_name"] == "Bash", "{}", asked.request);
    ensure!(asked.request["input"]["command"] == "touch once.txt", "{}", asked.request);
    pick(&talk, &asked, "allow_once").await?;
    talk.until("the first result", |log| (tool_results(log).len() == 1).then_some(())).await?;
    let asked = talk.asked().await?;
    ensure!(asked.request["input"]["command"] == "touch never.txt", "{}", asked.request);
    pick(&talk, &asked, "reject_once").await?;
    talk.result(1).await?;
    let made = |name: &str| Ok::<_, anyhow::Error>(scene.stage.project()?.join(name).exists());
    ensure!(made("once.txt")? && !made("never.txt")?, "{}", talk.story().await);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_is_shown_with_its_change_and_drawn_with_its_result() -> Result<()> {
    let scene = claude().await?;
    let file = scene.stage.project()?.join("notes.txt");
    std::fs::write(&file, "one\ntwo\n")?;
    let read = json!({"file_path": file});
    let edit = json!({"file_path": file, "old_string": "two", "new_string": "three"});
    scene
        .api
        .then(Reply::new().tool_with_id("toolu_1", "Read", &read))
        .then(Reply::new().tool_with_id("toolu_2", "Edit", &edit))
        .then(Reply::new().text("edited"));
    let talk = Talk::new(&scene).await?;
    talk.say("edit the notes").await?;
    let asked = talk.asked().await?;
    let input = &asked.request["input"];
    ensure!(input["old_string"] == "two" && input["new_string"] == "three", "{}", asked.request);
    // What lasts is the agent's to remember.
    pick(&talk, &asked, "allow_always").await?;
    talk.result(1).await?;
    ensure!(std::fs::read_to_string(&file)? == "one\nthree\n", "{}", talk.story().await);
    let log = talk.log().await?;
    let named = |name: &str| log.iter().any(|event| event["message"]["content"][0]["name"] == name);
    ensure!(named("Read") && named("Edit"), "{}", talk.story().await);
    let drawn = log.iter().any(|event| {
        let patch = &event["tool_use_result"]["structuredPatch"];
        patch.as_array().is_some_and(|hunks| !hunks.is_empty()) && patch.to_string().contains("+three")
    });
    ensure!(drawn, "{}", talk.story().await);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupt_ends_what_is_said_and_withdraws_what_waits() -> Result<()> {
    let scene = claude().await?;
    scene.api.then(Reply::new().begin_text("a long story").stall());
    let talk = Talk::new(&scene).await?;
    talk.say("tell").await?;
    scene.api.until_asked(1).await;
    talk.ask(json!({"subtype": "interrupt"})).await?;
    let result = talk.result(1).await?;
    ensure!(result["subtype"] == "error_during_execution", "{result}");
    scene.api.then(bash("toolu_1", "touch late.txt"));
    talk.say("make a file").await?;
    talk.asked().await?;
    talk.ask(json!({"subtype": "interrupt"})).await?;
    let result = talk.result(2).await?;
    ensure!(result["terminal_reason"] == "aborted_tools", "{result}\n{}", talk.story().await);
    ensure!(!scene.stage.project()?.join("late.txt").exists());
    scene.api.then(Reply::new().text("still here"));
    talk.turn(3, "are you there?").await?;
    let log = talk.log().await?;
    ensure!(answers(&log).contains("still here"), "{}", talk.story().await);
    let given_up = log.iter().any(|event| event.to_string().contains("did not end its turn"));
    ensure!(!given_up, "{}", talk.story().await);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_goes_on_after_the_bridge_was_killed() -> Result<()> {
    let mut scene = claude().await?;
    let parts = {
        let talk = Talk::new(&scene).await?;
        talk.turn(1, "remember plum").await?;
        talk.listed("idle").await?;
        talk.into_parts()
    };
    scene.stage.kill_bridge().await?;
    scene.stage.start_bridge().await?;
    let talk = Talk::from_parts(&scene, parts);
    scene.api.then(Reply::new().text("it was plum"));
    talk.turn(2, "which word?").await?;
    let asked = scene.api.conversation().pop();
    let told = asked.context("a request")?.body["messages"].to_string();
    ensure!(told.contains("remember plum"), "{}", talk.story().await);
    let log = talk.log().await?;
    let said = |text: &str| log.iter().filter(|event: &&Value| event["message"]["content"] == text).count();
    ensure!(said("remember plum") <= 2, "the history is not said again\n{}", talk.story().await);
    ensure!(answers(&log).matches("it was plum").count() == 1, "{}", talk.story().await);
    Ok(())
}
