//! `cargo xtask bench protocol`: how fast the protocol crate decodes and folds, natively and in headless Chromium.
//!
//! `cargo xtask bench reliability` and `cargo xtask bench bridge`: the real program, see [`wired`]. `cargo xtask bench
//! web`: the browser client, see [`web`].
//!
//! The protocol's benchmark runs on both sides and prints a line of JSON per case; this makes one table of them. No figure is
//! kept: what is printed is what this machine did just now.

mod table;
mod web;
mod wired;

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::bench::table::{Measured, Side, table};
use crate::browser::Browser;
use crate::checkout::Checkout;
use crate::group::{Group, Interrupt, Waited};
use crate::tools::Tools;

const WASM_TARGET: &str = "wasm32-unknown-unknown";
/// Seconds for the benchmark in the browser; a session of a million events takes its time.
const BROWSER_TIMEOUT_S: &str = "1200";

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// What is measured
    subject: Subject,
    /// Only natively, without a browser
    #[arg(long)]
    native: bool,
    /// Only in headless Chromium
    #[arg(long, conflicts_with = "native")]
    browser: bool,
    /// Measure this client, as `cargo xtask dist` left it, instead of building one
    #[arg(long, value_name = "FOLDER")]
    client: Option<PathBuf>,
    /// Which scenes of the bridge's benchmark, and how many seconds each: `-- huge slow 5`; or which of the client's,
    /// and how often each: `-- deltas 3`
    #[arg(last = true)]
    scenes: Vec<String>,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subject {
    /// Decoding and folding in the protocol crate
    Protocol,
    /// What is lost and what it takes over a network that fails, with the real program
    Reliability,
    /// Whether decisions and requests wait behind what an agent prints, with the real program
    Bridge,
    /// What the browser client costs a tab, beside a page without any feature, in headless Chromium
    Web,
}

pub(crate) fn run(checkout: &Checkout, options: &Options, interrupt: &Interrupt) -> Result<ExitCode> {
    match options.subject {
        Subject::Protocol => {}
        Subject::Reliability => return wired::run(checkout, "reliability", &[], interrupt),
        Subject::Bridge => return wired::run(checkout, "bridge", &options.scenes, interrupt),
        Subject::Web => return web::run(checkout, options.client.as_deref(), &options.scenes, interrupt),
    }
    let mut measured = Vec::new();
    if !options.browser {
        println!("measuring natively, in the release profile");
        measured.extend(collect(Side::Native, native(checkout), interrupt)?);
    }
    if !options.native {
        println!("measuring in headless Chromium, in the profile that ships");
        measured.extend(collect(Side::Chromium, in_browser(checkout, interrupt)?, interrupt)?);
    }
    print!("\n{}", table(&measured));
    Ok(ExitCode::SUCCESS)
}

fn native(checkout: &Checkout) -> Command {
    let mut command = checkout.cargo("bench");
    command.args(["--package", "portcullis-protocol", "--bench", "protocol"]);
    command
}

fn in_browser(checkout: &Checkout, interrupt: &Interrupt) -> Result<Command> {
    let tools = Tools::new(checkout, interrupt)?;
    tools.ensure_wasm_target()?;
    let runner = tools.wasm_bindgen()?.join("wasm-bindgen-test-runner");
    let mut command = checkout.cargo("bench");
    command.args(["--package", "portcullis-protocol", "--bench", "protocol"]);
    command.args(["--target", WASM_TARGET, "--profile", "wasm-release"]);
    command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner);
    Browser::ensure(interrupt)?.tell(&mut command, checkout)?;
    command.env("WASM_BINDGEN_TEST_TIMEOUT", BROWSER_TIMEOUT_S);
    // The runner keeps what it measured for the next comparison; that is a build result, not a source.
    command.env("WASM_BINDGEN_BENCH_RESULT", checkout.scratch("bench")?.join("browser.json"));
    Ok(command)
}

/// Runs a benchmark, shows what it says and keeps what it measured.
fn collect(side: Side, command: Command, interrupt: &Interrupt) -> Result<Vec<Measured>> {
    let (mut group, stdout) = Group::piped("the benchmark", command, interrupt)?;
    let reader = std::thread::spawn(move || {
        let mut measured = Vec::new();
        for line in BufReader::new(stdout).lines().map_while(std::io::Result::ok) {
            match Measured::read(side, &line) {
                Some(one) => measured.push(one),
                None => println!("{line}"),
            }
        }
        measured
    });
    let Waited::Exited(status) = group.wait()? else { bail!("interrupted") };
    drop(group);
    let measured = reader.join().expect("reading lines does not panic");
    if !status.success() {
        bail!("the benchmark failed");
    }
    if measured.is_empty() {
        bail!("the benchmark measured nothing");
    }
    Ok(measured)
}
