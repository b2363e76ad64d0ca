//! How fast events are decoded and folded, beside a bare parse of the same bytes in the same run, and whether the
//! cost of one event stays the same however long the session is.
//!
//! `cargo xtask bench protocol` runs this natively and in headless Chromium and makes a table of it. The two sides
//! differ in the clock and in one more rival: the browser's own `JSON.parse`.

mod clock;
mod synthetic;

use std::cell::RefCell;
use std::hint::black_box;
use std::time::Duration;

use portcullis_protocol::RawJson;
use portcullis_protocol::session::transcript::Transcript;
use serde::Deserialize;

use crate::clock::{Criterion, Instant, report};
use crate::synthetic::Synthetic;

const STORM: &str = include_str!("../../tests/fixtures/captures/delta-storm-2000.ndjson");
const SYNTHETIC_EVENTS: usize = 100_000;
/// Lengths of sessions whose events should all cost the same.
const LENGTHS: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Events between two looks at the clock, which in a browser counts tenths of a millisecond. Each lap counts by its
/// fastest round, so that what else the machine does in a long round is not measured with it.
const LAP_EVENTS: usize = 2_500;

/// One event as it comes, and whether the log holds it.
#[derive(Debug)]
struct Line {
    text: String,
    is_durable: bool,
}

/// Runs every case.
fn run(criterion: &mut Criterion) {
    corpus(criterion, "delta-storm-2000", &recorded());
    corpus(criterion, "synthetic", &Synthetic::new().take(SYNTHETIC_EVENTS));
    for events in LENGTHS {
        growing(criterion, events);
    }
}

/// What the log and the live stream of the recorded run hold.
fn recorded() -> Vec<Line> {
    #[derive(Deserialize)]
    struct Recorded {
        dir: String,
        msg: Option<RawJson>,
    }
    let recorded = STORM.lines().filter_map(|line| serde_json::from_str::<Recorded>(line).ok());
    let events = recorded.filter_map(|line| {
        let event = line.msg?;
        let header = event.header().ok()?;
        (line.dir == "out" || header.kind == "user")
            .then(|| Line { text: event.as_str().to_owned(), is_durable: header.is_durable() })
    });
    events.collect()
}

/// The works on one corpus, all of it in each round; a short one several times.
fn corpus(criterion: &mut Criterion, name: &str, lines: &[Line]) {
    let passes = passes(lines.len());
    let size = Size { passes, ..Size::of(lines) };
    measure(criterion, name, "serde_json::Value", size, || {
        laps(
            lines,
            passes,
            || (),
            |(), line| {
                black_box(serde_json::from_str::<serde_json::Value>(&line.text).is_ok());
            },
        )
    });
    #[cfg(target_arch = "wasm32")]
    {
        let texts: Vec<_> = lines.iter().map(|line| clock::script_text(&line.text)).collect();
        measure(criterion, name, "JSON.parse", size, || {
            laps(
                &texts,
                passes,
                || (),
                |(), text| {
                    black_box(clock::parse_by_script(text));
                },
            )
        });
    }
    measure(criterion, name, "decode", size, || {
        laps(
            lines,
            passes,
            || (),
            |(), line| {
                black_box(RawJson::parse(&line.text).is_ok());
            },
        )
    });
    measure(criterion, name, "decode + fold", size, || laps(lines, passes, Folding::default, Folding::take));
}

/// One session of that many events, or several short ones; only decoding and folding is on the clock.
fn growing(criterion: &mut Criterion, events: usize) {
    let mut size = Size { events: 0, bytes: 0, passes: passes(events) };
    let mut source = Synthetic::new();
    for lap in laps_of(events) {
        size += Size::of(&source.take(lap));
    }
    measure(criterion, "length", "decode + fold", size, || {
        if size.passes > 1 {
            return laps(&Synthetic::new().take(events), size.passes, Folding::default, Folding::take);
        }
        let mut source = Synthetic::new();
        let mut folding = Folding::default();
        let spent = laps_of(events).map(|lap| {
            let lines = source.take(lap);
            timed(|| lines.iter().for_each(|line| folding.take(line)))
        });
        let spent = spent.collect();
        black_box(folding);
        spent
    });
}

