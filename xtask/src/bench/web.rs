//! The benchmark of the browser client: the program and the client as they are released, and headless Chromium.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::browser::Browser;
use crate::checkout::Checkout;
use crate::dist;
use crate::group::{Group, Interrupt, Waited};
use crate::test::steps::{Profile, build};

/// The file without which a folder holds no client.
const PAGE: &str = "index.html";

/// Builds what is measured, the client only where none is given, and prints the table.
pub(super) fn run(
    checkout: &Checkout,
    client: Option<&Path>,
    words: &[String],
    interrupt: &Interrupt,
) -> Result<ExitCode> {
    let client = match client {
        Some(client) => built(client)?,
        None => {
            // What it weighs is judged there, what it does here.
            let _weighed = dist::run(checkout, interrupt)?;
            built(&checkout.root().join("dist"))?
        }
    };
    println!("client: {}", client.display());
    let program = build(checkout, Profile::Release, interrupt)?;
    let mut command = checkout.cargo("bench");
    command.args(["--package", "portcullis-bench-web", "--bench", "web", "--"]).args(words);
    command.env("PORTCULLIS_BIN", program).env("PORTCULLIS_WEB_ROOT", client);
    Browser::ensure(interrupt)?.tell(&mut command, checkout)?;
    // An aim that is missed was said in the table; nothing went wrong here.
    match Group::spawn("the benchmark", command, interrupt)?.wait()? {
        Waited::Exited(status) if status.success() => Ok(ExitCode::SUCCESS),
        Waited::Exited(_) => Ok(ExitCode::FAILURE),
        Waited::Interrupted => bail!("interrupted"),
    }
}

fn built(client: &Path) -> Result<PathBuf> {
    if !client.join(PAGE).is_file() {
        bail!("there is no {PAGE} in {}: build the client with `cargo xtask dist`", client.display());
    }
    client.canonicalize().with_context(|| format!("finding {}", client.display()))
}
