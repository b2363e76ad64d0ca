//! Work beside the main turn.

use anyhow::{Context, Result, ensure};
use portcullis_agents_tests::agent::{Agent, Version};
use portcullis_agents_tests::scene::Scene;
use portcullis_agents_tests::talk::{Talk, tool_results};
use portcullis_protocol::session::Choice;
use portcullis_testkit::Reply;
use serde_json::json;

/// What opens the sub-agent's own conversation with the model.
const ERRAND: &str = "Find the needle in the haystack.";

pub(crate) async fn a_sub_agent_asks_and_reports(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    // Claude Code calls it Task in its old versions, and takes the old name in the new ones.
    let name = if agent.is_before(Version(2, 1, 197)) { "Task" } else { "Agent" };
    let errand = json!({"description": "Find it", "prompt": ERRAND, "subagent_type": "general-purpose"});
    scene
        .api
        .then(Reply::new().tool_with_id("toolu_agent", name, &errand))
        .then(Reply::new().text("it was found"));
    let search = json!({"command": "touch searched", "description": "search"});
    scene.api.then_in(ERRAND, Reply::new().tool_with_id("toolu_inner", "Bash", &search));
    scene.api.then_in(ERRAND, Reply::new().text("the needle is in the corner"));
    let talk = Talk::new(&scene).await?;
    talk.say("send somebody").await?;
    let asked = talk.asked().await?;
    ensure!(asked.request["tool_use_id"] == "toolu_inner", "{}", asked.request);
    if !agent.is_before(Version(2, 1, 197)) {
        ensure!(asked.request["agent_id"].is_string(), "it says that a sub-agent asks: {}", asked.request);
    }
    talk.decide(&asked, Choice::Allow).await?;
    talk.idle().await?;
    let log = talk.log().await?;
    ensure!(scene.stage.project()?.join("searched").exists());
    let nested = log.iter().filter(|event| event["parent_tool_use_id"] == "toolu_agent").count();
    ensure!(nested > 0, "{}", talk.story().await);
    let report = tool_results(&log).into_iter().find(|block| block["tool_use_id"] == "toolu_agent");
    let report = report.context("a report of the sub-agent")?;
    ensure!(report.to_string().contains("the needle is in the corner") || asynchronous(&report), "{report}");
    talk.listed("idle").await?;
    Ok(())
}

/// Newer versions may send a sub-agent away and hear from it later.
fn asynchronous(report: &serde_json::Value) -> bool {
    report.to_string().contains("launched")
}

pub(crate) async fn a_command_runs_in_the_background_and_is_stopped(agent: &Agent) -> Result<()> {
    if agent.is_before(Version(2, 1, 197)) {
        return Ok(()); // It says nothing about its tasks.
    }
    let scene = Scene::set(agent).await?;
    let command =
        json!({"command": "touch began; sleep 600", "description": "wait", "run_in_background": true});
    scene.api.then(Reply::new().tool_with_id("toolu_1", "Bash", &command)).then(Reply::new().text("it runs"));
    let talk = Talk::new(&scene).await?;
    talk.say("in the background").await?;
    talk.decide(&talk.asked().await?, Choice::Allow).await?;
    let result = talk.result(1).await?;
    ensure!(result["result"] == "it runs", "{result}");
    let task = talk
        .until("a task that started", |log| {
            let started = log.iter().find(|event| event["subtype"] == "task_started")?;
            Some(started["task_id"].as_str()?.to_owned())
        })
        .await?;
    talk.ask(json!({"subtype": "stop_task", "task_id": task})).await?;
    talk.until("a task that was stopped", |log| {
        log.iter()
            .find(|event| event["subtype"] == "task_notification" && event["status"] == "stopped")
            .cloned()
    })
    .await?;
    // The end of a task may begin a turn that nobody asked for; it comes to rest all the same.
    talk.idle().await?;
    Ok(())
}
