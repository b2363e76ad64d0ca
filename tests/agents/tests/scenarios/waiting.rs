//! A command that runs until somebody ends it.

use anyhow::Result;
use portcullis_agents_tests::scene::Scene;
use portcullis_agents_tests::script::bash;
use portcullis_agents_tests::talk::Talk;
use portcullis_protocol::session::Choice;

/// Has the agent run it, and returns once it runs.
pub(crate) async fn begin_to_wait(scene: &Scene, talk: &Talk<'_>) -> Result<()> {
    scene.api.then(bash("toolu_1", "touch began; sleep 600; touch ended"));
    talk.say("wait").await?;
    talk.decide(&talk.asked().await?, Choice::Allow).await?;
    let project = scene.stage.project()?;
    talk.until("a command that runs", |_| project.join("began").exists().then_some(())).await
}

/// Whether it came to its own end.
pub(crate) fn waited(scene: &Scene) -> Result<bool> {
    Ok(scene.stage.project()?.join("ended").exists())
}
