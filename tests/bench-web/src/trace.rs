//! What the main thread of one page did, read from a trace of the browser: how long its tasks were, and how much of them
//! was layout and paint. What is neither is script: functions, microtasks, the collection of garbage, and the handing
//! over of messages, which a trace does not tell apart everywhere.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// What is recorded: tasks and what the engine does in them, and nothing that costs more than it tells.
pub const CATEGORIES: [&str; 2] = ["devtools.timeline", "disabled-by-default-devtools.timeline"];
/// A task of the main thread.
const TASK: &str = "RunTask";
/// Styles and geometry.
const LAYOUT: [&str; 4] = ["UpdateLayoutTree", "RecalculateStyles", "Layout", "HitTest"];
/// What is drawn, up to its handing over to the compositor.
const PAINT: [&str; 5] = ["PrePaint", "Paint", "Layerize", "UpdateLayer", "Commit"];
/// Above this a task is long: a key or a click in the meantime is felt to be late.
pub const LONG: Duration = Duration::from_millis(50);

/// The tasks of one page.
#[derive(Clone, Debug)]
pub struct Trace {
    /// In order.
    tasks: Vec<Task>,
    /// The renderer, for what the kernel knows about it.
    pub process: u32,
}

/// One task.
#[derive(Clone, Copy, Debug)]
struct Task {
    /// By the clock on the wall.
    lasted: Duration,
    /// On a processor.
    worked: Work,
}

/// Time on a processor, by what it was for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Functions, microtasks, garbage, messages.
    pub script: Duration,
    /// Styles and geometry.
    pub layout: Duration,
    /// Drawing.
    pub paint: Duration,
}

impl Work {
    /// All of it.
    #[must_use]
    pub fn total(self) -> Duration {
        self.script + self.layout + self.paint
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [script, layout, paint] =
            [self.script, self.layout, self.paint].map(|time| time.as_secs_f64() * 1e3);
        write!(f, "{script:.0} + {layout:.0} + {paint:.0} ms")
    }
}

impl std::ops::AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        self.script += other.script;
        self.layout += other.layout;
        self.paint += other.paint;
    }
}

/// A stretch of time on the main thread.
#[derive(Clone, Copy, Debug)]
struct Span<'a> {
    name: &'a str,
    from_us: f64,
    lasted_us: f64,
    worked_us: f64,
}

impl Trace {
    /// Reads the events of a trace for the page whose main frame is `frame`.
    pub(crate) fn read(events: &[Value], frame: &str) -> Result<Self> {
        let frames = events.iter().filter(|event| {
            event["name"] == "TracingStartedInBrowser" || event["name"] == "FrameCommittedInBrowser"
        });
        let processes = frames.flat_map(|event| {
            let data = &event["args"]["data"];
            let listed = data["frames"].as_array().into_iter().flatten();
            listed
                .chain([data])
                .filter(|one| one["frame"] == frame)
                .filter_map(|one| one["processId"].as_u64())
        });
        // A page may move to another process when it is opened; the last one is where it was measured.
        let process = processes.last().context("the trace does not name the page's process")?;
        let main = events.iter().find(|event| {
            event["name"] == "thread_name"
                && event["args"]["name"] == "CrRendererMain"
                && event["pid"].as_u64() == Some(process)
        });
        let thread = main.and_then(|event| event["tid"].as_u64()).context("no main thread in the trace")?;
        let here = |event: &&Value| {
            event["ph"] == "X"
                && event["pid"].as_u64() == Some(process)
                && event["tid"].as_u64() == Some(thread)
        };
        let mut spans: Vec<Span<'_>> = events.iter().filter(here).filter_map(Span::read).collect();
        spans.sort_by(|one, other| {
            one.from_us.total_cmp(&other.from_us).then(other.lasted_us.total_cmp(&one.lasted_us))
        });
        let tasks = tasks(&spans);
        ensure!(!tasks.is_empty(), "no task in the trace");
        Ok(Self { tasks, process: u32::try_from(process)? })
    }

    /// All work of the page.
    #[must_use]
    pub fn work(&self) -> Work {
        self.tasks.iter().fold(Work::default(), |mut sum, task| {
            sum += task.worked;
            sum
        })
    }

    /// The longest task: by the clock on the wall, and what of it was work.
    #[must_use]
    pub fn longest(&self) -> (Duration, Work) {
        let longest = self.tasks.iter().max_by_key(|task| task.lasted);
        longest.map_or_else(Default::default, |task| (task.lasted, task.worked))
    }

