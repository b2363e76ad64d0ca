//! Memory that has to stay where it is: while somebody scrolls through 100,000 events from the end to the start, and
//! while an agent streams for an hour.
//!
//! The hour is virtual in two ways: what the agent says in it comes as fast as the page draws it, and the page's clocks
//! are moved on with it, ten seconds at a time, after each ten seconds' worth was drawn. Timers, tokens and copies of the
//! page run by those clocks; the server's run by its own.
//!
//! The page holds a bounded part of a log, and reaches that bound on the way: what it held in the first two fifths is
//! what it may hold in the rest, a tenth more at most.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::aims::{self, Table};
use crate::opening::{LONG_EVENTS, written};
use crate::said;
use crate::stage::{Side, Stage};
use crate::tab::Tab;
use crate::worker::Worker;

/// Seconds of virtual time, and how many of them are drawn before the clocks move.
const HOUR_S: u64 = 3_600;
const STEP_S: u64 = 10;
/// Turns of one step, and deltas of each: 30 a second, and more events than any agent has.
const STEP_TURNS: u64 = 5;
const TURN_DELTAS: usize = 60;
/// What is drawn on both ways between two looks at the memory: steps of the hour, frames of the way up.
const LOOK_STEPS: u64 = 12;
const LOOK_FRAMES: u64 = 150;
/// How far one frame goes up, in px: two screens, as a held key does.
const CLIMB_PX: u64 = 1_600;
/// Longest way up, so that a page which stands still ends.
const CLIMB: Duration = Duration::from_secs(900);

/// What a page holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    heap: f64,
    wasm: f64,
    process: f64,
    elements: f64,
}

/// A number of it.
type Kind = fn(&Held) -> f64;

/// Measures the way from the end to the start.
///
/// # Errors
/// When the start is not reached.
pub async fn scrolling(stage: &Stage, table: &mut Table) -> Result<()> {
    let turns = LONG_EVENTS / said::TURN_EVENTS;
    let worker = written(stage, "A long one", turns).await?;
    let (held, stood) = climb(stage, &worker, turns).await?;
    judge(table, &format!("scrolling {} events from end to start", turns * said::TURN_EVENTS), &held);
    table.hold("times the page stood still on the way", stood, 0.0, "times");
    Ok(())
}

/// Measures so many hours.
///
/// # Errors
/// When the page does not show what was streamed.
pub async fn streaming(stage: &Stage, table: &mut Table, hours: u64) -> Result<()> {
    let steps = hours * HOUR_S / STEP_S;
    let held = stream(stage, steps).await?;
    let deltas = steps * STEP_TURNS * TURN_DELTAS as u64;
    judge(table, &format!("streaming {hours} h of virtual time, {deltas} deltas"), &held);
    Ok(())
}

fn judge(table: &mut Table, what: &str, held: &[Held]) {
    const MIB: f64 = 1_024.0 * 1_024.0;
    let (early, late) = held.split_at(held.len() * 2 / 5);
    table.part(&format!("{what}, {} looks", held.len()));
    let kinds: [(&str, Kind); 3] =
        [("JS heap", |held| held.heap), ("wasm memory", |held| held.wasm), ("renderer", |held| held.process)];
    for (name, kind) in kinds {
        let most = |held: &[Held]| held.iter().map(kind).fold(0.0, f64::max);
        let fifths: Vec<_> = (0..5)
            .map(|fifth| &held[held.len() * fifth / 5..held.len() * (fifth + 1) / 5])
            .map(|part| format!("{:.1}", most(part) / MIB))
            .collect();
        table.tell(&format!("{name}, the most of each fifth, MiB"), &fifths.join(" "));
        let (most_early, most_late) = (most(early) / MIB, most(late) / MIB);
        let aim = (most_early * aims::GROWTH).max(aims::GROWTH_MIB);
        table.hold(
            &format!("{name}, the most later above that of two fifths"),
            most_late - most_early,
            aim,
            "MiB",
        );
    }
    let elements = held.iter().map(|held| held.elements).fold(0.0, f64::max);
    table.hold("elements in the document, the most", elements, aims::ELEMENTS, "elements");
}

