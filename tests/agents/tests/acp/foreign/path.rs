//! Agents as a bridge finds them: by their documented command on the PATH, or under the same name in its policy.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use portcullis_agents_tests::agent::Agent;
use portcullis_agents_tests::scene::Scene;
use portcullis_agents_tests::script::bash;
use portcullis_agents_tests::talk::{Talk, answers};
use portcullis_testkit::Reply;
use portcullis_wired::stage::Laptop;
use reqwest::Method;
use serde_json::{Value, json};

use super::{asks_aside, named, pick, place};

/// A bridge that has `claude-agent-acp` on its PATH, and an interpreter for it.
async fn found(rule: impl FnOnce(&mut Laptop)) -> Result<Scene> {
    let variables = vec![
        ("CLAUDE_CODE_EXECUTABLE".to_owned(), place("PORTCULLIS_CLAUDE")?.into()),
        ("IS_SANDBOX".to_owned(), "1".into()),
    ];
    let program = Some(("claude-agent-acp".to_owned(), place("PORTCULLIS_ACP_AGENT")?));
    let agent = Agent { program, ..named("claude-acp", variables) };
    let node: PathBuf = place("PORTCULLIS_NODE")?;
    let scene = Scene::set_under(&agent, |laptop| {
        laptop.programs.push(("node".to_owned(), node));
        rule(laptop);
    })
    .await?;
    asks_aside(&scene);
    Ok(scene)
}

/// What the bridge offers.
async fn offered(scene: &Scene) -> Result<Value> {
    let environments = scene.stage.owner.must(Method::GET, "/v1/environments", None).await?;
    Ok(environments["data"][0]["agents"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_on_the_path_is_offered_by_its_name_and_works() -> Result<()> {
    let scene = found(|_| {}).await?;
    ensure!(offered(&scene).await? == json!(["claude-acp"]), "{}", offered(&scene).await?);
    scene.api.then(bash("toolu_1", "touch made.txt")).then(Reply::new().text("made"));
    let talk = Talk::new(&scene).await?;
    talk.say("make a file").await?;
    pick(&talk, &talk.asked().await?, "allow_once").await?;
    let result = talk.result(1).await?;
    ensure!(result["subtype"] == "success", "{result}\n{}", talk.story().await);
    ensure!(answers(&talk.log().await?).contains("made") && scene.stage.project()?.join("made.txt").exists());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_the_policy_names_takes_the_place_of_what_was_found() -> Result<()> {
    let argv = [place("PORTCULLIS_NODE")?, place("PORTCULLIS_ACP_DESK_AGENT")?];
    let environment = ["ANTHROPIC_*", "CLAUDE_CODE_*", "DISABLE_*", "IS_SANDBOX"];
    let rule = json!([{"name": "claude-acp", "argv": argv, "environment": environment}]);
    let scene = found(|laptop| {
        laptop.policy.insert("acp".into(), rule);
    })
    .await?;
    ensure!(offered(&scene).await? == json!(["claude-acp"]), "{}", offered(&scene).await?);
    scene.api.then(Reply::new().text("here"));
    let talk = Talk::new(&scene).await?;
    talk.turn(1, "who is there?").await?;
    let known = talk.ask(json!({"subtype": "initialize"})).await?;
    let version = known["agent"]["version"].as_str().unwrap_or_default();
    ensure!(version == DESK_AGENT_VERSION, "{known}");
    Ok(())
}

/// Which of the two fronts answers shows in its version.
const DESK_AGENT_VERSION: &str = "0.16.2";
