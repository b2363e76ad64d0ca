//! 20,000 deltas at full speed, on the floor and in the client: what the page works, how long its longest task is, and
//! how late a key is seen meanwhile.
//!
//! Full speed is the server's: one frame of 256 events each 16 ms and reader. The worker posts a little slower than
//! that, for what a reader has no room for is dropped, and a preview with a hole is no measurement; that none was
//! dropped is checked by the end of the text, which only the last delta brings.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::aims::{self, Table, median, ms};
use crate::said;
use crate::stage::{Side, Stage};
use crate::trace::{Trace, Work};

/// Deltas of one message.
pub const DELTAS: usize = 20_000;
/// Deltas of one POST, and how often one is sent: 15,000 a second.
const POSTED: usize = 240;
const POST_EVERY: Duration = Duration::from_millis(16);
/// Between two keys: a fast typist's ten a second and a half.
const KEY_EVERY: Duration = Duration::from_millis(60);
/// What a page still does after the last event is part of the cost.
const SETTLE: Duration = Duration::from_millis(500);
/// Words of the table end with this many runs on each page, in turns.
pub const RUNS: usize = 5;
/// What is typed, over and over.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";

/// What of some work is meant.
type Part = fn(&Work) -> Duration;

/// One run on one page.
#[derive(Clone, Debug)]
struct Run {
    trace: Trace,
    /// From a key to the frame that shows it, of the slowest; 16 ms or less is not told apart.
    typing: Duration,
    keys: usize,
    took: Duration,
    /// Frames of the socket that carried it.
    frames: f64,
}

/// Measures both pages in turns.
///
/// # Errors
/// When a page does not show what was streamed.
pub async fn play(stage: &Stage, table: &mut Table, runs: usize) -> Result<()> {
    let (mut floor, mut client) = (Vec::new(), Vec::new());
    for number in 0..runs {
        for side in Side::BOTH {
            let run = run(stage, side, number).await?;
            if side == Side::Floor { floor.push(run) } else { client.push(run) }
        }
    }
    table.part(&format!("{DELTAS} deltas at full speed, median of {runs} runs in turns, ms on a processor"));
    table.tell("", "floor   client");
    let of = |runs: &[Run], what: Part| median(runs.iter().map(|run| ms(what(&run.trace.work()))).collect());
    let parts: [(&str, Part); 4] = [
        ("script, garbage and messages", |work| work.script),
        ("style and layout", |work| work.layout),
        ("paint", |work| work.paint),
        ("together", |work| work.total()),
    ];
    for (name, part) in parts {
        table.tell(name, &format!("{:.0} {:>8.0}", of(&floor, part), of(&client, part)));
    }
    let whole = |runs: &[Run]| of(runs, |work| work.total());
    table.hold(
        "script + layout + paint over the floor's",
        whole(&client) / whole(&floor),
        aims::TIMES_THE_FLOOR,
        "×",
    );
    let longest = |runs: &[Run]| {
        runs.iter().map(|run| run.trace.longest()).max_by_key(|(lasted, _)| *lasted).unwrap_or_default()
    };
    table.hold_time("longest task of all runs", longest(&client).0, aims::TASK);
    table.tell("  of which script + layout + paint", &longest(&client).1.to_string());
    table.tell("  the floor's", &format!("{:.0} ms", ms(longest(&floor).0)));
    let typing = |runs: &[Run]| runs.iter().map(|run| run.typing).max().unwrap_or_default();
    table.hold_time("slowest key meanwhile, to the frame that shows it", typing(&client), aims::TYPING);
    table.tell("  the floor's", &format!("{:.0} ms", ms(typing(&floor))));
    let told = |runs: &[Run]| {
        let seconds = median(runs.iter().map(|run| run.took.as_secs_f64()).collect());
        let frames = median(runs.iter().map(|run| run.frames).collect());
        let keys = runs.iter().map(|run| run.keys).sum::<usize>();
        format!("{seconds:.2} s, {frames:.0} frames, {keys} keys")
    };
    table.tell("  streamed in (client)", &told(&client));
    table.tell("  streamed in (floor)", &told(&floor));
    Ok(())
}

async fn run(stage: &Stage, side: Side, number: usize) -> Result<Run> {
    let mut worker = stage.bridge.session(&stage.owner, "A storm").await?;
    worker.status("running").await?;
    stage.owner.post(&worker.session, &[said::prompt(0)]).await?;
    worker.say(&said::turn(0)[..1]).await?;
    let tab = stage.open(side, &worker.session).await?;
    let id = format!("msg_storm_{number}");
    let (events, text) = said::message(&id, DELTAS);
    tab.focus(side.field()).await?;
    tab.eval("probe.events.length = 0, probe.socketFrames = 0").await?;
    // Code that was never run is compiled now, on both pages.
    sleep(SETTLE).await;

    let recording = tab.record().await?;
    let began = Instant::now();
    let (streamed, keys) = tokio::join!(stream(&worker, &id, &events), keys(&tab, began));
    streamed?;
    let keys = keys?;
    // What stands at the end of the text, as each page shows it: without the marks of markdown.
    let end: String = text.chars().rev().filter(|letter| letter.is_alphanumeric()).take(40).collect();
    let end: String = end.chars().rev().collect();
    tab.until(&format!(
        "document.querySelector('{}').textContent.replace(/[^A-Za-z0-9]/g, '').includes('{end}')",
        side.shown_in()
    ))
    .await?;
    let took = began.elapsed();
    worker.say(&[said::sealed(&id, &text), said::result(&id)]).await?;
    sleep(SETTLE).await;
    let trace = tab.read(recording).await?;

    let typed = tab.eval(&format!("document.querySelector('{}').value", side.field())).await?;
    let expected: String = LETTERS.chars().cycle().take(keys).collect();
    ensure!(typed == expected.as_str(), "typed {expected:?}, and the page has {typed}");
    let late = tab.eval("probe.events.filter(([name]) => /^(key|before)?input|^key/.test(name))").await?;
    let typing = late.as_array().into_iter().flatten().filter_map(|one| one[2].as_f64()).fold(16.0, f64::max);
    let frames = tab.number("probe.socketFrames").await?;
    tab.close().await?;
    Ok(Run { trace, typing: Duration::from_secs_f64(typing / 1e3), keys, took, frames })
}

async fn stream(worker: &crate::worker::Worker, id: &str, events: &[Value]) -> Result<()> {
    let mut due = interval(POST_EVERY);
    // After a delay the next ones do not come in a bunch, which the server would have no room for.
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for (events, n) in events.chunks(POSTED).zip((0..).step_by(POSTED)) {
        due.tick().await;
        worker.stream(id, n, events).await?;
    }
    Ok(())
}

/// Types as long as the deltas take at least.
async fn keys(tab: &crate::tab::Tab, began: Instant) -> Result<usize> {
    let least = POST_EVERY * u32::try_from(DELTAS / POSTED)?;
    let mut typed = 0;
    for letter in LETTERS.chars().cycle() {
        if began.elapsed() > least {
            break;
        }
        sleep(KEY_EVERY).await;
        tab.press(letter).await?;
        typed += 1;
    }
    Ok(typed)
}
