//! An agent that has no hands of its own: the older front of Claude Code, which reads, writes and runs commands by what
//! its host offers, and tells its list of things to do as a plan.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use portcullis_agents_tests::scene::Scene;
use portcullis_agents_tests::talk::{Talk, answers, of_kind, tool_results};
use portcullis_testkit::Reply;
use portcullis_wired::patience::{PATIENCE, until};
use portcullis_wired::process::processes_in;
use serde_json::{Value, json};

use super::{claude_behind, pick};

async fn claude() -> Result<Scene> {
    claude_behind("PORTCULLIS_ACP_DESK_AGENT", Vec::new()).await
}

fn read(id: &str, path: &Path) -> Reply {
    Reply::new().tool_with_id(id, "mcp__acp__Read", &json!({"file_path": path}))
}

fn write(id: &str, path: &Path, content: &str) -> Reply {
    Reply::new().tool_with_id(id, "mcp__acp__Write", &json!({"file_path": path, "content": content}))
}

fn run(id: &str, command: &str) -> Reply {
    let input = json!({"command": command, "timeout": 60_000, "description": "as told"});
    Reply::new().tool_with_id(id, "mcp__acp__Bash", &input)
}

/// What the model was told last about its call of this id.
fn told(scene: &Scene, id: &str) -> Result<String> {
    let requests = scene.api.conversation();
    let results = requests.iter().rev().flat_map(|request| request.tool_results());
    let found = results.into_iter().find(|block| block["tool_use_id"] == id);
    Ok(found.with_context(|| format!("nothing was told about {id}"))?.to_string())
}

/// The tool calls in a log, by name and input.
fn calls(log: &[Value]) -> Vec<(&str, &Value)> {
    let blocks =
        of_kind(log, "assistant").filter_map(|event| event["message"]["content"].as_array()).flatten();
    blocks
        .filter(|block| block["type"] == "tool_use")
        .filter_map(|block| Some((block["name"].as_str()?, &block["input"])))
        .collect()
}

