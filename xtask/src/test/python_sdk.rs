//! The public Python SDK as a client of the built-in agent: installed into a folder of its own, never committed.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::group;
use crate::test::count::Count;
use crate::test::steps::Runner;
use crate::tools::Tools;

const PACKAGE: &str = "claude-agent-sdk";
const VERSION: &str = "0.2.186";
/// The agent that the package brings along, 370 MB that nobody here runs.
const BUNDLED: &str = "import claude_agent_sdk, pathlib, shutil; \
                       shutil.rmtree(pathlib.Path(claude_agent_sdk.__file__).parent / '_bundled', ignore_errors=True)";
const SCRIPT: &str = "crates/agent/tests/python_sdk.py";

impl Runner<'_> {
    pub(crate) fn python_sdk(&self) -> Result<Count> {
        let python = match self.tools().python_sdk() {
            Ok(Some(python)) => python,
            Ok(None) => {
                println!(
                    "skipped: python3 with its venv module is not here, so the Python SDK cannot be installed"
                );
                return Ok(Count::skip());
            }
            Err(error) => return Err(error),
        };
        let mut binary = self.checkout().cargo("build");
        binary.args(["--package", "portcullis"]);
        group::run("cargo build", binary, self.interrupt())?;
        let mut command = Command::new(python);
        command.arg(self.checkout().root().join(SCRIPT));
        command.env("PORTCULLIS_BIN", self.checkout().target().join("debug/portcullis"));
        // The test is about this machine's agent alone: whoever runs it keeps their key to themselves.
        for secret in ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "ANTHROPIC_MODEL"] {
            command.env_remove(secret);
        }
        self.count(command)
    }
}

impl Tools<'_> {
    /// The Python of an environment that has the SDK, or `None` where no environment can be made.
    fn python_sdk(&self) -> Result<Option<PathBuf>> {
        let place = self.cache().join(format!("{PACKAGE}-python-{VERSION}"));
        let python = place.join("bin/python");
        if place.join("complete").exists() {
            return Ok(Some(python));
        }
        let probe = Command::new("python3").args(["-c", "import venv, ensurepip"]).output();
        if !probe.is_ok_and(|output| output.status.success()) {
            return Ok(None);
        }
        println!("installing {PACKAGE} {VERSION} into {}", place.display());
        // An environment knows its own place, so it is made there, and marked when it is whole.
        let _half = std::fs::remove_dir_all(&place);
        std::fs::create_dir_all(&place)?;
        let mut make = Command::new("python3");
        make.args(["-m", "venv"]).arg(&place);
        group::run("python3 -m venv", make, self.interrupt())?;
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-cache-dir"]);
        install.arg(format!("{PACKAGE}=={VERSION}"));
        group::run("pip", install, self.interrupt())?;
        let mut slim = Command::new(&python);
        slim.args(["-c", BUNDLED]);
        group::run("python", slim, self.interrupt())?;
        std::fs::write(place.join("complete"), VERSION)?;
        Ok(Some(python))
    }
}
