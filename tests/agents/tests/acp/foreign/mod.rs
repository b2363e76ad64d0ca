//! The agents, each by what only it shows.

mod desk;
mod front;
mod gemini;
mod path;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result};
use portcullis_agents_tests::agent::Agent;
use portcullis_agents_tests::scene::Scene;
use portcullis_agents_tests::talk::{Asked, Talk};
use portcullis_protocol::session::Choice;
use portcullis_testkit::Reply;
use serde_json::json;

/// Where the command that runs the tests put a program.
fn place(name: &str) -> Result<PathBuf> {
    let said = std::env::var_os(name)
        .with_context(|| format!("{name} is not set: run `cargo xtask test agents`"))?;
    Ok(PathBuf::from(said))
}

/// An agent under a name of its own, with these variables.
fn named(name: &'static str, variables: Vec<(String, OsString)>) -> Agent {
    Agent { name, program: None, version: None, model: None, variables, words: Vec::new() }
}

/// Claude Code behind the front that lies where `front` says.
async fn claude_behind(front: &str, mut variables: Vec<(String, OsString)>) -> Result<Scene> {
    let argv = [place("PORTCULLIS_NODE")?, place(front)?];
    // Without it the fronts ask for a flag that Claude Code refuses to root.
    variables.push(("IS_SANDBOX".to_owned(), "1".into()));
    let agent = named("acp", variables);
    let environment = ["ANTHROPIC_*", "CLAUDE_CODE_*", "DISABLE_*", "IS_SANDBOX"];
    let rule = json!([{"name": agent.name, "argv": argv, "environment": environment}]);
    let scene = Scene::set_under(&agent, |laptop| {
        laptop.policy.insert("acp".into(), rule);
    })
    .await?;
    asks_aside(&scene);
    Ok(scene)
}

/// What Claude Code asks beside its work has no tools, or looks ahead for what its user may say next: these fronts want
/// that, at a moment of its own.
fn asks_aside(scene: &Scene) {
    scene.api.when(|request| request.tool_names().is_empty(), Reply::new().text("a title"));
    scene.api.when(|request| request.last_text().contains("[SUGGESTION MODE"), Reply::new().text("go on"));
}

/// The id of the option of this kind.
fn option(asked: &Asked, kind: &str) -> Result<String> {
    let options = asked.request["permission_options"].as_array().context("options")?;
    let option = options.iter().find(|option| option["kind"] == kind);
    let id = option.and_then(|option| option["option_id"].as_str());
    Ok(id.with_context(|| format!("no {kind} in {}", asked.request))?.to_owned())
}

async fn pick(talk: &Talk<'_>, asked: &Asked, kind: &str) -> Result<()> {
    talk.decide(asked, Choice::Pick { option_id: option(asked, kind)? }).await
}
