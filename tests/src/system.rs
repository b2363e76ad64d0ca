//! The system under test: `portcullis demo` with everything it writes below a folder of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::patience::SOON;
use crate::processes::{Family, Trace};
use crate::walk::Place;

/// A running demo.
#[derive(Debug)]
pub struct System {
    family: Family,
    folder: TempDir,
    url: String,
    pair_url: String,
    pair_code: String,
}

impl System {
    /// Starts the demo and waits until it says that it is ready.
    pub fn start() -> Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("portcullis-journey-").tempdir().context("making a folder")?;
        let mut command = Command::new(given("PORTCULLIS_BIN")?);
        command.args(["demo", "--json", "--no-open", "--listen=127.0.0.1:0"]);
        command.arg(format!("--web-root={}", given("PORTCULLIS_WEB_ROOT")?.display()));
        command.arg(format!("--data-dir={}", folder.path().join("data").display()));
        let temporary = folder.path().join("tmp");
        fs::create_dir(&temporary)?;
        command.env("TMPDIR", temporary).current_dir(folder.path());
        let log = File::create(folder.path().join("portcullis.log"))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut family = Family::start("portcullis demo", &mut command)?;
        let ready = wait_until_ready(&mut family).with_context(|| log_of(folder.path()))?;
        let text = |key: &str| {
            ready[key].as_str().map(str::to_owned).with_context(|| format!("no {key} in {ready}"))
        };
        Ok(Self {
            url: text("url")?,
            pair_url: text("pair_url")?,
            pair_code: text("pair_code")?,
            family,
            folder,
        })
    }

    /// Where the page is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The link that pairs one browser.
    pub fn pair_url(&self) -> &str {
        &self.pair_url
    }

    /// The code in that link.
    pub fn pair_code(&self) -> &str {
        &self.pair_code
    }

    /// The processes it started, agents among them.
    pub fn descendants(&self) -> Vec<Trace> {
        self.family.descendants()
    }

    /// A file of that name in the throwaway project, wherever the demo made it.
    pub fn project_file(&self, name: &str) -> Option<PathBuf> {
        find_below(self.folder.path(), name)
    }
}

impl Place for System {
    fn log(&self) -> String {
        log_of(self.folder.path())
    }

    fn end(mut self) -> Result<()> {
        self.family.end().with_context(|| log_of(self.folder.path()))
    }
}

/// A path that the command which runs the tests has to give.
pub fn given(name: &str) -> Result<PathBuf> {
    let value = std::env::var_os(name)
        .with_context(|| format!("{name} is not set: run `cargo xtask test browser`"))?;
    Ok(PathBuf::from(value))
}

pub(crate) fn wait_until_ready(family: &mut Family) -> Result<Value> {
    let lines = family.lines()?;
    loop {
        let Ok(line) = lines.recv_timeout(SOON) else { bail!("the demo did not become ready") };
        let event: Value =
            serde_json::from_str(&line).with_context(|| format!("not JSON on stdout: {line}"))?;
        if event["event"] == "ready" {
            return Ok(event);
        }
    }
}

fn log_of(folder: &Path) -> String {
    let log = fs::read_to_string(folder.join("portcullis.log")).unwrap_or_default();
    format!("the log of portcullis demo:\n{log}")
}

fn find_below(folder: &Path, name: &str) -> Option<PathBuf> {
    for entry in fs::read_dir(folder).ok()?.filter_map(std::io::Result::ok) {
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && entry.file_name() != ".git" {
            if let Some(found) = find_below(&path, name) {
                return Some(found);
            }
        } else if entry.file_name() == name {
            return Some(path);
        }
    }
    None
}
