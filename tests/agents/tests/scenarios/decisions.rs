//! What a person decides about, and that exactly this happens.

use anyhow::{Context, Result, ensure};
use portcullis_agents_tests::agent::{Agent, Version};
use portcullis_agents_tests::scene::Scene;
use portcullis_agents_tests::script::bash;
use portcullis_agents_tests::talk::{Asked, Talk, tool_results};
use portcullis_protocol::RawJson;
use portcullis_protocol::session::Choice;
use portcullis_testkit::Reply;
use serde_json::{Value, json};

fn touch(id: &str, name: &str) -> Reply {
    bash(id, &format!("touch {name}"))
}

fn deny(message: &str, interrupt: bool) -> Choice {
    Choice::Deny { message: message.into(), interrupt }
}

fn exists(scene: &Scene, name: &str) -> Result<bool> {
    Ok(scene.stage.project()?.join(name).exists())
}

/// The place of the suggestion that `is_it` among those of a request.
fn suggestion(asked: &Asked, is_it: impl Fn(&Value) -> bool) -> Result<usize> {
    let all = asked.request["permission_suggestions"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().position(is_it).with_context(|| format!("no such suggestion in {}", asked.request))
}

pub(crate) async fn an_allowed_command_runs_and_a_denied_one_does_not(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    scene
        .api
        .then(touch("toolu_1", "yes.txt"))
        .then(touch("toolu_2", "no.txt"))
        .then(Reply::new().text("so be it"));
    let talk = Talk::new(&scene).await?;
    talk.say("make two files").await?;
    let asked = talk.asked().await?;
    ensure!(asked.request["tool_name"] == "Bash" && asked.request["input"]["command"] == "touch yes.txt");
    ensure!(talk.listed("requires_action").await?["pending_count"] == 1);
    talk.decide(&asked, Choice::Allow).await?;
    talk.until("the first result", |log| (tool_results(log).len() == 1).then_some(())).await?;
    talk.decide(&talk.asked().await?, deny("Please keep the directory as it is.", false)).await?;
    let result = talk.result(1).await?;
    ensure!(result["subtype"] == "success" && result["result"] == "so be it", "{result}");
    ensure!(exists(&scene, "yes.txt")? && !exists(&scene, "no.txt")?);
    let results = tool_results(&talk.log().await?);
    ensure!(
        results[1]["content"] == "Please keep the directory as it is." && results[1]["is_error"] == true,
        "{results:?}"
    );
    ensure!(result["permission_denials"].as_array().is_some_and(|denials| denials.len() == 1), "{result}");
    Ok(())
}

pub(crate) async fn an_edited_input_is_what_runs(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    scene.api.then(touch("toolu_1", "asked.txt"));
    let talk = Talk::new(&scene).await?;
    talk.say("make a file").await?;
    let asked = talk.asked().await?;
    let mut input = asked.request["input"].clone();
    input["command"] = json!("touch edited.txt");
    talk.decide(&asked, Choice::AllowEdited { input: RawJson::from_value(&input) }).await?;
    talk.result(1).await?;
    ensure!(exists(&scene, "edited.txt")? && !exists(&scene, "asked.txt")?, "{}", talk.story().await);
    talk.until("a word about the edit", |log| {
        log.iter().find(|event| event["subtype"] == "input_edited").cloned()
    })
    .await?;
    Ok(())
}

pub(crate) async fn a_granted_rule_covers_the_next_call(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    // No file is changed: what is asked about is the command alone.
    let command = "python3 -c pass";
    scene.api.then(bash("toolu_1", command)).then(bash("toolu_2", command)).then(Reply::new().text("twice"));
    let talk = Talk::new(&scene).await?;
    talk.say("twice, please").await?;
    let asked = talk.asked().await?;
    let rule = suggestion(&asked, |one| one["type"] == "addRules")?;
    talk.decide(&asked, Choice::AllowWith { suggestion: rule }).await?;
    if agent.version == Some(Version(2, 1, 197)) {
        // It writes the rule down and asks about a command that is a program's text all the same.
        talk.until("the first result", |log| (tool_results(log).len() == 1).then_some(())).await?;
        talk.decide(&talk.asked().await?, Choice::Allow).await?;
    }
    let result = talk.result(1).await?;
    ensure!(result["result"] == "twice", "{result}");
    if agent.is_claude() {
        let written = std::fs::read_to_string(scene.stage.project()?.join(".claude/settings.local.json"))?;
        ensure!(written.contains(command), "{written}");
    }
    ensure!(tool_results(&talk.log().await?).len() == 2, "{}", talk.story().await);
    Ok(())
}

pub(crate) async fn a_granted_mode_is_reported_and_holds(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    let project = scene.stage.project()?;
    let write = |id: &str, name: &str| {
        let path = project.join(name).display().to_string();
        Reply::new().tool_with_id(id, "Write", &json!({"file_path": path, "content": "x"}))
    };
    scene
        .api
        .then(write("toolu_1", "one.txt"))
        .then(write("toolu_2", "two.txt"))
        .then(Reply::new().text("both"));
    let talk = Talk::new(&scene).await?;
    talk.say("write two files").await?;
    let asked = talk.asked().await?;
    let mode = suggestion(&asked, |one| one["type"] == "setMode" && one["mode"] == "acceptEdits")?;
    talk.decide(&asked, Choice::AllowWith { suggestion: mode }).await?;
    talk.result(1).await?;
    ensure!(exists(&scene, "one.txt")? && exists(&scene, "two.txt")?);
    let listed = talk.listed("idle").await?;
    ensure!(listed["permission_mode"] == "acceptEdits", "{listed}");
    Ok(())
}

pub(crate) async fn a_denial_that_interrupts_ends_the_turn(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    scene.api.then(touch("toolu_1", "no.txt")).then(Reply::new().text("again at your service"));
    let talk = Talk::new(&scene).await?;
    talk.say("make a file").await?;
    talk.decide(&talk.asked().await?, deny("stop", true)).await?;
    let result = talk.result(1).await?;
    ensure!(result["subtype"] == "error_during_execution", "{result}");
    ensure!(!exists(&scene, "no.txt")?);
    let after = talk.turn(2, "still there?").await?;
    ensure!(after["result"] == "again at your service", "{after}");
    Ok(())
}

pub(crate) async fn a_question_is_answered_by_its_full_text(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    let option = |label: &str| json!({"label": label, "description": label});
    let question = json!({
        "question": "Which way?", "header": "Way", "multiSelect": false, "options": [option("left"), option("right")],
    });
    let questions = json!({"questions": [question]});
    scene.api.then(Reply::new().tool_with_id("toolu_1", "AskUserQuestion", &questions));
    scene.api.then(Reply::new().text("left it is"));
    let talk = Talk::new(&scene).await?;
    talk.say("ask me").await?;
    let asked = talk.asked().await?;
    ensure!(asked.request["tool_name"] == "AskUserQuestion", "{}", asked.request);
    let mut input = asked.request["input"].clone();
    input["answers"] = json!({"Which way?": "left"});
    talk.decide(&asked, Choice::Answer { input: RawJson::from_value(&input) }).await?;
    let result = talk.result(1).await?;
    ensure!(result["result"] == "left it is", "{result}");
    let results = tool_results(&talk.log().await?);
    ensure!(results[0].to_string().contains("left"), "{results:?}");
    Ok(())
}

pub(crate) async fn a_plan_is_refused_then_approved(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    let plan = |id: &str, text: &str| Reply::new().tool_with_id(id, "ExitPlanMode", &json!({"plan": text}));
    scene.api.then(plan("toolu_1", "first thoughts")).then(plan("toolu_2", "second thoughts"));
    scene.api.then(Reply::new().text("off we go"));
    let talk = Talk::with(&scene, json!({"permission_mode": "plan"})).await?;
    talk.say("plan it").await?;
    let asked = talk.asked().await?;
    ensure!(asked.request["tool_name"] == "ExitPlanMode", "{}", asked.request);
    talk.decide(&asked, deny("think again", false)).await?;
    talk.until("the refusal", |log| (tool_results(log).len() == 1).then_some(())).await?;
    let asked = talk.asked().await?;
    talk.decide(&asked, Choice::Allow).await?;
    let result = talk.result(1).await?;
    ensure!(result["result"] == "off we go", "{result}");
    let results = tool_results(&talk.log().await?);
    ensure!(results[0].to_string().contains("think again"), "{results:?}");
    let listed = talk.listed("idle").await?;
    // Approved, the session is in the mode it had before, or in none that edits by itself.
    ensure!(listed["permission_mode"] == "default", "{listed}");
    Ok(())
}

pub(crate) async fn calls_of_one_answer_ask_one_after_the_other(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    let call = |name: &str| json!({"command": format!("touch {name}"), "description": "as told"});
    let both = Reply::new().tool_with_id("toolu_1", "Bash", &call("one.txt")).tool_with_id(
        "toolu_2",
        "Bash",
        &call("two.txt"),
    );
    scene.api.then(both).then(Reply::new().text("done"));
    let talk = Talk::new(&scene).await?;
    talk.say("two at once").await?;
    let first = talk.asked().await?;
    ensure!(first.request["tool_use_id"] == "toolu_1", "{}", first.request);
    talk.decide(&first, Choice::Allow).await?;
    talk.until("the first result", |log| (tool_results(log).len() == 1).then_some(())).await?;
    let second = talk.asked().await?;
    ensure!(second.request["tool_use_id"] == "toolu_2", "{}", second.request);
    talk.decide(&second, deny("one is enough", false)).await?;
    let result = talk.result(1).await?;
    // Old versions end the turn when a later call of one answer is denied.
    ensure!(result["result"] == "done" || agent.is_before(Version(2, 1, 197)), "{result}");
    ensure!(exists(&scene, "one.txt")? && !exists(&scene, "two.txt")?);
    Ok(())
}