fn laps_of(events: usize) -> impl Iterator<Item = usize> {
    (0..events).step_by(LAP_EVENTS).map(move |from| LAP_EVENTS.min(events - from))
}

/// How often something that short has to be done to fill a lap.
fn passes(events: usize) -> usize {
    (LAP_EVENTS / events.max(1)).max(1)
}

/// Does `step` with every item, in as many passes, each from a new beginning.
fn laps<T, S>(items: &[T], passes: usize, begin: impl Fn() -> S, step: impl Fn(&mut S, &T)) -> Vec<Duration> {
    if passes > 1 {
        let mut made: Vec<S> = (0..passes).map(|_| begin()).collect();
        let spent =
            timed(|| made.iter_mut().for_each(|state| items.iter().for_each(|item| step(state, item))));
        black_box(made);
        return vec![spent];
    }
    let mut state = begin();
    let laps =
        items.chunks(LAP_EVENTS).map(|lap| timed(|| lap.iter().for_each(|item| step(&mut state, item))));
    let laps = laps.collect();
    black_box(state);
    laps
}

/// A transcript being made, as a page does it: decode, fold, take the changes.
#[derive(Debug, Default)]
struct Folding {
    transcript: Transcript,
    seq: u64,
    changes: usize,
}

impl Folding {
    fn take(&mut self, line: &Line) {
        let Ok(event) = RawJson::parse(&line.text) else { return };
        if line.is_durable {
            self.seq += 1;
            self.transcript.apply(self.seq, &event);
        } else {
            self.transcript.apply_live(&event);
        }
        self.changes += self.transcript.take_changes().len();
    }
}

/// How much one round works on, and how often.
#[derive(Clone, Copy, Debug)]
struct Size {
    events: usize,
    bytes: usize,
    passes: usize,
}

impl Size {
    fn of(lines: &[Line]) -> Self {
        Self { events: lines.len(), bytes: lines.iter().map(|line| line.text.len()).sum(), passes: 1 }
    }
}

impl std::ops::AddAssign for Size {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.bytes += other.bytes;
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// Lets Criterion choose how often, and reports the sum of the fastest laps as one line of JSON: what else runs on
/// the machine can only add to a lap.
fn measure(
    criterion: &mut Criterion,
    corpus: &str,
    work: &str,
    size: Size,
    round: impl Fn() -> Vec<Duration>,
) {
    let best: RefCell<Vec<Duration>> = RefCell::default();
    criterion.bench_function(&format!("{corpus}/{work}/{}", size.events), |bencher| {
        bencher.iter_custom(|rounds| {
            let one = |_| {
                let laps = round();
                let mut best = best.borrow_mut();
                best.resize(laps.len(), Duration::MAX);
                best.iter_mut().zip(&laps).for_each(|(best, lap)| *best = (*best).min(*lap));
                laps.iter().sum::<Duration>()
            };
            (0..rounds).map(one).sum()
        });
    });
    let best_ns = best.into_inner().iter().sum::<Duration>().as_secs_f64() * 1e9;
    if best_ns == 0.0 {
        return;
    }
    let Size { events, bytes, passes } = size;
    let best_ns = best_ns / passes as f64;
    report(&serde_json::json!({
        "corpus": corpus, "work": work, "events": events, "bytes": bytes, "best_ns": best_ns,
    }));
}

#[cfg(not(target_arch = "wasm32"))]
fn main() {
    let mut criterion = clock::criterion().configure_from_args();
    run(&mut criterion);
}

#[cfg(target_arch = "wasm32")]
fn main() {}

#[cfg(target_arch = "wasm32")]
mod browser {
    use wasm_bindgen_test::{Criterion, wasm_bindgen_bench, wasm_bindgen_test_configure};

    wasm_bindgen_test_configure!(run_in_browser);

    #[wasm_bindgen_bench]
    fn protocol(criterion: &mut Criterion) {
        *criterion = crate::clock::criterion();
        crate::run(criterion);
    }
}
