//! Gemini CLI, found on the PATH by its documented command: it writes files by what its host offers, tells no input of its
//! calls, and can only load an earlier conversation, which it repeats.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use portcullis_agents_tests::agent::Agent;
use portcullis_agents_tests::scene::Scene;
use portcullis_agents_tests::talk::{Talk, answers, of_kind, tool_results};
use portcullis_testkit::GeminiApi;
use serde_json::{Value, json};

use super::{named, pick, place};

/// Gemini CLI's settings: its key is in the environment, and nobody is told what it does.
const SETTINGS: &str = r#"{
    "general": {"enableAutoUpdate": false, "enableAutoUpdateNotification": false},
    "privacy": {"usageStatisticsEnabled": false},
    "security": {"auth": {"selectedType": "gemini-api-key"}},
    "telemetry": {"enabled": false}
}"#;

async fn gemini() -> Result<(Scene, GeminiApi)> {
    let api = GeminiApi::start().await?;
    let given = [
        ("GEMINI_API_KEY", "nobody"),
        ("GEMINI_MODEL", "gemini-2.5-flash"),
        ("GOOGLE_GEMINI_BASE_URL", &api.base_url()),
    ];
    let variables = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    let program = Some(("gemini".to_owned(), place("PORTCULLIS_GEMINI")?));
    let agent = Agent { program, ..named("gemini", variables) };
    let node: PathBuf = place("PORTCULLIS_NODE")?;
    let scene = Scene::set_under(&agent, |laptop| laptop.programs.push(("node".to_owned(), node))).await?;
    let settings = scene.stage.home().join(".gemini");
    std::fs::create_dir_all(&settings)?;
    std::fs::write(settings.join("settings.json"), SETTINGS)?;
    Ok((scene, api))
}

/// The last thing the model was told.
fn told(api: &GeminiApi) -> Result<String> {
    let requests = api.requests();
    let contents = requests.last().and_then(|request| request["contents"].as_array()).context("a request")?;
    Ok(contents.last().context("a message")?.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_made_and_changed_by_the_host_and_a_command_is_asked_about() -> Result<()> {
    let (scene, api) = gemini().await?;
    let project = scene.stage.project()?;
    let (notes, made) = (project.join("notes.txt"), project.join("made.txt"));
    std::fs::write(&notes, "one\ntwo\n")?;
    let change =
        json!({"file_path": notes, "old_string": "two", "new_string": "three", "instruction": "as told"});
    api.then_call("read_file", &json!({"file_path": notes}))
        .then_call("write_file", &json!({"file_path": made, "content": "four\n"}))
        .then_call("replace", &change)
        .then_call("run_shell_command", &json!({"command": "touch ran.txt", "description": "as told"}))
        .then_text("done");
    let talk = Talk::new(&scene).await?;
    talk.say("work on files").await?;
    let asked = talk.asked().await?;
    let (name, input) = (&asked.request["tool_name"], &asked.request["input"]);
    ensure!(name == "Write" || name == "Edit", "{}", asked.request);
    ensure!(input["file_path"] == json!(made) && input.to_string().contains("four"), "{}", asked.request);
    ensure!(!made.exists(), "nothing is written before somebody said yes");
    pick(&talk, &asked, "allow_once").await?;
    talk.until("the file that is made", |_| made.exists().then_some(())).await?;
    let asked = talk.asked().await?;
    ensure!(asked.request["tool_name"] == "Edit", "{}", asked.request);
    ensure!(asked.request["input"]["new_string"] == "one\nthree\n", "{}", asked.request);
    pick(&talk, &asked, "allow_once").await?;
    talk.until("the change", |log| {
        let drawn =
            |event: &Value| event["tool_use_result"]["structuredPatch"].to_string().contains("+three");
        log.iter().any(drawn).then_some(())
    })
    .await?;
    let asked = talk.asked().await?;
    let input = &asked.request["input"];
    ensure!(input["title"] == "touch ran.txt", "{}", asked.request);
    ensure!(input["details"].as_str().is_some_and(|words| words.contains("as told")), "{}", asked.request);
    pick(&talk, &asked, "reject_once").await?;
    let result = talk.result(1).await?;
    ensure!(result["subtype"] == "success", "{result}\n{}", talk.story().await);
    ensure!(
        std::fs::read_to_string(&made)? == "four\n" && std::fs::read_to_string(&notes)? == "one\nthree\n"
    );
    ensure!(
        !project.join("ran.txt").exists() && told(&api)?.contains("canceled by the user"),
        "{}",
        told(&api)?
    );
    let log = talk.log().await?;
    ensure!(of_kind(&log, "control_request").count() == 3, "one question for each\n{}", talk.story().await);
    ensure!(tool_results(&log).len() == 4 && answers(&log).contains("done"), "{}", talk.story().await);
    Ok(())
}

/// It names its records by the minute they begin in, and overwrites one that it loads within that minute.
fn make_older(scene: &Scene) -> Result<()> {
    let records = scene.stage.home().join(".gemini/tmp/project/chats");
    for (at, record) in std::fs::read_dir(&records)?.enumerate() {
        let record = record?.path();
        let name = record.file_stem().and_then(|name| name.to_str()).context("a name")?;
        let (_, id) = name.rsplit_once('-').context("a name that ends in the id")?;
        std::fs::rename(&record, records.join(format!("session-2020-01-01T00-{at:02}-{id}.jsonl")))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_earlier_conversation_is_loaded_and_not_said_again() -> Result<()> {
    let (mut scene, api) = gemini().await?;
    for words in ["plum, noted", "pear, noted"] {
        api.then_text(words);
    }
    let parts = {
        let talk = Talk::new(&scene).await?;
        talk.turn(1, "remember plum").await?;
        talk.turn(2, "remember pear").await?;
        talk.recorded("pear, noted").await?;
        talk.listed("idle").await?;
        talk.into_parts()
    };
    scene.stage.kill_bridge().await?;
    make_older(&scene)?;
    scene.stage.start_bridge().await?;
    let talk = Talk::from_parts(&scene, parts);
    api.then_text("plum and pear");
    talk.turn(3, "which words?").await?;
    let request = api.requests().last().context("a request")?["contents"].to_string();
    ensure!(request.contains("remember plum") && request.contains("pear, noted"), "{}", talk.story().await);
    let said = answers(&talk.log().await?);
    ensure!(said == "plum, noted\npear, noted\nplum and pear", "{said}\n{}", talk.story().await);
    Ok(())
}
