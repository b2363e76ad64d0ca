//! What a client asks an agent for beside prompts.

use anyhow::{Context, Result, ensure};
use portcullis_agents_tests::agent::{Agent, Version};
use portcullis_agents_tests::scene::Scene;
use portcullis_agents_tests::script::bash;
use portcullis_agents_tests::talk::{Talk, answers, tool_results};
use portcullis_protocol::wire::client::PermissionState;
use portcullis_testkit::{Gate, Reply};
use portcullis_wired::patience::{PATIENCE, until};
use portcullis_wired::tab::Tab;
use serde_json::json;

use crate::waiting::{begin_to_wait, waited};

pub(crate) async fn an_agent_introduces_itself_to_whoever_asks(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    scene.api.then(Reply::new().text("hello")).then(bash("toolu_1", "touch x"));
    let talk = Talk::new(&scene).await?;
    talk.turn(1, "hello").await?;
    let first = talk.ask(json!({"subtype": "initialize"})).await?;
    ensure!(first["commands"].as_array().is_some_and(|commands| !commands.is_empty()), "{first}");
    ensure!(first["models"].as_array().is_some_and(|models| !models.is_empty()), "{first}");
    talk.say("go").await?;
    let asked = talk.asked().await?;
    let other = Tab::open(scene.stage.owner.clone(), &talk.session, 2);
    other.online().await?;
    let answer = other.ask(&json!({"subtype": "initialize"})).await?;
    let pending = answer["response"]["pending_permission_requests"].as_array().cloned().unwrap_or_default();
    ensure!(pending.len() == 1 && pending[0]["request_id"] == asked.id.as_str(), "{answer}");
    ensure!(answer["response"]["response"]["commands"] == first["commands"], "the same as it told once");
    Ok(())
}

pub(crate) async fn an_interrupt_ends_what_is_said(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    scene.api.then(Reply::new().begin_text("Once upon a time").stall());
    scene.api.then(Reply::new().text("as you like"));
    let talk = Talk::new(&scene).await?;
    talk.say("tell me a story").await?;
    scene.api.until_asked(1).await;
    talk.listed("running").await?;
    talk.ask(json!({"subtype": "interrupt"})).await?;
    let result = talk.result(1).await?;
    ensure!(result["subtype"] == "error_during_execution", "{result}");
    talk.until("the mark of it", |log| {
        log.iter().find(|event| event.to_string().contains("[Request interrupted by user]")).cloned()
    })
    .await?;
    talk.listed("idle").await?;
    let after = talk.turn(2, "something else").await?;
    ensure!(after["result"] == "as you like", "{after}");
    Ok(())
}

pub(crate) async fn an_interrupt_withdraws_what_waits(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    scene.api.then(bash("toolu_1", "touch x"));
    let talk = Talk::new(&scene).await?;
    talk.say("go").await?;
    talk.asked().await?;
    talk.ask(json!({"subtype": "interrupt"})).await?;
    talk.result(1).await?;
    let listed = talk.listed("idle").await?;
    ensure!(listed["pending_count"] == 0, "{listed}");
    talk.all_ended(1, PermissionState::Cancelled).await?;
    ensure!(!scene.stage.project()?.join("x").exists());
    Ok(())
}

pub(crate) async fn an_interrupt_withdraws_all_that_wait(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    let outside = |id: &str, path: &str| (id.to_owned(), json!({"file_path": path}));
    let reads = [outside("toolu_1", "/etc/hostname"), outside("toolu_2", "/etc/passwd")];
    let reply = reads.iter().fold(Reply::new(), |reply, (id, input)| reply.tool_with_id(id, "Read", input));
    scene.api.then(reply).then(Reply::new().text("very well"));
    let talk = Talk::new(&scene).await?;
    talk.say("look around").await?;
    talk.asked_all(2).await?;
    talk.ask(json!({"subtype": "interrupt"})).await?;
    talk.result(1).await?;
    let listed = talk.listed("idle").await?;
    ensure!(listed["pending_count"] == 0, "{listed}");
    talk.all_ended(2, PermissionState::Cancelled).await?;
    let after = talk.turn(2, "never mind").await?;
    ensure!(after["result"] == "very well", "{after}");
    Ok(())
}