fn field<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_read_and_written_by_the_host_and_none_outside() -> Result<()> {
    let scene = claude().await?;
    let project = scene.stage.project()?;
    let (notes, made) = (project.join("notes.txt"), project.join("deep/made.txt"));
    let (secret, outside) = (scene.stage.home().join("secret.txt"), scene.stage.home().join("made.txt"));
    std::fs::write(&notes, "one\ntwo\n")?;
    std::fs::write(&secret, "plum\n")?;
    scene
        .api
        .then(read("toolu_1", &notes))
        .then(write("toolu_2", &made, "three\n"))
        .then(read("toolu_3", &secret))
        .then(write("toolu_4", &outside, "four\n"))
        .then(Reply::new().text("done"));
    let talk = Talk::new(&scene).await?;
    talk.say("work on files").await?;
    let asked = talk.asked().await?;
    ensure!(asked.request["tool_name"] == "Write", "{}", asked.request);
    ensure!(asked.request["input"]["content"] == "three\n", "{}", asked.request);
    ensure!(!made.exists(), "nothing is written before somebody said yes");
    pick(&talk, &asked, "allow_once").await?;
    // What a person allows the agent is still no word for what lies outside.
    talk.until("the refused reading", |log| (tool_results(log).len() >= 3).then_some(())).await?;
    let asked = talk.asked().await?;
    ensure!(asked.request["tool_use_id"] == "toolu_4", "{}", asked.request);
    pick(&talk, &asked, "allow_once").await?;
    let result = talk.result(1).await?;
    ensure!(result["subtype"] == "success", "{result}\n{}", talk.story().await);
    ensure!(std::fs::read_to_string(&made)? == "three\n" && !outside.exists(), "{}", talk.story().await);
    ensure!(told(&scene, "toolu_1")?.contains("two"), "{}", talk.story().await);
    for id in ["toolu_3", "toolu_4"] {
        let told = told(&scene, id)?;
        ensure!(told.contains("outside of the session's directory") && !told.contains("plum"), "{told}");
    }
    let log = talk.log().await?;
    let cards = calls(&log);
    let drawn = |name: &str, path: &Path| {
        cards.iter().any(|(card, input)| *card == name && input["file_path"] == json!(path))
    };
    ensure!(drawn("Read", &notes) && drawn("Write", &made), "{cards:?}");
    ensure!(of_kind(&log, "control_request").count() == 2, "one question for each\n{}", talk.story().await);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_runs_in_the_hosts_terminal_and_its_output_is_seen() -> Result<()> {
    let scene = claude().await?;
    scene
        .api
        .then(run("toolu_1", "echo plum > ran.txt; cat ran.txt; exit 3"))
        .then(run("toolu_2", "touch never.txt"))
        .then(Reply::new().text("done"));
    let talk = Talk::new(&scene).await?;
    talk.say("run it").await?;
    let asked = talk.asked().await?;
    ensure!(asked.request["tool_name"] == "Bash", "{}", asked.request);
    ensure!(
        asked.request["input"]["command"] == "echo plum > ran.txt; cat ran.txt; exit 3",
        "{}",
        asked.request
    );
    pick(&talk, &asked, "allow_once").await?;
    let shown = talk.until("what it printed", |log| tool_results(log).first().cloned()).await?;
    ensure!(shown["content"] == "Exit code 3\nplum\n", "{shown}\n{}", talk.story().await);
    let asked = talk.asked().await?;
    ensure!(asked.request["input"]["command"] == "touch never.txt", "{}", asked.request);
    pick(&talk, &asked, "reject_once").await?;
    talk.result(1).await?;
    let project = scene.stage.project()?;
    ensure!(project.join("ran.txt").exists() && !project.join("never.txt").exists());
    let told = told(&scene, "toolu_1")?;
    ensure!(told.contains("Exited with code 3") && told.contains("plum"), "{told}");
    let log = talk.log().await?;
    ensure!(of_kind(&log, "control_request").count() == 2, "one question for each\n{}", talk.story().await);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_in_the_background_is_watched_and_killed() -> Result<()> {
    let scene = claude().await?;
    let begun = json!({"command": "echo begun; sleep 600", "timeout": 600_000, "run_in_background": true});
    let look = json!({"task_id": "terminal-1", "block": false, "timeout": 1_000});
    scene
        .api
        .then(Reply::new().tool_with_id("toolu_1", "mcp__acp__Bash", &begun))
        .then(Reply::new().text("it runs"))
        .then(Reply::new().tool_with_id("toolu_2", "mcp__acp__BashOutput", &look))
        .then(Reply::new().tool_with_id("toolu_3", "mcp__acp__KillShell", &json!({"shell_id": "terminal-1"})))
        .then(Reply::new().text("it is gone"));
    let talk = Talk::new(&scene).await?;
    talk.say("in the background").await?;
    pick(&talk, &talk.asked().await?, "allow_once").await?;
    talk.result(1).await?;
    let project = scene.stage.project()?;
    let running = processes_in(&project);
    talk.turn(2, "and now kill it").await?;
    ensure!(told(&scene, "toolu_2")?.contains("begun"), "{}", talk.story().await);
    ensure!(told(&scene, "toolu_3")?.contains("killed successfully"), "{}", talk.story().await);
    ensure!(answers(&talk.log().await?).contains("it is gone"), "{}", talk.story().await);
    until("the end of the command", PATIENCE, async || Ok((processes_in(&project) < running).then_some(())))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_is_a_list_of_things_to_do() -> Result<()> {
    let scene = claude().await?;
    let todo =
        |content: &str, status: &str| json!({"content": content, "status": status, "activeForm": content});
    let first = json!({"todos": [todo("look", "in_progress"), todo("leap", "pending")]});
    let second = json!({"todos": [todo("look", "completed"), todo("leap", "in_progress")]});
    scene
        .api
        .then(Reply::new().tool_with_id("toolu_1", "TodoWrite", &first))
        .then(Reply::new().tool_with_id("toolu_2", "TodoWrite", &second))
        .then(Reply::new().text("planned"));
    let talk = Talk::new(&scene).await?;
    let result = talk.turn(1, "make a plan").await?;
    ensure!(result["subtype"] == "success", "{result}\n{}", talk.story().await);
    let log = talk.log().await?;
    let plans: Vec<Vec<(&str, &str)>> = calls(&log)
        .into_iter()
        .filter(|(name, _)| *name == "TodoWrite")
        .filter_map(|(_, input)| input["todos"].as_array())
        .map(|todos| todos.iter().map(|todo| (field(todo, "content"), field(todo, "status"))).collect())
        .collect();
    let expected = [
        vec![("look", "in_progress"), ("leap", "pending")],
        vec![("look", "completed"), ("leap", "in_progress")],
    ];
    ensure!(plans == expected, "{plans:?}\n{}", talk.story().await);
    Ok(())
}