/// From the end to the start, as with a held key.
async fn climb(stage: &Stage, worker: &Worker, turns: u64) -> Result<(Vec<Held>, f64)> {
    let tab = stage.open(Side::Client, &worker.session).await?;
    tab.until(&shows("text", &format!("End of turn {}.", turns - 1))).await?;
    let process = tab.process().await?;
    let mut held = vec![look(&tab, process).await?];
    let began = Instant::now();
    let first = shows("prompt", "Turn 0:");
    loop {
        let up = format!(
            "probe.climb(document.querySelector('[data-testid=transcript]'), {CLIMB_PX}, {LOOK_FRAMES}, () => {first})"
        );
        let arrived = tab.eval(&up).await?;
        held.push(look(&tab, process).await?);
        if arrived == true {
            break;
        }
        ensure!(began.elapsed() < CLIMB, "the start was not reached, after {} looks", held.len());
    }
    let stood = tab.number("probe.stood").await?;
    tab.close().await?;
    Ok((held, stood))
}

/// Ten seconds after ten seconds at the end of a session.
async fn stream(stage: &Stage, steps: u64) -> Result<Vec<Held>> {
    let mut worker = stage.bridge.session(&stage.owner, "An hour").await?;
    worker.status("running").await?;
    let tab = stage.open(Side::Client, &worker.session).await?;
    let process = tab.process().await?;
    let mut held = Vec::new();
    for step in 0..steps {
        let began = Instant::now();
        for turn in step * STEP_TURNS..(step + 1) * STEP_TURNS {
            stage.owner.post(&worker.session, &[said::prompt(turn)]).await?;
            let id = format!("msg_hour_{turn}");
            let (events, text) = said::message(&id, TURN_DELTAS);
            worker.stream(&id, 0, &events).await?;
            let mut said = said::turn(turn);
            said.insert(1, said::sealed(&id, &text));
            worker.say(&said).await?;
        }
        tab.until(&shows("text", &format!("End of turn {}.", (step + 1) * STEP_TURNS - 1))).await?;
        let rest = Duration::from_secs(STEP_S).saturating_sub(began.elapsed());
        tab.eval(&format!("probe.jump({})", rest.as_millis())).await?;
        if step % LOOK_STEPS == 0 {
            held.push(look(&tab, process).await?);
        }
    }
    held.push(look(&tab, process).await?);
    tab.until("document.querySelector('[data-testid=link-state][data-state=online]')").await?;
    tab.close().await?;
    Ok(held)
}

/// Whether one of the first or last items of a kind in the document says so.
fn shows(kind: &str, text: &str) -> String {
    let selector = json!(format!("[data-testid=item][data-kind={kind}]"));
    format!(
        "(() => {{ const all = [...document.querySelectorAll({selector})];
            return [...all.slice(0, 3), ...all.slice(-3)].some(one => one.textContent.includes({})); }})()",
        json!(text)
    )
}

/// What the page holds now that nothing is garbage.
async fn look(tab: &Tab, process: u32) -> Result<Held> {
    tab.call("HeapProfiler.collectGarbage", json!({})).await?;
    // What is given back to the kernel is given back a moment later.
    sleep(Duration::from_millis(50)).await;
    let heap = tab.call("Runtime.getHeapUsage", json!({})).await?;
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let own = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let own_kib: f64 = own.and_then(|line| line.trim().strip_suffix(" kB")).context("no RssAnon")?.parse()?;
    Ok(Held {
        heap: heap["usedSize"].as_f64().context("no size of the heap")?,
        wasm: tab.number("probe.wasmBytes()").await?,
        process: own_kib * 1024.0,
        elements: tab.nodes().await?.0,
    })
}
