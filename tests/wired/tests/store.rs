//! The database on disk: what somebody was told is there is there, after any kill, and an older copy is told apart.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use portcullis_protocol::session::Input;
use portcullis_wired::chance::Chance;
use portcullis_wired::device::Device;
use portcullis_wired::patience::{PATIENCE, until};
use portcullis_wired::scale::sized;
use portcullis_wired::stage::Stage;
use reqwest::Method;
use serde_json::{Value, json};

/// Writers that post as fast as they can, each one event at a time.
const WRITERS: usize = 8;
/// The server is killed within this of its start, in ms.
const KILL_WITHIN_MS: usize = 300;

/// What the server said it took: uuid to position.
type Told = Arc<Mutex<BTreeMap<String, u64>>>;

#[tokio::test(flavor = "multi_thread")]
async fn no_event_that_was_acknowledged_is_lost_by_kill_9() -> Result<()> {
    let rounds = sized(10, 100);
    let mut chance = Chance::new(Chance::seed_or(4));
    let mut stage = Stage::set().await?;
    let session = stage.owner.new_session().await?;
    // Nobody reads the prompts: what is tested is the log alone.
    stage.end_bridge().await?;
    let told = Told::default();
    for round in 0..rounds {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let name = format!("w{round}-{writer}");
                tokio::spawn(write(stage.owner.clone(), session.clone(), name, Arc::clone(&told)))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(u64::try_from(chance.below(KILL_WITHIN_MS))?)).await;
        stage.kill_ingress()?;
        for writer in writers {
            writer.await?;
        }
        stage.start_ingress().await?;
    }
    let rows = stage.owner.log(&session).await?;
    let there: BTreeMap<&str, u64> =
        rows.iter().filter_map(|(seq, event)| Some((event["uuid"].as_str()?, *seq))).collect();
    let told = told.lock().unwrap_or_else(PoisonError::into_inner);
    for (uuid, seq) in told.iter() {
        ensure!(
            there.get(uuid.as_str()) == Some(seq),
            "{uuid} was told to be {seq} and is {:?}",
            there.get(uuid.as_str())
        );
    }
    ensure!(!told.is_empty(), "nothing was acknowledged");
    println!(
        "{} acknowledged events are there after {rounds} kills, of {} in the log",
        told.len(),
        rows.len()
    );
    Ok(())
}

/// Posts until there is no answer any more.
async fn write(device: Device, session: String, name: String, told: Told) {
    for number in 0.. {
        let uuid = format!("{name}-{number}");
        let event = json!({
            "type": "user", "uuid": uuid, "session_id": "", "parent_tool_use_id": null,
            "message": {"role": "user", "content": "kept"},
        });
        let Ok((status, answer)) = device.post(&session, &[event]).await else { return };
        let seq = answer["data"][0]["seq"].as_u64().filter(|_| status.is_success());
        let Some(seq) = seq else { return };
        told.lock().unwrap_or_else(PoisonError::into_inner).insert(uuid, seq);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s24_a_database_restored_from_an_hour_ago_changes_the_epoch_and_every_tab_starts_anew() -> Result<()>
{
    let mut stage = Stage::set().await?;
    let session = stage.owner.new_session().await?;
    let tab = stage.tab(&session, 1)?;
    tab.prompt("@say before the copy").await?;
    let shows = |text: &'static str| {
        move |driver: &mut portcullis_wired::tab::Driver| {
            let shape = portcullis_wired::storm::shape(driver.session()).join("\n");
            shape.contains(text).then_some(())
        }
    };
    tab.until("the first words", shows("\"before the copy\"")).await?;
    // Ended and not killed, so that the file alone is the whole database.
    stage.end_bridge().await?;
    stage.end_ingress().await?;
    let copy = std::fs::read(stage.database())?;
    stage.start_ingress().await?;
    stage.start_bridge().await?;
    tab.with(|driver| driver.feed(Input::Wake)).await?;
    let epoch = epoch(&stage, &session).await?;
    tab.prompt("@say after the copy").await?;
    tab.until("the later words", shows("\"after the copy\"")).await?;
    let ahead = tab.with(|driver| driver.session().applied_seq()).await?;
    stage.end_bridge().await?;
    stage.end_ingress().await?;
    std::fs::write(stage.database(), copy)?;
    stage.start_ingress().await?;
    let restored = self::epoch(&stage, &session).await?;
    ensure!(restored != epoch, "the epoch is the same over an older database");
    // The log grows past where the tab stood: a position alone would not tell the two lives apart.
    let filler = |n: u64| json!({"type": "user", "uuid": format!("f{n}"), "message": {"role": "user", "content": "filler"}});
    for n in 0..ahead {
        let (status, answer) = stage.owner.post(&session, &[filler(n)]).await?;
        ensure!(status.is_success(), "{answer}");
    }
    tab.with(|driver| driver.feed(Input::Wake)).await?;
    let rows = stage.owner.log(&session).await?;
    let head = rows.last().map_or(0, |(seq, _)| *seq);
    ensure!(head > ahead, "the log did not grow past the tab");
    let late = portcullis_wired::tab::Tab::open(stage.owner.clone(), &session, 2);
    until("two tabs that show the same", PATIENCE, async || {
        let look = |driver: &mut portcullis_wired::tab::Driver| {
            (driver.session().applied_seq(), portcullis_wired::storm::shape(driver.session()))
        };
        let (old, new) = (tab.with(look).await?, late.with(look).await?);
        Ok((old == new && old.0 >= head && !old.1.join("").contains("after the copy")).then_some(()))
    })
    .await
    .with_context(|| stage.logs())
}

async fn epoch(stage: &Stage, session: &str) -> Result<Value> {
    let info = stage.owner.must(Method::GET, &format!("/v1/sessions/{session}"), None).await?;
    Ok(info["epoch"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_epoch_stays_over_kills_and_ordinary_restarts() -> Result<()> {
    let mut stage = Stage::set().await?;
    let session = stage.owner.new_session().await?;
    let first = epoch(&stage, &session).await?;
    for round in 0..sized(5, 30) {
        let event =
            json!({"type": "user", "uuid": format!("u{round}"), "message": {"role": "user", "content": "x"}});
        stage.owner.post(&session, &[event]).await?;
        if round % 2 == 0 {
            stage.kill_ingress()?;
        } else {
            stage.end_ingress().await?;
        }
        stage.start_ingress().await?;
        ensure!(epoch(&stage, &session).await? == first, "round {round}");
    }
    Ok(())
}
