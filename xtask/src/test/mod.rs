//! `cargo xtask test`: every check there is, cheap ones first, one count at the end.
//!
//! A step that fails does not stop the ones after it, unless they would only build on what is broken.

mod agents;
pub(crate) mod count;
mod python_sdk;
pub(crate) mod steps;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::ValueEnum;

use crate::checkout::Checkout;
use crate::group::Interrupt;
use crate::test::count::Count;
use crate::test::steps::Runner;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only these parts; without any, all of them
    parts: Vec<Part>,
}

/// A part of the tests that can be run alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Formatting, layout rules and clippy, native and wasm32
    Lint,
    /// The tests of everything that runs natively
    Native,
    /// The protocol crate, compiled to wasm32
    Wasm,
    /// The browser client's own tests in headless Chromium
    Web,
    /// The real program over real sockets: a faulty network, kills, a database on disk
    Wired,
    /// The journey of a person through the client, against the real processes
    Browser,
    /// A session of the official browser client from npm, against the real processes
    Sdk,
    /// Agents nobody here wrote behind the real program, and the built-in one beside them
    Agents,
    /// Sessions of the Python SDK from PyPI with the built-in agent
    Python,
}

struct Step {
    part: Part,
    heading: &'static str,
    run: fn(&Runner<'_>) -> Result<Count>,
}

const STEPS: [Step; 14] = [
    Step { part: Part::Lint, heading: "formatting", run: |runner| runner.formatting() },
    Step { part: Part::Lint, heading: "layout rules", run: |runner| runner.layout_rules() },
    Step { part: Part::Lint, heading: "clippy, native", run: |runner| runner.clippy_native() },
    Step { part: Part::Lint, heading: "clippy, wasm32", run: |runner| runner.clippy_wasm() },
    Step { part: Part::Native, heading: "native tests", run: |runner| runner.native_tests() },
    Step { part: Part::Wired, heading: "wired faults", run: |runner| runner.wired_faults() },
    Step { part: Part::Wasm, heading: "protocol on wasm32", run: |runner| runner.protocol_on_wasm() },
    Step { part: Part::Web, heading: "web in headless Chromium", run: |runner| runner.web_in_browser() },
    Step { part: Part::Browser, heading: "build of the system", run: |runner| runner.system_build() },
    Step { part: Part::Browser, heading: "journey in a browser", run: |runner| runner.journey() },
    Step { part: Part::Browser, heading: "accessibility", run: |runner| runner.accessibility() },
    Step { part: Part::Sdk, heading: "official browser client", run: |runner| runner.official_client() },
    Step { part: Part::Agents, heading: "agents", run: |runner| runner.agents() },
    Step { part: Part::Python, heading: "Python SDK", run: |runner| runner.python_sdk() },
];

pub(crate) fn run(checkout: &Checkout, options: &Options, interrupt: &Interrupt) -> Result<ExitCode> {
    let runner = Runner::new(checkout, interrupt)?;
    let wanted = |part: Part| options.parts.is_empty() || options.parts.contains(&part);
    let mut total = Count::default();
    let mut summary = Vec::new();
    for step in STEPS.iter().filter(|step| wanted(step.part)) {
        println!("\n== {} ==", step.heading);
        let started = Instant::now();
        let count = (step.run)(&runner).unwrap_or_else(|error| {
            println!("error: {error:#}");
            Count::failure()
        });
        summary.push(format!("{:>7.1} s  {count}  {}", started.elapsed().as_secs_f32(), step.heading));
        total += count;
        if interrupt.requested() {
            println!("interrupted");
            return Ok(ExitCode::FAILURE);
        }
    }
    println!("\n== summary ==");
    for line in summary {
        println!("{line}");
    }
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
