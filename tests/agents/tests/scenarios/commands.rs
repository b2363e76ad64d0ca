//! Slash commands, which are prompts that the agent answers itself.

use anyhow::{Result, ensure};
use portcullis_agents_tests::agent::{Agent, Version};
use portcullis_agents_tests::scene::Scene;
use portcullis_agents_tests::talk::Talk;
use portcullis_testkit::Reply;

pub(crate) async fn clear_begins_a_new_conversation(agent: &Agent) -> Result<()> {
    if agent.is_before(Version(2, 1, 197)) {
        return Ok(()); // It knows no /clear without a terminal.
    }
    let scene = Scene::set(agent).await?;
    let talk = Talk::new(&scene).await?;
    let before = talk.turn(1, "remember plum").await?;
    let cleared = talk.turn(2, "/clear").await?;
    let after = talk.turn(3, "which word?").await?;
    let request = scene.api.conversation().pop().map(|request| request.body.to_string()).unwrap_or_default();
    ensure!(!request.contains("plum"), "{}", talk.story().await);
    if !agent.is_before(Version(2, 1, 329)) {
        ensure!(before["session_id"] != after["session_id"], "{before} {cleared} {after}");
        talk.until("a reset", |log| log.iter().find(|event| event["type"] == "conversation_reset").cloned())
            .await?;
    }
    let listed = talk.listed("idle").await?;
    let [spent, since] = [&listed, &before].map(|of| of["total_cost_usd"].as_f64().unwrap_or_default());
    ensure!(spent > since, "what the session cost does not fall with /clear: {listed} {before}");
    Ok(())
}

pub(crate) async fn context_is_shown(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    let talk = Talk::new(&scene).await?;
    talk.turn(1, "hello").await?;
    let asked = scene.api.conversation().len();
    let result = talk.turn(2, "/context").await?;
    ensure!(result["is_error"] == false, "{result}");
    ensure!(scene.api.conversation().len() == asked, "no model was asked");
    let shown = talk.log().await?;
    ensure!(
        shown.iter().any(|event| event.to_string().to_lowercase().contains("tokens")),
        "{}",
        talk.story().await
    );
    Ok(())
}

pub(crate) async fn compact_shortens_the_conversation(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    scene.api.then(Reply::new().text("plum, noted"));
    scene.api.when(
        |request| request.last_text().contains("summary"),
        Reply::new().text("<summary>They like plums.</summary>"),
    );
    let talk = Talk::new(&scene).await?;
    talk.turn(1, "remember plum").await?;
    talk.turn(2, "and pear").await?;
    talk.turn(3, "/compact").await?;
    talk.until("a boundary", |log| log.iter().find(|event| event["subtype"] == "compact_boundary").cloned())
        .await?;
    talk.turn(4, "go on").await?;
    let request = scene.api.conversation().pop().map(|request| request.body.to_string()).unwrap_or_default();
    ensure!(
        request.contains("They like plums") && !request.contains("remember plum"),
        "{}",
        talk.story().await
    );
    talk.listed("idle").await?;
    Ok(())
}

pub(crate) async fn usage_is_shown(agent: &Agent) -> Result<()> {
    if agent.is_before(Version(2, 1, 197)) {
        return Ok(()); // It came later.
    }
    let scene = Scene::set(agent).await?;
    let talk = Talk::new(&scene).await?;
    let result = talk.turn(1, "/usage").await?;
    ensure!(result["is_error"] == false && result["num_turns"] == 0, "{result}");
    talk.listed("idle").await?;
    Ok(())
}