pub(crate) async fn an_interrupt_ends_a_command(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    let talk = Talk::new(&scene).await?;
    begin_to_wait(&scene, &talk).await?;
    talk.ask(json!({"subtype": "interrupt"})).await?;
    let result = talk.result(1).await?;
    ensure!(result["subtype"] == "error_during_execution", "{result}");
    ensure!(tool_results(&talk.log().await?).len() == 1 && !waited(&scene)?);
    Ok(())
}

pub(crate) async fn a_model_is_chosen(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    let talk = Talk::new(&scene).await?;
    talk.turn(1, "hello").await?;
    let before = scene.api.conversation()[0].model().to_owned();
    talk.ask(json!({"subtype": "set_model", "model": "claude-haiku-4-5"})).await?;
    talk.turn(2, "hello again").await?;
    let requests = scene.api.conversation();
    let after = requests.last().context("two requests")?.model().to_owned();
    ensure!(before != after && after.starts_with("claude-haiku-4-5"), "{before} {after}");
    let listed = talk.listed("idle").await?;
    ensure!(listed["model"].as_str().is_some_and(|model| model.contains("haiku")), "{listed}");
    Ok(())
}

pub(crate) async fn a_mode_is_chosen_by_role_and_policy(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    let talk = Talk::new(&scene).await?;
    talk.turn(1, "hello").await?;
    let set = async |mode: &str| talk.ask(json!({"subtype": "set_permission_mode", "mode": mode})).await;
    set("acceptEdits").await.context("what the policy allows, an owner may")?;
    talk.listed_with("permission_mode", "acceptEdits").await?;
    ensure!(set("bypassPermissions").await.is_err(), "the policy does not allow it");
    let phone = Tab::open(scene.stage.invite("phone", "approver").await?, &talk.session, 2);
    phone.online().await?;
    let by_phone = async |mode: &str| {
        let answer = phone.ask(&json!({"subtype": "set_permission_mode", "mode": mode})).await;
        answer.is_ok_and(|answer| answer["response"]["subtype"] == "success")
    };
    ensure!(by_phone("plan").await, "towards stricter an approver may");
    talk.listed_with("permission_mode", "plan").await?;
    ensure!(!by_phone("acceptEdits").await, "towards laxer it may not");
    ensure!(talk.listed("idle").await?["permission_mode"] == "plan");
    Ok(())
}

pub(crate) async fn what_is_asked_about_is_answered(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    let gate = Gate::new();
    scene.api.then(Reply::new().begin_text("busy").wait_for(&gate).more(", done"));
    let talk = Talk::new(&scene).await?;
    talk.say("be busy").await?;
    scene.api.until_asked(1).await;
    // What an older version does not know it says so about; nothing is left hanging, and the turn goes on.
    let is_old = agent.is_before(Version(2, 1, 329));
    let known = [
        ("mcp_status", true),
        ("file_suggestions", true),
        ("get_context_usage", true),
        ("get_binary_version", true),
        ("list_models", true),
        ("list_permission_rules", true),
        ("get_session_cost", true),
        // The built-in agent has no account to look at.
        ("get_usage", agent.is_claude()),
    ];
    for (subtype, is_known) in known {
        let answer = talk.tab.ask(&json!({"subtype": subtype, "query": "needle"})).await.context(subtype)?;
        let ok = answer["response"]["subtype"] == "success";
        ensure!(ok == is_known || is_old, "{subtype} was answered {answer}");
    }
    for subtype in ["read_file", "get_settings", "mcp_set_servers", "end_session", "nonsense"] {
        let answer = talk.tab.ask(&json!({"subtype": subtype, "path": "/etc/passwd"})).await;
        let refused = answer.is_err() || answer.is_ok_and(|answer| answer["response"]["subtype"] == "error");
        ensure!(refused, "{subtype} is not for a client here");
    }
    if !agent.is_before(Version(2, 1, 329)) {
        std::fs::write(scene.stage.project()?.join("needle.txt"), "x")?;
        // It looks through the directory on its own time.
        until("a file that is suggested", PATIENCE, async || {
            let answer = talk.ask(json!({"subtype": "file_suggestions", "query": "needle"})).await?;
            Ok(answer.to_string().contains("needle.txt").then_some(()))
        })
        .await?;
    }
    gate.open();
    talk.result(1).await?;
    ensure!(answers(&talk.log().await?) == "busy, done");
    Ok(())
}
