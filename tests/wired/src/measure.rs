//! How long it takes: to resume after a cut, and from a click to its agent. Real sockets, real processes, loopback.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use portcullis_protocol::session::{Choice, Input, LinkView};
use portcullis_protocol::wire::client::PermissionState;

use crate::facts;
use crate::patience::{PATIENCE, until};
use crate::stage::Stage;
use crate::timing::Samples;

/// Facts of one prompt: 170 bytes each, so that a prompt stays far below its limit.
const FACTS_PER_PROMPT: u64 = 1_000;

/// Time from the moment the network is back to a tab that has applied the whole log, `times` over, each with about
/// `missed` events it did not see. The person's "now" ends the backoff; what is measured is the resume itself.
///
/// # Errors
/// When something does not come to its end.
pub async fn resume(stage: &Stage, missed: u64, times: u64) -> Result<Samples> {
    let session = stage.owner.new_session().await?;
    let tab = stage.tab(&session, missed)?;
    tab.online().await?;
    let path = format!("/v1/sessions/{session}");
    let head = async || -> Result<u64> {
        let info = stage.owner.must(reqwest::Method::GET, &path, None).await?;
        info["head_seq"].as_u64().context("a head")
    };
    let speaker = crate::tab::Tab::open(stage.owner.clone(), &session, missed + 1);
    speaker.online().await?;
    let mut samples = Samples::default();
    for round in 0..times {
        let before = head().await?;
        let caught_up =
            move |driver: &mut crate::tab::Driver| (driver.session().applied_seq() >= before).then_some(());
        tab.until("a tab that has all", caught_up).await?;
        stage.front.lead_to(None);
        stage.front.cut_all();
        let opened = tab
            .until("a tab that noticed the cut", |driver| {
                (driver.session().link() != LinkView::Online).then_some(driver.opened)
            })
            .await?;
        let mut said = 0;
        while said < missed {
            let next = (said + FACTS_PER_PROMPT).min(missed);
            speaker.prompt(facts::prompt(round * missed + said..round * missed + next)).await?;
            said = next;
        }
        let target = if missed == 0 { before } else { quiet(&speaker, &head, before + missed).await? };
        stage.front.lead_to(Some(stage.address()));
        let began = Instant::now();
        tab.with(|driver| driver.feed(Input::Wake)).await?;
        let taken = tab.back(opened, target).await?;
        ensure!(taken > began, "the tab was never cut off");
        samples.take(taken - began);
    }
    Ok(samples)
}

/// Waits until the agent has said everything, and returns the end of the log.
async fn quiet(speaker: &crate::tab::Tab, head: impl AsyncFn() -> Result<u64>, at_least: u64) -> Result<u64> {
    until("the end of what the agent says", PATIENCE, async || {
        let (log, idle) = (head().await?, speaker.idle_at().await?);
        Ok((log >= at_least && idle == Some(log)).then_some(log))
    })
    .await
}

/// Time from the moment a decision is given to the tab's machine to the moment the agent has read it, `times` over.
/// `notes` is where the puppet notes answers.
///
/// # Errors
/// When something does not come to its end.
pub async fn click(stage: &Stage, notes: &Path, times: u64) -> Result<Samples> {
    let body = serde_json::json!({"title": "clicks", "agent": "claude"});
    let made = stage.owner.must(reqwest::Method::POST, "/v1/sessions", Some(body)).await?;
    let session = made["id"].as_str().context("a session")?;
    let tab = stage.tab(session, 1)?;
    tab.online().await?;
    let mut clicked = BTreeMap::new();
    for _ in 0..times {
        tab.prompt("go").await?;
        let request = tab.asked().await?;
        let at = SystemTime::now().duration_since(UNIX_EPOCH)?;
        tab.decide(&request, Choice::Allow).await?;
        tab.state(&request, PermissionState::Settled).await?;
        clicked.insert(request, at);
    }
    let mut samples = Samples::default();
    for line in std::fs::read_to_string(notes)?.lines() {
        let [request, read_ns, _] = line.split(' ').collect::<Vec<_>>()[..] else { continue };
        let read = Duration::from_nanos(read_ns.parse()?);
        let at = clicked.get(request).context("an answer nobody gave")?;
        samples.take(read.saturating_sub(*at));
    }
    ensure!(samples.count() == clicked.len(), "{} of {} answers arrived", samples.count(), clicked.len());
    Ok(samples)
}
