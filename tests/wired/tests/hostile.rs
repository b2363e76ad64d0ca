//! An agent that means harm, against the real program: what one machine's own tests show for each part, once with all of
//! them together.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use portcullis_protocol::limits::PENDING_REQUESTS_MAX;
use portcullis_protocol::session::Choice;
use portcullis_protocol::wire::client::PermissionState;
use portcullis_wired::patience::{PATIENCE, until};
use portcullis_wired::stage::Stage;
use serde_json::json;

/// Requests printed at once: a second's worth of the flood in the list.
const FLOOD: usize = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn a24_of_a_thousand_requests_at_once_each_has_one_answer_and_a_person_still_decides() -> Result<()> {
    let stage = Stage::set_with_agent(Path::new(env!("CARGO_BIN_EXE_puppet"))).await?;
    let body = json!({"agent": "claude"});
    let made = stage.owner.must(reqwest::Method::POST, "/v1/sessions", Some(body)).await?;
    let tab = stage.tab(made["id"].as_str().context("a session")?, 1)?;
    tab.online().await?;
    let request = |number: usize| {
        let request = json!({
            "subtype": "can_use_tool", "tool_name": "Bash", "tool_use_id": format!("t{number}"),
            "input": {"command": "true"},
        });
        json!({"type": "control_request", "request_id": format!("r{number}"), "request": request}).to_string()
    };
    tab.prompt((0..FLOOD).map(request).collect::<Vec<_>>().join("\n")).await?;
    let notes = stage.project()?.join("answers.txt");
    let answers = || -> BTreeMap<String, Vec<String>> {
        let text = std::fs::read_to_string(&notes).unwrap_or_default();
        let mut answers = BTreeMap::<_, Vec<_>>::new();
        for line in text.lines() {
            if let [id, _, word] = line.split(' ').collect::<Vec<_>>()[..] {
                answers.entry(id.to_owned()).or_default().push(word.to_owned());
            }
        }
        answers
    };
    until("a denial for what is above the bound", PATIENCE, async || {
        Ok((answers().len() == FLOOD - PENDING_REQUESTS_MAX).then_some(()))
    })
    .await
    .with_context(|| stage.logs())?;
    ensure!(!answers().contains_key("r7"), "the first ones wait");
    tab.until("everything that waits", |driver| {
        let entries = driver.session().ledger().entries();
        let waiting = entries.iter().filter(|entry| entry.state == PermissionState::Pending).count();
        (waiting == PENDING_REQUESTS_MAX).then_some(())
    })
    .await?;
    tab.decide("r7", Choice::Allow).await?;
    tab.state("r7", PermissionState::Delivered).await?;
    let answers =
        until("the answer", PATIENCE, async || Ok(Some(answers()).filter(|all| all.contains_key("r7"))))
            .await?;
    ensure!(answers["r7"] == ["allow"], "{:?}", answers["r7"]);
    let denied = answers.values().filter(|words| *words == &["deny"]).count();
    ensure!(denied == FLOOD - PENDING_REQUESTS_MAX, "{denied} were denied once");
    Ok(())
}
