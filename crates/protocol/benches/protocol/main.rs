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

use crate::clock::{Criterion, Instant, SAMPLES, report};
use crate::synthetic::Synthetic;

const STORM: &str = include_str!("../../tests/fixtures/captures/delta-storm-2000.ndjson");
const SYNTHETIC_EVENTS: usize = 100_000;
/// Lengths of sessions whose events should all cost the same.
const LENGTHS: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Events made ahead of the clock in a session that is too long to be kept as text.
const BLOCK_EVENTS: usize = 1_000;

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

/// The works on one corpus, all of it in each round.
fn corpus(criterion: &mut Criterion, name: &str, lines: &[Line]) {
    let size = Size::of(lines);
    measure(criterion, name, "serde_json::Value", size, || {
        timed(|| {
            for line in lines {
                black_box(serde_json::from_str::<serde_json::Value>(&line.text).is_ok());
            }
        })
    });
    #[cfg(target_arch = "wasm32")]
    {
        let texts: Vec<_> = lines.iter().map(|line| clock::script_text(&line.text)).collect();
        measure(criterion, name, "JSON.parse", size, || {
            timed(|| {
                for text in &texts {
                    black_box(clock::parse_by_script(text));
                }
            })
        });
    }
    measure(criterion, name, "decode", size, || {
        timed(|| {
            for line in lines {
                black_box(RawJson::parse(&line.text).is_ok());
            }
        })
    });
    measure(criterion, name, "decode + fold", size, || {
        let mut folding = Folding::default();
        let spent = timed(|| folding.take(lines));
        black_box(folding);
        spent
    });
}

/// One session of that many events; only decoding and folding is on the clock.
fn growing(criterion: &mut Criterion, events: usize) {
    let mut size = Size { events: 0, bytes: 0 };
    let mut source = Synthetic::new();
    for block in blocks(events) {
        size += Size::of(&source.take(block));
    }
    measure(criterion, "length", "decode + fold", size, || {
        let mut source = Synthetic::new();
        let mut folding = Folding::default();
        let mut spent = Duration::ZERO;
        for block in blocks(events) {
            let lines = source.take(block);
            spent += timed(|| folding.take(&lines));
        }
        black_box(folding);
        spent
    });
}

fn blocks(events: usize) -> impl Iterator<Item = usize> {
    (0..events).step_by(BLOCK_EVENTS).map(move |from| BLOCK_EVENTS.min(events - from))
}

/// A transcript being made, as a page does it: decode, fold, take the changes.
#[derive(Debug, Default)]
struct Folding {
    transcript: Transcript,
    seq: u64,
    changes: usize,
}

impl Folding {
    fn take(&mut self, lines: &[Line]) {
        for line in lines {
            let Ok(event) = RawJson::parse(&line.text) else { continue };
            if line.is_durable {
                self.seq += 1;
                self.transcript.apply(self.seq, &event);
            } else {
                self.transcript.apply_live(&event);
            }
            self.changes += self.transcript.take_changes().len();
        }
    }
}

/// How much one round works on.
#[derive(Clone, Copy, Debug)]
struct Size {
    events: usize,
    bytes: usize,
}

impl Size {
    fn of(lines: &[Line]) -> Self {
        Self { events: lines.len(), bytes: lines.iter().map(|line| line.text.len()).sum() }
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

/// Lets Criterion choose how often, and reports the fastest of its last samples as one line of JSON: what else runs on
/// the machine can only add to it.
fn measure(criterion: &mut Criterion, corpus: &str, work: &str, size: Size, round: impl Fn() -> Duration) {
    let samples = RefCell::new(Vec::new());
    criterion.bench_function(&format!("{corpus}/{work}/{}", size.events), |bencher| {
        bencher.iter_custom(|rounds| {
            let spent: Duration = (0..rounds).map(|_| round()).sum();
            samples.borrow_mut().push(spent.as_secs_f64() * 1e9 / rounds.max(1) as f64);
            spent
        });
    });
    let samples: Vec<f64> = samples.into_inner();
    let last = &samples[samples.len().saturating_sub(SAMPLES)..];
    let Some(best_ns) = last.iter().copied().min_by(f64::total_cmp) else { return };
    let Size { events, bytes } = size;
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
