//! Opening a session by its address, in a new tab of a browser that has the client: how long until its end is on the
//! screen, and how much of that are long tasks.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use tokio::time::sleep;

use crate::aims::{self, Table, median, ms};
use crate::said;
use crate::stage::{Side, Stage};
use crate::trace::Trace;
use crate::worker::Worker;

/// The session whose long tasks are counted.
const TURNS: u64 = 2_000;
/// The short one and the long one that are compared.
const SHORT_EVENTS: u64 = 1_000;
/// See [`SHORT_EVENTS`].
pub const LONG_EVENTS: u64 = 100_000;
/// Turns that are written at once: so many prompts wait in a queue.
const BATCH: u64 = 50;
/// Times each is opened.
const RUNS: usize = 7;
/// What a page still does after its end is on the screen counts too.
const SETTLE: Duration = Duration::from_millis(1_500);

/// A session as long as it has to be, and nobody's turn.
///
/// # Errors
/// When the server does not take it.
pub async fn written(stage: &Stage, title: &str, turns: u64) -> Result<Worker> {
    let mut worker = stage.bridge.session(&stage.owner, title).await?;
    for first in (0..turns).step_by(usize::try_from(BATCH)?) {
        let batch = first..(first + BATCH).min(turns);
        let prompts: Vec<_> = batch.clone().map(said::prompt).collect();
        let (status, answer) = stage.owner.post(&worker.session, &prompts).await?;
        ensure!(status.is_success(), "{status} {answer}");
        let said: Vec<_> = batch.flat_map(said::turn).collect();
        worker.say(&said).await?;
    }
    worker.status("idle").await?;
    let path = format!("/v1/sessions/{}", worker.session);
    let info = stage.owner.must(Method::GET, &path, None).await?;
    let head = info["head_seq"].as_u64().context("a head")?;
    ensure!(head >= turns * said::TURN_EVENTS, "the log ends at {head}");
    Ok(worker)
}

/// One opening.
#[derive(Clone, Debug)]
struct Opened {
    /// From the navigation to the frame that shows the end, in ms.
    shown_ms: f64,
    trace: Trace,
    nodes: (f64, f64),
}

/// Measures sessions of three lengths in turns.
///
/// # Errors
/// When one is not shown at its end.
pub async fn play(stage: &Stage, table: &mut Table, runs: Option<usize>) -> Result<()> {
    let runs = runs.unwrap_or(RUNS);
    let lengths = [SHORT_EVENTS / said::TURN_EVENTS, TURNS, LONG_EVENTS / said::TURN_EVENTS];
    let mut sessions = Vec::new();
    for turns in lengths {
        sessions.push((turns, written(stage, &format!("{turns} turns"), turns).await?, Vec::new()));
    }
    for _ in 0..runs {
        for (turns, worker, opened) in &mut sessions {
            opened.push(open(stage, &worker.session, *turns).await?);
        }
    }
    table.part(&format!("opening a session by its address in a new tab, {runs} times in turns"));
    let mut shown = Vec::new();
    for (turns, _, opened) in &sessions {
        let middle = median(opened.iter().map(|one| one.shown_ms).collect());
        let events = turns * said::TURN_EVENTS;
        table.tell(&format!("its end is on the screen, {events} events, median"), &format!("{middle:.0} ms"));
        shown.push(middle);
    }
    if let [short, _, long] = shown[..] {
        table.hold("the longest session over the shortest", long / short, aims::TIMES_THE_SHORT, "×");
    }
    if let [_, (_, _, opened), _] = &sessions[..] {
        let mut long: Vec<_> = opened.iter().map(|one| one.trace.long()).collect();
        long.sort_unstable();
        let (lasted, worked) = long[long.len().saturating_sub(1) / 2];
        table.hold_time(&format!("long tasks of {TURNS} turns together, median"), lasted, aims::OPENING);
        table.tell("  of which on a processor", &format!("{:.0} ms", ms(worked)));
        let longest = opened.iter().map(|one| one.trace.longest()).max_by_key(|(lasted, _)| *lasted);
        let (lasted, worked) = longest.unwrap_or_default();
        table.tell("  longest task of all runs, by the clock", &format!("{:.0} ms", ms(lasted)));
        table.tell("  of which script + layout + paint", &worked.to_string());
        table.tell("  ten peers, as the issue quotes them; not measured here", "580 to 1,714 ms");
    }
    let all = || sessions.iter().flat_map(|(.., opened)| opened).map(|one| one.nodes);
    let elements = all().map(|(elements, _)| elements).fold(0.0, f64::max);
    let nodes = all().map(|(_, nodes)| nodes).fold(0.0, f64::max);
    table.hold("elements in the document, the most", elements, aims::ELEMENTS, "elements");
    table.tell("  with text and the marks between them", &format!("{nodes:.0} nodes"));
    Ok(())
}

async fn open(stage: &Stage, session: &str, turns: u64) -> Result<Opened> {
    let tab = stage.tab(Side::Client).await?;
    // The probe of the empty page hears nothing of the next one: the expectation is set by its own script.
    let end = format!("End of turn {}.", turns - 1);
    let expect = format!("probe.expect(\"[data-testid=item][data-kind=text]\", \"{end}\")");
    tab.before_page(&expect).await?;
    let recording = tab.record().await?;
    tab.go(&stage.address(session)).await?;
    tab.until("probe.shown").await?;
    sleep(SETTLE).await;
    let trace = tab.read(recording).await?;
    let shown_ms = tab.number("probe.shown.at").await?;
    let nodes = tab.nodes().await?;
    tab.close().await?;
    Ok(Opened { shown_ms, trace, nodes })
}
