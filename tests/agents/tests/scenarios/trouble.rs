//! What fails: the model, the agent, the bridge.

use anyhow::{Result, ensure};
use portcullis_agents_tests::agent::{Agent, Version};
use portcullis_agents_tests::scene::Scene;
use portcullis_agents_tests::script::bash;
use portcullis_agents_tests::talk::Talk;
use portcullis_protocol::wire::client::PermissionState;
use portcullis_testkit::Reply;
use portcullis_wired::patience::{PATIENCE, until};
use portcullis_wired::process::{kill_in, processes_in};

use crate::waiting::{begin_to_wait, waited};

pub(crate) async fn an_overloaded_model_is_asked_again(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    scene.api.then(Reply::failure(529, "overloaded_error", "Overloaded"));
    scene.api.then(Reply::new().text("now"));
    let talk = Talk::new(&scene).await?;
    let result = talk.turn(1, "hello").await?;
    ensure!(result["result"] == "now", "{result}");
    if !agent.is_before(Version(2, 1, 197)) {
        let log = talk.log().await?;
        ensure!(log.iter().any(|event| event["subtype"] == "api_retry"), "{}", talk.story().await);
    }
    Ok(())
}

pub(crate) async fn an_error_of_the_model_ends_the_turn_and_not_the_session(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    scene.api.otherwise(Reply::failure(400, "invalid_request_error", "that is no request"));
    let talk = Talk::new(&scene).await?;
    let result = talk.turn(1, "an impossible wish").await?;
    ensure!(result["is_error"] == true, "{result}");
    talk.listed("idle").await?;
    scene.api.otherwise(Reply::new().text("better"));
    let after = talk.turn(2, "hello again").await?;
    ensure!(after["result"] == "better", "{after}");
    Ok(())
}

/// Kills the agent, and waits until the session says so and nothing waits any more.
async fn kill_agent(scene: &Scene, talk: &Talk<'_>) -> Result<()> {
    ensure!(kill_in(&scene.stage.project()?)? > 0, "there was an agent");
    talk.until("a word about its end", |log| {
        log.iter().find(|event| event["subtype"] == "agent_ended").cloned()
    })
    .await?;
    let listed = talk.listed("idle").await?;
    ensure!(listed["pending_count"] == 0, "{listed}");
    Ok(())
}

/// Its end is no end of the session.
async fn goes_on(scene: &Scene, talk: &Talk<'_>) -> Result<()> {
    scene.api.then(Reply::new().text("here again"));
    talk.say("are you there?").await?;
    talk.until("an answer", |log| {
        log.iter().find(|event| event["type"] == "result" && event["result"] == "here again").cloned()
    })
    .await?;
    Ok(())
}

pub(crate) async fn an_agent_that_is_killed_while_it_speaks_is_said_to_be_gone(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    scene.api.then(Reply::new().begin_text("Once upon").stall());
    let talk = Talk::new(&scene).await?;
    talk.say("a story").await?;
    scene.api.until_asked(1).await;
    talk.listed("running").await?;
    kill_agent(&scene, &talk).await?;
    goes_on(&scene, &talk).await
}

pub(crate) async fn an_agent_that_is_killed_with_a_request_open_leaves_none_behind(
    agent: &Agent,
) -> Result<()> {
    let scene = Scene::set(agent).await?;
    scene.api.then(bash("toolu_1", "touch x"));
    let talk = Talk::new(&scene).await?;
    talk.say("go").await?;
    talk.asked().await?;
    kill_agent(&scene, &talk).await?;
    talk.all_ended(1, PermissionState::Orphaned).await?;
    goes_on(&scene, &talk).await?;
    ensure!(!scene.stage.project()?.join("x").exists());
    Ok(())
}

pub(crate) async fn an_agent_that_is_killed_while_a_command_runs_takes_it_along(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    let talk = Talk::new(&scene).await?;
    begin_to_wait(&scene, &talk).await?;
    kill_agent(&scene, &talk).await?;
    goes_on(&scene, &talk).await?;
    ensure!(!waited(&scene)?);
    Ok(())
}

pub(crate) async fn a_bridge_that_ends_in_order_leaves_no_process(agent: &Agent) -> Result<()> {
    let mut scene = Scene::set(agent).await?;
    let parts = {
        let talk = Talk::new(&scene).await?;
        talk.turn(1, "hello").await?;
        talk.into_parts()
    };
    scene.stage.end_bridge().await?;
    let project = scene.stage.project()?;
    until("the end of the agents", PATIENCE, async || Ok((processes_in(&project) == 0).then_some(())))
        .await?;
    let log = scene.log(&parts.0).await?;
    ensure!(log.iter().any(|event| event["subtype"] == "agent_ended"), "{log:?}");
    Ok(())
}
