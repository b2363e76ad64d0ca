//! A headless Chromium with a profile of its own, until it is dropped.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use portcullis_wired::patience::{PATIENCE, until};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::devtools::Devtools;
use crate::tab::Tab;

/// Where the command that runs the benchmark says that Chromium is.
const PROGRAM: &str = "PORTCULLIS_CHROMIUM";
/// What a laptop shows.
const WINDOW: &str = "--window-size=1440,900";
/// Nothing but what the page asks for, and a tab that nobody looks at is not slowed down: there is nobody.
const SWITCHES: [&str; 12] = [
    "--headless=new",
    "--remote-debugging-port=0",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-renderer-backgrounding",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--no-first-run",
    "--enable-precise-memory-info",
];

/// A running browser.
#[derive(Debug)]
pub struct Chromium {
    child: Child,
    devtools: Devtools,
    profile: TempDir,
}

impl Chromium {
    /// Starts it, and connects to its developer tools.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start() -> Result<Self> {
        let profile = tempfile::Builder::new().prefix("portcullis-bench-profile-").tempdir()?;
        let program = std::env::var_os(PROGRAM).map(PathBuf::from);
        let program =
            program.with_context(|| format!("{PROGRAM} is not set: run `cargo xtask bench web`"))?;
        let mut command = Command::new(program);
        command.args(SWITCHES).arg(WINDOW).arg(format!("--user-data-dir={}", profile.path().display()));
        if rustix::process::geteuid().is_root() {
            // As root Chromium refuses to start with its sandbox.
            command.arg("--no-sandbox");
        }
        command.arg("about:blank").process_group(0);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let told = profile.path().join("DevToolsActivePort");
        let address = until("the developer tools of Chromium", PATIENCE, async || {
            let text = std::fs::read_to_string(&told).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            let [port, path] = lines[..] else { return Ok(None) };
            Ok(Some(format!("ws://127.0.0.1:{port}{path}")))
        })
        .await?;
        Ok(Self { child, devtools: Devtools::connect(&address).await?, profile })
    }

    /// Its name and version.
    ///
    /// # Errors
    /// When it is gone.
    pub async fn version(&self) -> Result<String> {
        let version = self.devtools.call(None, "Browser.getVersion", json!({})).await?;
        Ok(version["product"].as_str().unwrap_or("an unknown browser").to_owned())
    }

    /// A window with nothing in it, among the pages of `context`, or of the profile itself.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn open(&self, context: Option<&str>) -> Result<Tab> {
        let mut wanted = json!({ "url": "about:blank", "newWindow": true });
        if let Some(context) = context {
            wanted["browserContextId"] = context.into();
        }
        let made = self.devtools.call(None, "Target.createTarget", wanted).await?;
        let target = text(&made, "targetId")?;
        let attach = json!({ "targetId": target, "flatten": true });
        let attached = self.devtools.call(None, "Target.attachToTarget", attach).await?;
        Tab::new(self.devtools.clone(), target, text(&attached, "sessionId")?).await
    }

    /// Storage, caches and workers of their own.
    ///
    /// # Errors
    /// When they cannot be made.
    pub async fn context(&self) -> Result<String> {
        let made = self.devtools.call(None, "Target.createBrowserContext", json!({})).await?;
        text(&made, "browserContextId")
    }

    /// Where its profile is.
    #[must_use]
    pub fn profile(&self) -> &std::path::Path {
        self.profile.path()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _gone = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _status = self.child.wait();
    }
}

fn text(value: &Value, key: &str) -> Result<String> {
    value[key].as_str().map(str::to_owned).with_context(|| format!("no {key} in {value}"))
}
