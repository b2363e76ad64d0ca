//! Failures of others, each as a test that bears its number: the rows of the attack list that real processes can show
//! without a browser. docs/attacks.md says where the other rows are.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use portcullis_protocol::RawJson;
use portcullis_protocol::session::Choice;
use portcullis_protocol::session::transcript::Activity;
use portcullis_protocol::wire::client::{PermissionState, Presence};
use portcullis_wired::patience::{PATIENCE, until};
use portcullis_wired::stage::Stage;
use portcullis_wired::storm::marks;
use portcullis_wired::tab::{Driver, Tab};
use serde_json::json;

/// How soon the bridge has a decision, on a machine that is not busy with something else.
const AT_ONCE: Duration = Duration::from_secs(1);

pub(crate) async fn scene() -> Result<(Stage, String, Tab)> {
    let stage = Stage::set().await?;
    let session = stage.owner.new_session().await?;
    let tab = stage.tab(&session, 1)?;
    tab.online().await?;
    Ok((stage, session, tab))
}

pub(crate) fn waiting(driver: &mut Driver) -> Vec<String> {
    let entries = driver.session().ledger().entries().iter();
    entries
        .filter(|entry| entry.state == PermissionState::Pending)
        .map(|entry| entry.request_id.clone())
        .collect()
}

/// The same with the agent on strings.
pub(crate) async fn puppet_scene() -> Result<(Stage, String, Tab)> {
    let stage = Stage::set_with_agent(Path::new(env!("CARGO_BIN_EXE_puppet"))).await?;
    let made =
        stage.owner.must(reqwest::Method::POST, "/v1/sessions", Some(json!({"agent": "claude"}))).await?;
    let session = made["id"].as_str().context("a session")?.to_owned();
    let tab = stage.tab(&session, 1)?;
    tab.online().await?;
    Ok((stage, session, tab))
}

/// What the puppet was answered: request and answer, in the order it came.
pub(crate) fn answers(stage: &Stage) -> Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(stage.project()?.join("answers.txt")).unwrap_or_default();
    let read = |line: &str| match line.splitn(3, ' ').collect::<Vec<_>>()[..] {
        [request, _, answer] => Some((request.to_owned(), answer.to_owned())),
        _ => None,
    };
    Ok(text.lines().filter_map(read).collect())
}

async fn three_waiting(tab: &Tab) -> Result<Vec<String>> {
    let lines = ["r0", "r1", "r2"].map(|id| {
        let request = json!({
            "subtype": "can_use_tool", "tool_name": "Bash", "tool_use_id": format!("toolu_{id}"),
            "input": {"command": format!("echo {id}")},
        });
        json!({"type": "control_request", "request_id": id, "request": request}).to_string()
    });
    tab.prompt(lines.join("\n")).await?;
    tab.until("three requests at once", |driver| Some(waiting(driver)).filter(|all| all.len() == 3)).await
}

