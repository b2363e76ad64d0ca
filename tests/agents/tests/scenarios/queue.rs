//! Prompts that come while the agent is busy.

use anyhow::{Result, ensure};
use portcullis_agents_tests::agent::{Agent, Version};
use portcullis_agents_tests::scene::Scene;
use portcullis_agents_tests::script::bash;
use portcullis_agents_tests::talk::{Asked, Talk, answers, of_kind};
use portcullis_protocol::session::Choice;
use portcullis_protocol::session::transcript::ItemBody;
use portcullis_testkit::{Gate, Reply};
use portcullis_wired::patience::{PATIENCE, until};
use serde_json::{Value, json};

/// The first version that merges what waited.
const MERGES: Version = Version(2, 1, 197);
/// The first version that tells what becomes of each prompt.
const TELLS: Version = Version(2, 1, 329);

fn prompt(uuid: &str, text: &str, priority: &str) -> Value {
    json!({
        "type": "user", "uuid": uuid, "session_id": "", "parent_tool_use_id": null, "priority": priority,
        "message": {"role": "user", "content": text},
    })
}

fn uuid(last: u8) -> String {
    format!("39ac5609-32e3-40de-9fc8-7113910000{last:02}")
}

/// An agent that speaks until the gate is opened.
async fn busy(scene: &Scene) -> Result<(Talk<'_>, Gate)> {
    let gate = Gate::new();
    scene.api.then(Reply::new().begin_text("first").wait_for(&gate));
    let talk = Talk::new(scene).await?;
    talk.say("one").await?;
    scene.api.until_asked(1).await;
    Ok((talk, gate))
}

/// An agent that waits for a person.
async fn asking(scene: &Scene) -> Result<(Talk<'_>, Asked)> {
    scene.api.then(bash("toolu_1", "touch x"));
    let talk = Talk::new(scene).await?;
    talk.say("one").await?;
    let asked = talk.asked().await?;
    Ok((talk, asked))
}

pub(crate) async fn prompts_that_came_meanwhile_are_all_answered(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    let (talk, gate) = busy(&scene).await?;
    let mut waiting = Vec::new();
    for text in ["two", "three", "four"] {
        waiting.push(talk.say(text).await?);
    }
    talk.handed_over(&waiting).await?;
    gate.open();
    talk.idle().await?;
    let asked: Vec<String> =
        scene.api.conversation().iter().map(|request| request.body["messages"].to_string()).collect();
    ensure!(asked.last().is_some_and(|last| ["two", "three", "four"].iter().all(|text| last.contains(text))));
    let log = talk.log().await?;
    let results = of_kind(&log, "result").count();
    ensure!(results == if agent.is_before(MERGES) { 4 } else { 2 }, "{}", talk.story().await);
    // What a person typed is shown once each, however it was merged.
    let shown = talk
        .tab
        .with(|driver| {
            let items = driver.session().transcript().items();
            items.filter(|item| matches!(item.body, ItemBody::Prompt(_))).count()
        })
        .await?;
    ensure!(shown == 4, "{shown} prompts are shown\n{}", talk.story().await);
    Ok(())
}

pub(crate) async fn a_queued_prompt_is_cancelled(agent: &Agent) -> Result<()> {
    if agent.is_before(Version(2, 1, 197)) {
        return Ok(()); // It cannot take a prompt back.
    }
    let scene = Scene::set(agent).await?;
    let (talk, gate) = busy(&scene).await?;
    let unwanted = talk.say("never mind this").await?;
    talk.handed_over(std::slice::from_ref(&unwanted)).await?;
    // The acknowledgement of a prompt says that it stands on the agent's stdin, not that it was read there.
    until("a prompt that is taken back", PATIENCE, async || {
        let answer = talk.ask(json!({"subtype": "cancel_async_message", "message_uuid": unwanted})).await?;
        Ok((answer["cancelled"] == true).then_some(()))
    })
    .await?;
    gate.open();
    talk.result(1).await?;
    talk.idle().await?;
    ensure!(scene.api.conversation().len() == 1, "{}", talk.story().await);
    Ok(())
}

pub(crate) async fn an_urgent_prompt_goes_first(agent: &Agent) -> Result<()> {
    if agent.is_before(Version(2, 1, 197)) {
        return Ok(()); // It knows no priorities.
    }
    let scene = Scene::set(agent).await?;
    scene.api.then(Reply::new().begin_text("a long story").stall());
    scene.api.then(Reply::new().text("at once"));
    let talk = Talk::new(&scene).await?;
    talk.say("one").await?;
    scene.api.until_asked(1).await;
    talk.post(prompt(&uuid(1), "hurry", "now")).await?;
    let first = talk.result(1).await?;
    let second = talk.result(2).await?;
    ensure!(second["result"] == "at once", "{first} {second}");
    talk.idle().await?;
    Ok(())
}

pub(crate) async fn a_late_prompt_waits_for_its_own_turn(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    let (talk, asked) = asking(&scene).await?;
    scene.api.then(Reply::new().text("first")).then(Reply::new().text("second"));
    talk.post(prompt(&uuid(2), "when you have time", "later")).await?;
    talk.handed_over(&[uuid(2)]).await?;
    talk.decide(&asked, Choice::Allow).await?;
    let first = talk.result(1).await?;
    if !agent.is_before(TELLS) {
        ensure!(first["result"] == "first", "{first}");
        let second = talk.result(2).await?;
        ensure!(second["result"] == "second", "{second}");
    }
    talk.idle().await?;
    Ok(())
}

pub(crate) async fn a_prompt_is_folded_into_a_turn_that_waits_for_a_person(agent: &Agent) -> Result<()> {
    let scene = Scene::set(agent).await?;
    let (talk, asked) = asking(&scene).await?;
    scene.api.then(Reply::new().text("both done"));
    let second = talk.say("and another thing").await?;
    talk.handed_over(&[second]).await?;
    ensure!(talk.asked().await?.id == asked.id, "a prompt answers no request");
    talk.decide(&asked, Choice::Allow).await?;
    talk.idle().await?;
    let requests = scene.api.conversation();
    let last = requests.last().map(|request| request.body["messages"].to_string()).unwrap_or_default();
    ensure!(last.contains("and another thing"), "{}", talk.story().await);
    ensure!(answers(&talk.log().await?).contains("both done"));
    Ok(())
}
