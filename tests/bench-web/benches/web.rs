//! `cargo xtask bench web`: what the browser client costs a tab. Everything that is printed was measured just now, on
//! this machine, with the client and the browser named in the first lines; a missed aim makes the benchmark fail. What
//! others reached is quoted, and marked as such.
//!
//! Words behind `--` choose scenes; a number among them is how often each is run, or how many hours are streamed.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::process::ExitCode;

use anyhow::{Result, bail};
use portcullis_bench_web::aims::Table;
use portcullis_bench_web::stage::Stage;
use portcullis_bench_web::{memory, opening, request, storm};
use portcullis_wired::machine;
use portcullis_wired::scale::profile;
use tokio::signal::unix::{SignalKind, signal};

/// What can be measured alone.
const SCENES: [&str; 5] = ["deltas", "opening", "requests", "scrolling", "streaming"];

#[tokio::main]
async fn main() -> Result<ExitCode> {
    // Whoever ends this ends the server and the browser too: they go with the stage.
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    tokio::select! {
        judged = play() => judged,
        _ = terminated.recv() => bail!("ended from outside"),
        _ = interrupted.recv() => bail!("interrupted"),
    }
}

async fn play() -> Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let runs: Option<usize> = words.iter().find_map(|word| word.parse().ok());
    let named: Vec<_> = words.iter().filter(|word| SCENES.contains(&word.as_str())).collect();
    let wanted = |name: &str| named.is_empty() || named.iter().any(|word| *word == name);

    let stage = Stage::set().await?;
    println!(
        "program: {} profile; {}; {} CPUs; load {}",
        profile(),
        stage.chromium.version().await?,
        machine::cpus(),
        machine::load()
    );
    let (mut table, mut printed) = (Table::default(), 0);
    for scene in SCENES.into_iter().filter(|scene| wanted(scene)) {
        match scene {
            "deltas" => storm::play(&stage, &mut table, runs.unwrap_or(storm::RUNS)).await?,
            "opening" => opening::play(&stage, &mut table, runs).await?,
            "requests" => request::play(&stage, &mut table).await?,
            "scrolling" => memory::scrolling(&stage, &mut table).await?,
            _ => memory::streaming(&stage, &mut table, runs.map_or(1, |hours| hours as u64)).await?,
        }
        print!("{}", &table.text()[printed..]);
        printed = table.text().len();
    }
    println!("\nload at the end: {}", machine::load());
    if table.missed().is_empty() {
        println!("every aim was met");
        return Ok(ExitCode::SUCCESS);
    }
    println!("missed:");
    table.missed().iter().for_each(|miss| println!("  {miss}"));
    Ok(ExitCode::FAILURE)
}
