//! A request and its answer: from the bytes that ask to the frame that shows them, and from the click to the answer on
//! the wire.
//!
//! Frames are counted as the page draws them, sixty a second. A request is on the screen with the frame between whose
//! layout and paint its text stands in the document, to be seen; its answer is on the wire when the browser's network
//! begins to send it, as the browser itself notes.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::aims::{self, Table, median};
use crate::opening::written;
use crate::said;
use crate::stage::{Side, Stage};
use crate::tab::Tab;
use crate::worker::Worker;

/// Turns of the session in which is asked.
const TURNS: u64 = 50;
/// Times the page is opened, and requests of each time.
const TABS: usize = 4;
const REQUESTS: usize = 8;
/// What a request stands in.
const EXACT: &str = "[data-testid=gate-exact]";
const ALLOW: &str = "[data-testid=gate-allow]";

/// One request and its answer.
#[derive(Clone, Copy, Debug)]
struct Answered {
    shown_frames: f64,
    shown_ms: f64,
    sent_frames: f64,
    sent_ms: f64,
}

/// Asks and answers.
///
/// # Errors
/// When a request is not shown, or its answer not sent.
pub async fn play(stage: &Stage, table: &mut Table) -> Result<()> {
    let mut worker = written(stage, "Asked", TURNS).await?;
    worker.status("running").await?;
    let (mut firsts, mut others) = (Vec::new(), Vec::new());
    for opened in 0..TABS {
        let tab = stage.open(Side::Client, &worker.session).await?;
        tab.eval("probe.watch(true)").await?;
        for number in 0..REQUESTS {
            let answered = ask(&tab, &mut worker, &format!("ask-{opened}-{number}")).await?;
            if number == 0 { firsts.push(answered) } else { others.push(answered) }
        }
        tab.close().await?;
    }
    let all: Vec<_> = firsts.iter().chain(&others).copied().collect();
    table.part(&format!("{} requests, the page opened {TABS} times", all.len()));
    let kinds: [(&str, f64, Kind, Kind); 2] = [
        (
            "bytes to the frame that shows them",
            aims::SHOWN_FRAMES,
            |one| one.shown_frames,
            |one| one.shown_ms,
        ),
        ("click to the answer on the wire", aims::SENT_FRAMES, |one| one.sent_frames, |one| one.sent_ms),
    ];
    for (name, aim, frames, time) in kinds {
        let most = |of: Kind| all.iter().map(of).fold(0.0, f64::max);
        let middle = |answered: &[Answered], of: Kind| median(answered.iter().map(of).collect());
        table.hold(&format!("{name}, frames drawn, the most"), most(frames), aim, "frames");
        // A frame that is late is one frame all the same: by the clock it may not be.
        table.hold(&format!("{name}, median"), middle(&all, time), aim * aims::FRAME_MS, "ms");
        table.tell(
            "  of the first one on a page, of the others, the slowest",
            &format!("{:.1}, {:.1}, {:.1} ms", middle(&firsts, time), middle(&others, time), most(time)),
        );
    }
    Ok(())
}

/// A number of an answer.
type Kind = fn(&Answered) -> f64;

async fn ask(tab: &Tab, worker: &mut Worker, id: &str) -> Result<Answered> {
    let command = format!("echo {id}");
    tab.eval("probe.requestAt = probe.clickAt = probe.posted = null, probe.frames.length = 0").await?;
    tab.eval(&format!("probe.expect({}, {})", json!(EXACT), json!(command))).await?;
    worker.control("request", said::request(id, &command)).await?;
    tab.until("probe.shown").await?;
    ensure!(tab.eval("probe.shown.opaque").await? == true, "it is in the document and not to be seen");
    let shown = tab
        .eval("[probe.framesWithin(probe.requestAt, probe.shown.frame), probe.shown.at - probe.requestAt]")
        .await?;

    let button = json!(ALLOW);
    tab.until(&format!(
        "(b => b && !b.disabled && b.ariaDisabled !== 'true')(document.querySelector({button}))"
    ))
    .await?;
    tab.click(ALLOW).await?;
    tab.until("probe.posted && probe.sent()").await?;
    let sent =
        tab.eval("[probe.framesWithin(probe.clickAt, probe.sent()), probe.sent() - probe.clickAt]").await?;
    for step in ["delivered", "settled"] {
        worker.control("step", json!({ "request_id": id, "step": step })).await?;
    }
    tab.until(&format!(
        "![...document.querySelectorAll({})].some(one => one.textContent.includes({}))",
        json!(EXACT),
        json!(command)
    ))
    .await?;
    let number = |value: &serde_json::Value| value.as_f64().context("a number of the probe");
    Ok(Answered {
        shown_frames: number(&shown[0])?,
        shown_ms: number(&shown[1])?,
        sent_frames: number(&sent[0])?,
        sent_ms: number(&sent[1])?,
    })
}
