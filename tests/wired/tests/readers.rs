//! Slow readers, long backlogs, and results too large for anybody.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use portcullis_wired::facts;
use portcullis_wired::patience::{PATIENCE, until};
use portcullis_wired::scale::{is_full, sized};
use portcullis_wired::stage::Stage;
use portcullis_wired::tab::Tab;
use serde_json::json;

/// Facts of one prompt.
const FACTS_PER_PROMPT: u64 = 1_000;
/// Resident size of the server that a long backlog may not pass, in KiB: far below the backlog itself.
const SERVER_KIB_MAX: u64 = 400 * 1024;

/// Makes the agent say `count` facts, and waits until `tab` shows that it did.
async fn say(tab: &Tab, count: u64) -> Result<()> {
    let mut said = 0;
    while said < count {
        let next = (said + FACTS_PER_PROMPT).min(count);
        tab.prompt(facts::prompt(said..next)).await?;
        said = next;
        // A few prompts under way are enough; the outbox takes no more than 500.
        tab.until("the outbox", |driver| (driver.session().outbox().entries().len() < 4).then_some(()))
            .await?;
    }
    until("the end of what the agent says", PATIENCE * 10, async || {
        Ok(tab.idle_at().await?.filter(|at| *at > count))
    })
    .await
    .map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn s23_a_tab_that_reads_slowly_holds_up_nobody_and_misses_nothing() -> Result<()> {
    let stage = Stage::set().await?;
    let session = stage.owner.new_session().await?;
    let (fast, slow) = (stage.tab(&session, 1)?, stage.tab(&session, 2)?);
    fast.online().await?;
    slow.online().await?;
    slow.read_slowly(Duration::from_secs(1)).await?;
    let facts = sized(3_000, 20_000);
    say(&fast, facts).await?;
    let applied = slow.with(|driver| driver.session().applied_seq()).await?;
    ensure!(applied < facts, "the slow tab kept up, so nothing was shown: {applied}");
    slow.read_slowly(Duration::ZERO).await?;
    let head = fast.with(|driver| driver.session().applied_seq()).await?;
    slow.until("the slow tab", move |driver| (driver.session().applied_seq() >= head).then_some(())).await?;
    let (found, wanted) =
        (slow.with(|driver| facts::shown(driver.session())).await?, (0..facts).collect::<Vec<_>>());
    ensure!(found == wanted, "{} of {facts} facts", found.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn s10_a_backlog_of_a_million_events_is_read_whole_and_opens_at_its_end() -> Result<()> {
    let facts = sized(20_000, 1_000_000);
    let stage = Stage::set().await?;
    let session = stage.owner.new_session().await?;
    let speaker = Tab::open_at_the_tail(stage.owner.clone(), &session, 1);
    speaker.online().await?;
    say(&speaker, facts).await?;
    let head = speaker.with(|driver| driver.session().applied_seq()).await?;
    drop(speaker);
    let began = Instant::now();
    let tail = Tab::open_at_the_tail(stage.owner.clone(), &session, 2);
    tail.until("a tab at the end", move |driver| (driver.session().applied_seq() >= head).then_some(()))
        .await?;
    let opened = began.elapsed();
    let whole = Tab::open(stage.owner.clone(), &session, 3);
    until("a tab that has everything", PATIENCE * 10, async || {
        let applied = whole.with(|driver| driver.session().applied_seq()).await?;
        Ok((applied >= head).then_some(()))
    })
    .await?;
    let found = whole.with(|driver| facts::shown(driver.session())).await?;
    ensure!(found == (0..facts).collect::<Vec<_>>(), "{} of {facts} facts", found.len());
    let peak = stage.server_peak_kib()?;
    ensure!(peak < SERVER_KIB_MAX, "the server took {peak} KiB");
    println!(
        "{head} events: opened at the end in {:.3} s, read whole in {:.1} s, server at most {} MiB",
        opened.as_secs_f64(),
        began.elapsed().as_secs_f64(),
        peak / 1024
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn s11_a_tool_result_of_a_hundred_megabytes_becomes_a_stub_and_the_session_goes_on() -> Result<()> {
    let bytes: usize = if is_full() { 100_000_000 } else { 20_000_000 };
    let stage = Stage::set_with_agent(Path::new(env!("CARGO_BIN_EXE_puppet"))).await?;
    let made =
        stage.owner.must(reqwest::Method::POST, "/v1/sessions", Some(json!({"agent": "claude"}))).await?;
    let session = made["id"].as_str().context("a session")?;
    let tab = stage.tab(session, 1)?;
    tab.online().await?;
    tab.prompt(format!("print {bytes}")).await?;
    let stub = until("a stub", PATIENCE, async || {
        let rows = stage.owner.log(session).await?;
        Ok(rows.into_iter().find(|(_, event)| event["subtype"] == "event_too_large"))
    })
    .await
    .with_context(|| stage.logs())?;
    let said = stub.1["bytes"].as_u64().context("its size")?;
    ensure!(usize::try_from(said)? >= bytes, "{said} bytes of {bytes}");
    tab.prompt("and now ask").await?;
    tab.asked().await?;
    Ok(())
}