pub(crate) async fn idle(tab: &Tab) -> Result<()> {
    tab.until("the end of the turn", |driver| {
        let session = driver.session();
        (session.activity() == Activity::Idle && session.transcript().queue().is_empty()).then_some(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn cc61177_a_decision_is_delivered_within_a_second_and_an_offline_bridge_is_said_before_the_click()
-> Result<()> {
    let (mut stage, _, tab) = scene().await?;
    let mut fastest = Duration::MAX;
    for round in 0..5 {
        tab.prompt(format!("@bash echo {round} >> ran.txt")).await?;
        let request = tab.asked().await?;
        tab.decide(&request, Choice::Allow).await?;
        tab.state(&request, PermissionState::Settled).await?;
        let took = tab
            .with(move |driver| driver.delivered[&request].duration_since(driver.clicked[&request]))
            .await?;
        fastest = fastest.min(took);
    }
    ensure!(fastest < AT_ONCE, "the fastest of five decisions took {fastest:?}");
    tab.prompt("@bash echo never >> ran.txt").await?;
    let request = tab.asked().await?;
    stage.kill_bridge().await?;
    tab.until("a worker that is offline", |driver| {
        (driver.session().worker().state == Presence::Offline).then_some(())
    })
    .await?;
    let state = tab
        .with(move |driver| {
            driver.session().ledger().get(&request).map(|entry| (entry.state, entry.click.clone()))
        })
        .await?;
    ensure!(
        state == Some((PermissionState::Pending, Default::default())),
        "said before any click: {state:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn cc66366_three_requests_are_shown_at_once_and_answered_in_any_order() -> Result<()> {
    let (stage, _, tab) = puppet_scene().await?;
    let requests = three_waiting(&tab).await?;
    ensure!(requests == ["r0", "r1", "r2"], "{requests:?}");
    for index in [2, 0, 1] {
        tab.decide(&requests[index], Choice::Allow).await?;
        tab.state(&requests[index], PermissionState::Delivered).await?;
    }
    let answered = until("three answers", PATIENCE, async || {
        Ok(Some(answers(&stage)?).filter(|answers| answers.len() == 3))
    })
    .await?;
    ensure!(answered == ["r2", "r0", "r1"].map(|id| (id.to_owned(), "allow".to_owned())), "{answered:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn cc30489_after_a_reconnect_exactly_what_waits_is_open_and_nothing_that_was_answered() -> Result<()> {
    let (stage, session, tab) = puppet_scene().await?;
    let requests = three_waiting(&tab).await?;
    tab.decide(&requests[1], Choice::Deny { message: "no".into(), interrupt: false }).await?;
    tab.state(&requests[1], PermissionState::Delivered).await?;
    let opened = tab.with(|driver| driver.opened).await?;
    stage.front.cut_all();
    tab.until("another socket", move |driver| (driver.opened > opened).then_some(())).await?;
    tab.online().await?;
    let left = vec![requests[0].clone(), requests[2].clone()];
    ensure!(tab.with(waiting).await? == left, "the tab that came back");
    let other = Tab::open_at_the_tail(stage.owner.clone(), &session, 9);
    other.online().await?;
    ensure!(other.with(waiting).await? == left, "a tab that came after");
    let asked = tab.with(|driver| driver.asked.clone()).await?;
    ensure!(asked.values().all(|times| *times == 1), "a request came as new again: {asked:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn cc29863_what_one_device_decided_the_other_shows_as_decided_by_it() -> Result<()> {
    let (stage, session, tab) = scene().await?;
    let phone = stage.invite("my phone", "approver").await?;
    let other = Tab::open(phone, &session, 2);
    tab.prompt("@bash echo 0 >> ran.txt").await?;
    let request = other.asked().await?;
    ensure!(tab.asked().await? == request);
    other.decide(&request, Choice::Allow).await?;
    tab.state(&request, PermissionState::Settled).await?;
    let by = tab
        .with(move |driver| driver.session().ledger().get(&request).map(|entry| entry.decided_by.clone()))
        .await?;
    ensure!(by == Some(Some("my phone".into())), "{by:?}");
    ensure!(tab.with(waiting).await?.is_empty(), "a stale request");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn cc55619_of_two_opposite_answers_the_first_wins_and_the_command_follows_it() -> Result<()> {
    let (stage, session, tab) = scene().await?;
    let phone = Tab::open(stage.invite("my phone", "approver").await?, &session, 2);
    phone.online().await?;
    for round in 0..5_u8 {
        tab.prompt(format!("@bash echo {round} >> ran.txt")).await?;
        let request = tab.asked().await?;
        ensure!(phone.asked().await? == request);
        let deny = Choice::Deny { message: "no".into(), interrupt: false };
        let (allowed, denied) =
            tokio::join!(tab.decide(&request, Choice::Allow), phone.decide(&request, deny));
        allowed.and(denied)?;
        tab.state(&request, PermissionState::Settled).await?;
        idle(&tab).await?;
        let id = request.clone();
        let behavior = tab
            .with(move |driver| driver.session().ledger().get(&id).and_then(|entry| entry.behavior.clone()))
            .await?;
        let ran = marks(&stage)?.contains(&round.to_string());
        ensure!(behavior.as_deref() == Some(if ran { "allow" } else { "deny" }), "{behavior:?}, ran: {ran}");
        let count = |driver: &mut Driver| driver.decided.values().sum::<u32>();
        let taken = tab.with(count).await? + phone.with(count).await?;
        ensure!(taken == u32::from(round) + 1, "{taken} decisions were taken in {} rounds", round + 1);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn cc71116_one_request_is_one_prompt_over_an_allow_and_a_reconnect() -> Result<()> {
    let (stage, _, tab) = scene().await?;
    tab.prompt("@bash echo 0 >> ran.txt").await?;
    let request = tab.asked().await?;
    // The click may be lost with its connection; then the request is shown as it was, and is clicked again.
    tab.approve_all(true).await?;
    stage.front.cut_all();
    until("the command", PATIENCE, async || Ok((!marks(&stage)?.is_empty()).then_some(()))).await?;
    tab.online().await?;
    idle(&tab).await?;
    let asked = tab.with(|driver| driver.asked.clone()).await?;
    ensure!(asked.len() == 1 && asked[&request] == 1, "{asked:?}");
    ensure!(marks(&stage)? == ["0"]);
    Ok(())
}

/// Every kind of request an agent may send, and one nobody knows.
fn kinds() -> Vec<(&'static str, serde_json::Value)> {
    vec![
        (
            "tool",
            json!({"subtype": "can_use_tool", "tool_name": "Bash", "tool_use_id": "t", "input": {"command": "x"}}),
        ),
        (
            "hook",
            json!({"subtype": "hook_callback", "callback_id": "h", "input": {"hook_event_name": "Stop"}}),
        ),
        (
            "mcp",
            json!({"subtype": "mcp_message", "server_name": "s", "message": {"jsonrpc": "2.0", "id": 1, "method": "x"}}),
        ),
        ("elicit", elicitation()),
        ("elicit-no", elicitation()),
        (
            "page",
            json!({"subtype": "elicitation", "mcp_server_name": "s", "mode": "url", "url": "https://a.example/"}),
        ),
        ("dialog-no", json!({"subtype": "request_user_dialog", "dialog_kind": "d", "payload": {}})),
        ("dialog", json!({"subtype": "request_user_dialog", "dialog_kind": "d", "payload": {}})),
        ("unknown", json!({"subtype": "of_a_later_version"})),
    ]
}

fn elicitation() -> serde_json::Value {
    json!({"subtype": "elicitation", "mcp_server_name": "s", "message": "Which one?", "requested_schema":
        {"type": "object", "properties": {"which": {"type": "string"}, "n": {"type": "number"}}, "required": ["which"]}})
}

/// What a person says to each kind, and what the agent has to read then.
fn said(id: &str) -> Result<(Choice, &'static str)> {
    let raw = |text: &str| RawJson::parse(text).context("JSON");
    let no = Choice::Deny { message: "no".into(), interrupt: false };
    Ok(match id {
        "elicit" => (
            Choice::Accept { content: Some(raw(r#"{"which":"the other","n":1}"#)?) },
            r#"{"action":"accept","content":{"which":"the other","n":1}}"#,
        ),
        "elicit-no" => (no, r#"{"action":"decline"}"#),
        "page" => (Choice::Accept { content: None }, r#"{"action":"accept"}"#),
        "dialog" => (
            Choice::Complete { result: raw(r#"{"picked":[1]}"#)? },
            r#"{"behavior":"completed","result":{"picked":[1]}}"#,
        ),
        "dialog-no" => (no, r#"{"behavior":"cancelled"}"#),
        "tool" => (no, "deny"),
        _ => (no, "error"),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn cc36439_cc87340_every_kind_of_request_has_an_answer_and_an_unknown_one_an_error() -> Result<()> {
    let (stage, _, tab) = puppet_scene().await?;
    let lines = kinds().into_iter().map(|(id, request)| {
        json!({"type": "control_request", "request_id": id, "request": request}).to_string()
    });
    tab.prompt(lines.collect::<Vec<_>>().join("\n")).await?;
    let answered = until("an answer to every request", PATIENCE, async || {
        for request in tab.with(waiting).await? {
            tab.decide(&request, said(&request)?.0).await?;
        }
        let found = answers(&stage)?;
        Ok(kinds().iter().all(|(id, _)| found.iter().any(|(request, _)| request == id)).then_some(found))
    })
    .await
    .with_context(|| format!("{:?}\n{}", answers(&stage), stage.logs()))?;
    for (id, _) in kinds() {
        let to_it: Vec<&str> =
            answered.iter().filter(|(request, _)| request == id).map(|(_, answer)| answer.as_str()).collect();
        ensure!(to_it == [said(id)?.1], "{id} was answered {to_it:?}");
    }
    println!("{answered:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn openclaw28997_any_number_of_junk_credentials_lets_the_right_one_in() -> Result<()> {
    let (stage, _, tab) = scene().await?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    for number in 0..300 {
        let url = format!("http://{}", stage.address());
        let answer = match number % 3 {
            0 => {
                http.get(format!("{url}/v1/auth/whoami")).bearer_auth(format!("junk{number}")).send().await?
            }
            1 => http.get(format!("{url}/v1/auth/whoami")).send().await?,
            _ => {
                let body = json!({"code": format!("junk{number}"), "device_name": "x"});
                http.post(format!("{url}/v1/auth/pair")).json(&body).send().await?
            }
        };
        ensure!(answer.status().is_client_error(), "{}", answer.status());
    }
    stage.owner.forget_token().await;
    stage.owner.must(reqwest::Method::GET, "/v1/auth/whoami", None).await?;
    stage.invite("late", "viewer").await.context("a right code")?;
    stage.front.cut_all();
    tab.online().await
}
