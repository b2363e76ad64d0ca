//! A conversation that outlives its process.

use anyhow::{Context, Result, ensure};
use portcullis_agents_tests::agent::{Agent, Version};
use portcullis_agents_tests::scene::Scene;
use portcullis_agents_tests::talk::Talk;
use portcullis_testkit::Reply;
use portcullis_wired::process::kill_in;
use serde_json::json;

/// What the model was told last.
fn last_request(scene: &Scene) -> String {
    scene.api.conversation().pop().map(|request| request.body["messages"].to_string()).unwrap_or_default()
}

fn cost(of: &serde_json::Value) -> f64 {
    of["total_cost_usd"].as_f64().unwrap_or_default()
}

pub(crate) async fn a_conversation_goes_on_after_the_bridge_was_killed(agent: &Agent) -> Result<()> {
    let mut scene = Scene::set(agent).await?;
    let (before, spent) = {
        let talk = Talk::new(&scene).await?;
        let before = talk.turn(1, "remember plum").await?;
        talk.recorded("remember plum").await?;
        let spent = cost(&talk.listed("idle").await?);
        (talk.into_parts(), (before, spent))
    };
    scene.stage.kill_bridge().await?;
    scene.stage.start_bridge().await?;
    let talk = Talk::from_parts(&scene, before);
    let (first, spent) = spent;
    let after = talk.turn(2, "which word?").await?;
    ensure!(last_request(&scene).contains("plum"), "{}", talk.story().await);
    ensure!(after["session_id"] == first["session_id"], "{first} {after}");
    let listed = talk.listed("idle").await?;
    // Older versions write their total down when they end in order, and count from an earlier one after a kill.
    let counts_on = !agent.is_before(Version(2, 1, 329));
    ensure!(cost(&listed) > spent || (!counts_on && cost(&listed) >= spent), "{listed} after {spent}");
    let log = talk.log().await?;
    let again = log.iter().filter(|event| event["message"]["content"] == "remember plum").count();
    ensure!(again <= 2, "the history is not said again\n{}", talk.story().await);
    Ok(())
}

pub(crate) async fn a_conversation_goes_on_after_its_agent_was_killed(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    let talk = Talk::new(&scene).await?;
    talk.turn(1, "remember plum").await?;
    talk.recorded("remember plum").await?;
    ensure!(kill_in(&scene.stage.project()?)? > 0, "there was an agent");
    talk.until("a word about its end", |log| {
        log.iter().find(|event| event["subtype"] == "agent_ended").cloned()
    })
    .await?;
    scene.api.then(Reply::new().text("plum"));
    let after = talk.turn(2, "which word?").await?;
    ensure!(
        after["result"] == "plum" && last_request(&scene).contains("remember plum"),
        "{}",
        talk.story().await
    );
    Ok(())
}

pub(crate) async fn a_conversation_that_is_gone_is_replaced_by_a_new_one(agent: &Agent) -> Result<()> {
    let mut scene = Scene::set(agent).await?;
    let parts = {
        let talk = Talk::new(&scene).await?;
        talk.turn(1, "remember plum").await?;
        talk.listed("idle").await?;
        talk.into_parts()
    };
    let spent = cost(&scene.listed(&parts.0).await?);
    scene.stage.kill_bridge().await?;
    // As after moving to another machine: the agent's own records are not there.
    std::fs::remove_dir_all(scene.stage.home()).context("a home")?;
    std::fs::create_dir(scene.stage.home())?;
    scene.stage.start_bridge().await?;
    let talk = Talk::from_parts(&scene, parts);
    scene.api.then(Reply::new().text("a new one"));
    let after = talk.turn(2, "which word?").await?;
    ensure!(after["result"] == "a new one", "{}", talk.story().await);
    ensure!(!last_request(&scene).contains("plum"), "{}", talk.story().await);
    let log = talk.log().await?;
    let said = log.iter().filter(|event| event.to_string().contains("could not take up")).count();
    ensure!(said == 1, "{}", talk.story().await);
    let listed = talk.listed("idle").await?;
    ensure!(cost(&listed) > spent, "{listed} after {spent}");
    Ok(())
}

pub(crate) async fn a_cleared_conversation_stays_cleared(agent: &Agent) -> Result<()> {
    if agent.is_before(Version(2, 1, 197)) {
        return Ok(()); // It knows no /clear without a terminal.
    }
    let mut scene = Scene::set(agent).await?;
    let parts = {
        let talk = Talk::new(&scene).await?;
        talk.turn(1, "remember plum").await?;
        talk.turn(2, "/clear").await?;
        talk.listed("idle").await?;
        talk.into_parts()
    };
    scene.stage.kill_bridge().await?;
    scene.stage.start_bridge().await?;
    let talk = Talk::from_parts(&scene, parts);
    talk.turn(3, "which word?").await?;
    ensure!(!last_request(&scene).contains("plum"), "{}", talk.story().await);
    Ok(())
}

pub(crate) async fn what_was_chosen_holds_after_a_restart(agent: &Agent) -> Result<()> {
    let mut scene = Scene::set(agent).await?;
    let parts = {
        let talk = Talk::new(&scene).await?;
        talk.turn(1, "hello").await?;
        talk.ask(json!({"subtype": "set_permission_mode", "mode": "plan"})).await?;
        talk.ask(json!({"subtype": "set_model", "model": "claude-haiku-4-5"})).await?;
        talk.turn(2, "hello").await?;
        talk.listed("idle").await?;
        talk.into_parts()
    };
    scene.stage.kill_bridge().await?;
    scene.stage.start_bridge().await?;
    let talk = Talk::from_parts(&scene, parts);
    talk.turn(3, "hello").await?;
    let listed = talk.listed("idle").await?;
    ensure!(listed["permission_mode"] == "plan", "{listed}");
    let requests = scene.api.conversation();
    ensure!(
        requests.last().is_some_and(|request| request.model().starts_with("claude-haiku-4-5")),
        "{listed}"
    );
    Ok(())
}
