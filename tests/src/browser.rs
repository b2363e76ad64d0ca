//! A headless Chromium with a profile of its own, driven through chromedriver.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

use crate::patience::SOON;
use crate::processes::Family;
use crate::system::given;

/// How often chromedriver is started before it counts as broken.
const DRIVER_TRIES: u32 = 3;
/// What a laptop shows.
const WINDOW: &str = "--window-size=1440,900";

/// A running browser.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    driver: Family,
    _profile: TempDir,
}

impl Browser {
    /// Starts chromedriver on a free port, and Chromium through it.
    pub async fn start() -> Result<Self> {
        let profile = tempfile::Builder::new().prefix("portcullis-profile-").tempdir()?;
        let (driver, port) = start_driver()?;
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(&profile)?)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .context("starting Chromium")?;
        Ok(Self { client, driver, _profile: profile })
    }

    /// The connection to the browser, for what only it can do.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Errors that the page logged since the last call; a violation of its policy is one.
    pub async fn console_errors(&self) -> Result<Vec<String>> {
        let entries = self.client.issue_cmd(BrowserLog).await.context("reading the console")?;
        let entries = entries.as_array().cloned().unwrap_or_default();
        let errors = entries.iter().filter(|entry| entry["level"] == "SEVERE");
        Ok(errors.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect())
    }

    /// Shows the page as a person with that colour scheme sees it.
    pub async fn prefer_colours(&self, scheme: &str) -> Result<()> {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await.map(drop)
    }

    /// The same for a person who wants nothing to move either.
    pub async fn prefer_calm(&self, scheme: &str) -> Result<()> {
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme }, { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await.map(drop)
    }

    /// Shows the page in a viewport of that size; a window itself cannot be as narrow as a phone.
    pub async fn view_as(&self, width: u32, height: u32) -> Result<()> {
        let phone = width < 640;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await.map(drop)
    }

    /// Ends the browser and its driver.
    pub async fn end(mut self) -> Result<()> {
        self.client.close().await.context("closing the browser")?;
        self.driver.end()
    }

    /// Sends the current tab a command of the developer tools.
    pub async fn devtools(&self, command: &'static str, parameters: Value) -> Result<Value> {
        let command = Devtools { command, parameters };
        self.client.issue_cmd(command).await.context("talking to the developer tools")
    }
}

/// Between looking for a free port and listening there somebody else may take it; then it says so and ends.
fn start_driver() -> Result<(Family, u16)> {
    let mut tried = 0;
    loop {
        let mut command = Command::new(given("CHROMEDRIVER")?);
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = Family::start("chromedriver", &mut command)?;
        tried += 1;
        match driver_port(&mut driver) {
            Ok(port) => return Ok((driver, port)),
            Err(error) if tried == DRIVER_TRIES => return Err(error),
            Err(_) => {}
        }
    }
}

fn driver_port(driver: &mut Family) -> Result<u16> {
    let lines = driver.lines()?;
    loop {
        let Ok(line) = lines.recv_timeout(SOON) else { bail!("chromedriver does not listen") };
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            return port.trim_end_matches('.').parse().context("reading chromedriver's port");
        }
    }
}

fn capabilities(profile: &TempDir) -> Result<Capabilities> {
    let mut arguments = vec![
        "--headless=new".to_owned(),
        WINDOW.to_owned(),
        format!("--user-data-dir={}", profile.path().display()),
    ];
    let quiet = ["disable-background-networking", "disable-component-update", "disable-sync", "disable-quic"];
    arguments.extend(quiet.iter().map(|switch| format!("--{switch}")));
    arguments.extend(["--no-first-run".to_owned(), "--disable-dev-shm-usage".to_owned()]);
    if rustix::process::geteuid().is_root() {
        arguments.push("--no-sandbox".to_owned());
    }
    let capabilities = json!({
        "browserName": "chrome",
        "goog:chromeOptions": { "binary": given("PORTCULLIS_CHROMIUM")?, "args": arguments },
        "goog:loggingPrefs": { "browser": "ALL" },
    });
    capabilities.as_object().cloned().context("capabilities are an object")
}

#[derive(Debug)]
struct Devtools {
    command: &'static str,
    parameters: Value,
}

impl WebDriverCompatibleCommand for Devtools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        of_session(base, session, "goog/cdp/execute")
    }

    fn method_and_body(&self, _url: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({ "cmd": self.command, "params": self.parameters }).to_string()))
    }
}

#[derive(Debug)]
struct BrowserLog;

impl WebDriverCompatibleCommand for BrowserLog {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        of_session(base, session, "se/log")
    }

    fn method_and_body(&self, _url: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({ "type": "browser" }).to_string()))
    }
}

fn of_session(base: &Url, session: Option<&str>, command: &str) -> Result<Url, ParseError> {
    base.join(&format!("session/{}/{command}", session.unwrap_or_default()))
}
