//! The smallest scenario, with the agent the binary brings along.

use anyhow::{Result, ensure};
use portcullis_agents_tests::scene::{Agent, Scene};
use portcullis_testkit::Reply;
use portcullis_wired::patience::{PATIENCE, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_reaches_the_model_and_its_answer_the_log() -> Result<()> {
    let agent = Agent {
        name: "builtin",
        program: None,
        model: Some("claude-sonnet-4-5"),
        variables: Vec::new(),
        words: Vec::new(),
    };
    let scene = Scene::set(&agent).await?;
    scene.api.then(Reply::new().text("forty-two"));
    let (session, tab) = scene.session().await?;
    tab.prompt("what is it?").await?;
    let result = until("a result", PATIENCE, async || {
        Ok(scene.log(&session).await?.into_iter().find(|event| event["type"] == "result"))
    })
    .await?;
    ensure!(result["result"] == "forty-two", "{result}\n{}", scene.stage.logs());
    Ok(())
}
