//! `cargo xtask soak`: the tests over real sockets and processes at full size, in the release profile.
//!
//! 100,000 facts through 200 cuts, 50 kills of either process, 100 kills of a server that is written to, a backlog of a
//! million events. It takes the better part of an hour; `cargo xtask test` runs a tenth of it. Then the scenarios of
//! Claude Code with every version that is to work; `cargo xtask test` runs the newest one. Last the walks in the browser
//! once more, through the client as it is shipped: built for release and cut into parts, which takes some ten minutes.

use std::process::ExitCode;

use anyhow::Result;

use crate::checkout::Checkout;
use crate::group::Interrupt;
use crate::test::steps::Runner;

pub(crate) fn run(checkout: &Checkout, interrupt: &Interrupt) -> Result<ExitCode> {
    let runner = Runner::new(checkout, interrupt)?;
    let mut count = runner.soak()?;
    count += runner.every_claude()?;
    count += runner.journey_in_parts()?;
    println!("\n{} passed, {} failed", count.passed, count.failed);
    Ok(if count.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
