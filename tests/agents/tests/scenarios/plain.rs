//! A prompt and its answer.

use anyhow::{Result, ensure};
use portcullis_agents_tests::agent::Agent;
use portcullis_agents_tests::scene::Scene;
use portcullis_agents_tests::talk::{Talk, answers, of_kind};
use portcullis_protocol::session::Choice;
use portcullis_testkit::Reply;
use serde_json::json;

pub(crate) async fn a_prompt_is_answered_and_what_it_cost_is_known(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    scene.api.then(Reply::new().thinking("hm").text("forty-two"));
    let talk = Talk::new(&scene).await?;
    let result = talk.turn(1, "what is it?").await?;
    ensure!(result["subtype"] == "success" && result["result"] == "forty-two", "{result}");
    talk.idle().await?;
    ensure!(answers(&talk.log().await?) == "forty-two");
    let replays = talk.log().await?;
    let replays = of_kind(&replays, "user").filter(|event| event["isReplay"] == true).count();
    ensure!(replays == 1, "{}", talk.story().await);
    let listed = talk.listed("idle").await?;
    let [shown, counted] = [&listed, &result].map(|of| of["total_cost_usd"].as_f64().unwrap_or(-1.0));
    ensure!((shown - counted).abs() < 1e-9, "{listed} {result}");
    ensure!(listed["permission_mode"] == "default" && listed["model"].is_string(), "{listed}");
    let request = &scene.api.conversation()[0];
    ensure!(request.header("x-api-key") == Some("sk-nobody"), "{:?}", request.headers);
    Ok(())
}

/// One transparent pixel.
const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

pub(crate) async fn an_image_reaches_the_model(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    let talk = Talk::new(&scene).await?;
    let content = json!([
        {"type": "text", "text": "what is on it?"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
    ]);
    talk.post(json!({
        "type": "user", "uuid": "39ac5609-32e3-40de-9fc8-711391c3bbb5", "session_id": "", "parent_tool_use_id": null,
        "message": {"role": "user", "content": content},
    }))
    .await?;
    talk.result(1).await?;
    let requests = scene.api.conversation();
    let carried = requests.iter().any(|request| {
        let blocks = request.messages().iter().filter_map(|message| message["content"].as_array()).flatten();
        blocks.into_iter().any(|block| block["type"] == "image")
    });
    ensure!(carried, "{}", talk.story().await);
    Ok(())
}

/// Variables that steer programs, and what whoever runs the tests keeps to themselves.
const FORBIDDEN: [&str; 4] = ["LD_PRELOAD", "NODE_OPTIONS", "BASH_ENV", "PORTCULLIS_BIN"];

pub(crate) async fn the_agent_sees_the_environment_of_the_list_and_nothing_else(agent: &Agent) -> Result<()> {
    let mut agent = agent.clone();
    for name in ["NODE_OPTIONS", "BASH_ENV", "AWS_SECRET_ACCESS_KEY"] {
        agent.variables.push((name.to_owned(), "/nowhere".into()));
    }
    let scene = Scene::set(&agent).await?;
    let dump = json!({"command": "env > seen.txt", "description": "look around"});
    scene.api.then(Reply::new().tool_with_id("toolu_env", "Bash", &dump));
    let talk = Talk::new(&scene).await?;
    talk.say("look around").await?;
    talk.decide(&talk.asked().await?, Choice::Allow).await?;
    talk.result(1).await?;
    let seen = std::fs::read_to_string(scene.stage.project()?.join("seen.txt"))?;
    let names: Vec<&str> =
        seen.lines().filter_map(|line| line.split_once('=').map(|(name, _)| name)).collect();
    ensure!(names.contains(&"PATH") && names.contains(&"HOME"), "{names:?}");
    for name in FORBIDDEN.iter().chain(&["AWS_SECRET_ACCESS_KEY"]) {
        ensure!(!seen.contains(&format!("{name}=/nowhere")), "{name} is seen: {seen}");
    }
    Ok(())
}
