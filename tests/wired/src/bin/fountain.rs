//! An agent that never stops talking. A prompt `pour SHAPE RATE` makes it print that kind of output at RATE MB/s (or as
//! fast as it is read), and ask for a permission ten times a second in between. Everything it reads is noted with the
//! moment at which it stood on its stdin, which another thread reads: a real agent hears while it speaks.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, Write, stderr, stdin, stdout};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use portcullis_wired::load::shape::{Shape, Source};
use portcullis_wired::load::{ASK_EVERY, NOTES};
use serde_json::{Value, json};

/// How often it notes how much it has printed.
const COUNT_EVERY: Duration = Duration::from_millis(250);
/// Behind its rate by more than this, it lets the rest go: it was not read.
const BEHIND_MAX: Duration = Duration::from_millis(100);
/// Longest pause while it has nothing to print.
const PAUSE: Duration = Duration::from_millis(5);

/// What the listening thread tells the speaking one.
enum Order {
    /// A line that goes before any content.
    Say(String),
    Pour(Shape, u64),
}

fn main() -> Result<()> {
    let (orders, ordered) = channel();
    let notes = OpenOptions::new().create(true).append(true).open(NOTES)?;
    let speaking = std::thread::spawn({
        let notes = notes.try_clone()?;
        move || speak(&ordered, notes)
    });
    listen(&orders, notes)?;
    drop(orders);
    speaking.join().expect("the speaker does not panic")
}

fn now_ns() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

fn listen(orders: &Sender<Order>, mut notes: File) -> Result<()> {
    for line in stdin().lock().lines() {
        let line = line?;
        let now = now_ns();
        let said: Value = serde_json::from_str(&line)?;
        match said["type"].as_str() {
            Some("control_request") => {
                writeln!(notes, "{}", format_args!("heard {} {now}", said["request"]["subtype"]))?;
                let response =
                    json!({"subtype": "success", "request_id": said["request_id"], "response": {}});
                orders.send(Order::Say(
                    json!({"type": "control_response", "response": response}).to_string(),
                ))?;
            }
            Some("control_response") => {
                let request = said["response"]["request_id"].as_str().unwrap_or("-");
                notes.write_all(format!("answer {request} {now}\n").as_bytes())?;
            }
            Some("user") => {
                let text = said["message"]["content"].as_str().unwrap_or_default();
                if let Some((shape, rate)) = text.strip_prefix("pour ").and_then(|rest| rest.split_once(' '))
                {
                    let shape = Shape::parse(shape).context("a shape")?;
                    orders.send(Order::Pour(shape, rate.trim().parse()?))?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Prints until nobody listens. What another thread wants said goes between two pieces of content.
fn speak(ordered: &Receiver<Order>, mut notes: File) -> Result<()> {
    let mut pouring: Option<(Source, Pace)> = None;
    let (mut asked, mut ask_at) = (0_u64, Instant::now());
    let (mut poured, mut count_at) = (0_u64, Instant::now());
    loop {
        loop {
            match ordered.try_recv() {
                Ok(Order::Say(line)) => writeln!(stdout(), "{line}")?,
                Ok(Order::Pour(shape, rate)) => {
                    pouring = Some((Source::new(shape), Pace::new(rate)));
                    ask_at = Instant::now();
                }
                Err(std::sync::mpsc::TryRecvError::Empty) => break,
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return Ok(()),
            }
        }
        let Some((source, pace)) = &mut pouring else {
            std::thread::sleep(PAUSE);
            continue;
        };
        if Instant::now() >= ask_at {
            asked += 1;
            ask_at = Instant::now() + ASK_EVERY;
            writeln!(stdout(), "{}", request(asked))?;
        }
        if Instant::now() >= count_at {
            count_at = Instant::now() + COUNT_EVERY;
            notes.write_all(format!("poured {poured} {}\n", now_ns()).as_bytes())?;
        }
        let early = pace.early();
        if early > Duration::ZERO {
            std::thread::sleep(early.min(PAUSE));
            continue;
        }
        let (piece, is_for_stderr) = source.next_piece();
        if is_for_stderr {
            stderr().write_all(piece)?
        } else {
            stdout().write_all(piece)?
        }
        poured += u64::try_from(piece.len())?;
        pace.took(piece.len());
    }
}

fn request(number: u64) -> Value {
    json!({
        "type": "control_request", "request_id": format!("ask-{}-{number}", std::process::id()),
        "request": {
            "subtype": "can_use_tool", "tool_name": "Bash", "tool_use_id": format!("toolu_{number}"),
            "input": {"command": "true", "description": "nothing"},
        },
    })
}

/// So many bytes a second and no more; none at all with a rate of zero.
struct Pace {
    bytes_per_s: u64,
    due: Instant,
}

impl Pace {
    fn new(mb_per_s: u64) -> Self {
        Self { bytes_per_s: mb_per_s * 1_000_000, due: Instant::now() }
    }

    /// How long the next piece has to wait.
    fn early(&mut self) -> Duration {
        let now = Instant::now();
        if self.bytes_per_s == 0 {
            return PAUSE;
        }
        if now.saturating_duration_since(self.due) > BEHIND_MAX {
            self.due = now;
        }
        self.due.saturating_duration_since(now)
    }

    fn took(&mut self, bytes: usize) {
        self.due += Duration::from_secs_f64(bytes as f64 / self.bytes_per_s as f64);
    }
}
