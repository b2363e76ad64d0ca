//! `cargo xtask screenshots`: the pictures in `docs/screenshots`, of a real system with the scripted agent.
//!
//! The walk itself is a program of the package of the tests in a browser, which knows how to use the page.

use std::process::ExitCode;

use anyhow::{Result, ensure};

use crate::checkout::Checkout;
use crate::group::Interrupt;
use crate::test::steps::Runner;

pub(crate) fn run(checkout: &Checkout, interrupt: &Interrupt) -> Result<ExitCode> {
    let runner = Runner::new(checkout, interrupt)?;
    ensure!(runner.system_build()?.failed == 0, "the system cannot be built");
    let folder = checkout.root().join("docs/screenshots");
    let taken = runner.pictures(&folder)?;
    println!("{}", folder.display());
    Ok(if taken.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
