//! Chromium and its driver, for the tests that need a real browser.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::checkout::Checkout;
use crate::group::{self, Interrupt};
use crate::tools::{find_on_path, on_path};

/// Seconds for one crate's tests in the browser; a debug build on a busy machine is slow to load.
const TEST_TIMEOUT_S: &str = "180";
/// Seconds for chromedriver to listen.
const DRIVER_TIMEOUT_S: &str = "30";

const CHROMIUM_NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// What is installed on this machine.
#[derive(Debug)]
pub(crate) struct Browser {
    chromium: PathBuf,
    driver: PathBuf,
}

impl Browser {
    /// Finds Chromium and chromedriver, and installs them where that is possible without asking.
    pub(crate) fn ensure(interrupt: &Interrupt) -> Result<Self> {
        if let Some(browser) = Self::find() {
            return Ok(browser);
        }
        println!("Chromium and chromedriver are missing, installing them with apt");
        install(interrupt).context(
            "Chromium and chromedriver are needed for the tests in a browser. Install them so that `chromium` (or \
             `google-chrome`) and `chromedriver` are on the PATH in the same version; on Debian and Ubuntu: \
             sudo apt-get install chromium chromium-driver",
        )?;
        Self::find().context("Chromium was installed, but is not on the PATH")
    }

    fn find() -> Option<Self> {
        let chromium = CHROMIUM_NAMES.iter().find_map(|name| find_on_path(name))?;
        Some(Self { chromium, driver: find_on_path("chromedriver")? })
    }

    /// Makes `command` run its tests in this browser: wasm ones by the runner's variables, ours by our own.
    pub(crate) fn tell(&self, command: &mut Command, checkout: &Checkout) -> Result<()> {
        command.env("CHROMEDRIVER", &self.driver);
        command.env("PORTCULLIS_CHROMIUM", &self.chromium);
        command.env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", self.write_capabilities(checkout)?);
        command.env("WASM_BINDGEN_USE_BROWSER", "1");
        command.env("WASM_BINDGEN_TEST_TIMEOUT", TEST_TIMEOUT_S);
        command.env("WASM_BINDGEN_TEST_DRIVER_TIMEOUT", DRIVER_TIMEOUT_S);
        Ok(())
    }

    fn write_capabilities(&self, checkout: &Checkout) -> Result<PathBuf> {
        let file = checkout.scratch("browser")?.join("webdriver.json");
        let capabilities = json!({ "goog:chromeOptions": { "binary": self.chromium, "args": arguments() } });
        write(&file, &capabilities.to_string())?;
        Ok(file)
    }
}

fn arguments() -> Vec<&'static str> {
    let mut arguments = vec![
        "--headless=new",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-quic",
        "--no-first-run",
    ];
    if is_root() {
        // Chromium refuses to start as root with its sandbox.
        arguments.push("--no-sandbox");
    }
    arguments
}

fn install(interrupt: &Interrupt) -> Result<()> {
    if !on_path("apt-get") {
        bail!("there is no apt-get here");
    }
    for arguments in [&["update"][..], &["install", "--yes", "chromium", "chromium-driver"]] {
        group::run("apt-get", apt_get(arguments)?, interrupt)?;
    }
    Ok(())
}

fn apt_get(arguments: &[&str]) -> Result<Command> {
    let mut command = if is_root() {
        Command::new("env")
    } else if sudo_asks_nothing() {
        let mut command = Command::new("sudo");
        command.args(["--non-interactive", "env"]);
        command
    } else {
        bail!("installing packages needs root, or sudo without a password");
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(arguments);
    Ok(command)
}

fn sudo_asks_nothing() -> bool {
    Command::new("sudo")
        .args(["--non-interactive", "true"])
        .output()
        .is_ok_and(|output| output.status.success())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn write(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))
}
