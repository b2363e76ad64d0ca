//! `cargo xtask bench bridge`: control never waits behind content. An agent prints up to 50 MB/s, a client decides what
//! it asks, and the line to the server is fast, slow or cut. Everything that is printed was measured just now, on this
//! machine, with the program named in the first line; a missed aim makes the benchmark fail. The row of an agent that
//! prints nothing says what the way costs without any content.
//!
//! Words behind `--` choose scenes by shape or line; a number among them is the seconds of each.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use portcullis_wired::load::aims::{self, MEMORY_KIB_MAX, MEMORY_LIMITS};
use portcullis_wired::load::scene::{Found, Line, play};
use portcullis_wired::load::shape::Shape;
use portcullis_wired::machine;
use portcullis_wired::scale::profile;

/// The agent that never stops talking.
const FOUNTAIN: &str = env!("CARGO_BIN_EXE_fountain");
/// How long each scene lasts, without its beginning.
const SCENE_S: u64 = 20;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let seconds = words.iter().find_map(|word| word.parse().ok()).unwrap_or(SCENE_S);
    let wanted = |name: &str, among: &[&str]| {
        let named: Vec<_> = words.iter().filter(|word| among.contains(&word.as_str())).collect();
        named.is_empty() || named.iter().any(|word| *word == name)
    };
    let shapes: Vec<&str> = Shape::FLOODS.iter().map(|shape| shape.name()).chain(["idle"]).collect();
    let lines = Line::ALL.map(Line::name);
    println!("program: {} profile; {} CPUs; load {}", profile(), machine::cpus(), machine::load());
    println!(
        "{seconds} s each; ms from the decision to the agent's stdin, and from a request to its answer\n"
    );
    println!("{}", Found::HEAD);
    let (mut missed, mut is_busy) = (Vec::new(), false);
    for line in Line::ALL.into_iter().filter(|line| wanted(line.name(), &lines)) {
        let quiet = (line == Line::Fast).then_some(Shape::Idle);
        for shape in quiet.into_iter().chain(Shape::FLOODS).filter(|shape| wanted(shape.name(), &shapes)) {
            let found = play(Path::new(FOUNTAIN), shape, line, Duration::from_secs(seconds)).await?;
            println!("{}", found.row());
            is_busy |= shape == Shape::Idle && aims::is_busy(&found);
            missed.extend(aims::missed(&found));
        }
    }
    println!("\nload at the end: {}", machine::load());
    println!("memory may be {} MiB:", MEMORY_KIB_MAX / 1_024);
    for (what, mib) in MEMORY_LIMITS {
        println!("  {mib:>3} MiB  {what}");
    }
    if missed.is_empty() {
        println!("\nevery aim was met");
        return Ok(ExitCode::SUCCESS);
    }
    println!("\nmissed:");
    missed.iter().for_each(|miss| println!("  {miss}"));
    if is_busy {
        println!("the machine is busy: an idle agent's answers miss the aim as well");
    }
    Ok(ExitCode::FAILURE)
}