    /// Tasks longer than [`LONG`], together: by the clock on the wall, and what of it was work.
    #[must_use]
    pub fn long(&self) -> (Duration, Duration) {
        let long = self.tasks.iter().filter(|task| task.lasted > LONG);
        long.fold(Default::default(), |(lasted, worked), task| {
            (lasted + task.lasted, worked + task.worked.total())
        })
    }
}

impl<'a> Span<'a> {
    fn read(event: &'a Value) -> Option<Self> {
        let name = event["name"].as_str()?;
        (name == TASK || LAYOUT.contains(&name) || PAINT.contains(&name)).then_some(())?;
        let lasted_us = event["dur"].as_f64()?;
        // Without a clock of the thread the one on the wall has to do.
        let worked_us = event["tdur"].as_f64().unwrap_or(lasted_us).min(lasted_us);
        Some(Self { name, from_us: event["ts"].as_f64()?, lasted_us, worked_us })
    }

    fn until_us(&self) -> f64 {
        self.from_us + self.lasted_us
    }
}

/// Spans in order as tasks. What stands inside another span of layout or paint belongs to the inner one.
fn tasks(spans: &[Span<'_>]) -> Vec<Task> {
    let mut tasks: Vec<Task> = Vec::new();
    // The spans around the current one, each with the work of its children.
    let mut around: Vec<(Span<'_>, f64)> = Vec::new();
    let close = |tasks: &mut Vec<Task>, around: &mut Vec<(Span<'_>, f64)>| {
        let Some((span, inside_us)) = around.pop() else { return };
        if let Some((_, outside_us)) = around.last_mut() {
            *outside_us += span.worked_us;
        }
        let own = Duration::from_secs_f64((span.worked_us - inside_us).max(0.0) / 1e6);
        let Some(task) = tasks.last_mut() else { return };
        if LAYOUT.contains(&span.name) {
            task.worked.layout += own;
        } else if PAINT.contains(&span.name) {
            task.worked.paint += own;
        } else {
            task.worked.script += own;
        }
    };
    for span in spans {
        while around.last().is_some_and(|(outer, _)| outer.until_us() <= span.from_us) {
            close(&mut tasks, &mut around);
        }
        if span.name == TASK && around.is_empty() {
            let lasted = Duration::from_secs_f64(span.lasted_us / 1e6);
            tasks.push(Task { lasted, worked: Work::default() });
        }
        if span.name == TASK || !around.is_empty() {
            around.push((*span, 0.0));
        }
    }
    while !around.is_empty() {
        close(&mut tasks, &mut around);
    }
    tasks
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(name: &str, from: u64, lasted: u64, worked: u64) -> Value {
        json!({ "ph": "X", "name": name, "pid": 7, "tid": 8, "ts": from, "dur": lasted, "tdur": worked })
    }

    fn page() -> Vec<Value> {
        let frames = json!([{ "frame": "other", "processId": 1 }, { "frame": "F", "processId": 7 }]);
        vec![
            json!({ "name": "TracingStartedInBrowser", "args": { "data": { "frames": frames } } }),
            json!({ "name": "thread_name", "pid": 7, "tid": 8, "args": { "name": "CrRendererMain" } }),
        ]
    }

    #[test]
    fn a_task_is_what_it_was_for_and_nothing_counts_twice() {
        let mut events = page();
        events.extend([
            event("RunTask", 0, 60_000, 30_000),
            event("FunctionCall", 100, 50_000, 25_000),
            event("Layout", 1_000, 20_000, 10_000),
            event("UpdateLayoutTree", 2_000, 5_000, 4_000),
            event("Paint", 40_000, 5_000, 5_000),
            event("RunTask", 70_000, 1_000, 900),
            // Of another thread.
            json!({ "ph": "X", "name": "RunTask", "pid": 7, "tid": 9, "ts": 0, "dur": 500_000, "tdur": 1 }),
        ]);
        let trace = Trace::read(&events, "F").unwrap();
        let ms = Duration::from_millis;
        let script = ms(15) + Duration::from_micros(900);
        assert_eq!(trace.work(), Work { script, layout: ms(10), paint: ms(5) });
        assert_eq!(trace.longest(), (ms(60), Work { script: ms(15), layout: ms(10), paint: ms(5) }));
        assert_eq!(trace.long(), (ms(60), ms(30)));
    }

    #[test]
    fn a_trace_without_the_page_is_no_measurement() {
        assert!(Trace::read(&page(), "another").is_err());
        assert!(Trace::read(&page(), "F").is_err(), "it has no task");
    }
}
