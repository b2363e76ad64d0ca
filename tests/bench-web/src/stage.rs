//! The real server with the released client and the floor page, its owner, a machine whose bridge is played, and a
//! browser that was let in.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use portcullis_wired::device::{Device, Paired};
use portcullis_wired::patience::{PATIENCE, until};
use portcullis_wired::process::{Process, run};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::chromium::Chromium;
use crate::tab::Tab;
use crate::worker::Bridge;

/// Where the command that runs the benchmark says that the client is.
const CLIENT: &str = "PORTCULLIS_WEB_ROOT";
const FLOOR_PAGE: &str = include_str!("../pages/floor.html");
const FLOOR_SCRIPT: &str = include_str!("../pages/floor.js");

/// Everything that is measured with.
#[derive(Debug)]
pub struct Stage {
    /// The browser.
    pub chromium: Chromium,
    /// The owner, who is a program.
    pub owner: Device,
    /// The machine of the agents.
    pub bridge: Bridge,
    /// Storage of the floor page: the client's service worker must not answer for it.
    floor: String,
    url: String,
    _server: Process,
    _folder: TempDir,
}

/// Which of the two pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Hand-written JavaScript without any feature.
    Floor,
    /// The released client.
    Client,
}

impl Side {
    /// Both, in the order of the table.
    pub const BOTH: [Self; 2] = [Self::Floor, Self::Client];

    /// Where somebody types on it.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Self::Floor => "#field",
            Self::Client => "[data-testid=composer-input]",
        }
    }

    /// Where what the agent says is shown.
    #[must_use]
    pub fn shown_in(self) -> &'static str {
        match self {
            Self::Floor => "#out",
            Self::Client => "[data-testid=transcript]",
        }
    }
}

impl Stage {
    /// Starts everything, and pairs the browser.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn set() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("portcullis-bench-").tempdir()?;
        let client = std::env::var_os(CLIENT).map(PathBuf::from);
        let client = client.with_context(|| format!("{CLIENT} is not set: run `cargo xtask bench web`"))?;
        let root = folder.path().join("root");
        copy(&client, &root).with_context(|| format!("copying {}", client.display()))?;
        std::fs::write(root.join("floor.html"), FLOOR_PAGE)?;
        std::fs::write(root.join("floor.js"), FLOOR_SCRIPT)?;

        let data = format!("--data-dir={}", folder.path().join("data").display());
        let words = [
            "serve".to_owned(),
            "--json".to_owned(),
            "--no-open".to_owned(),
            "--listen=127.0.0.1:0".to_owned(),
            format!("--web-root={}", root.display()),
            data.clone(),
        ];
        let mut server = Process::start(&words, folder.path(), "server")?;
        let ready = server.first_line().await?;
        let url = ready["url"].as_str().with_context(|| ready.to_string())?.to_owned();
        let code = ready["pair_code"].as_str().with_context(|| ready.to_string())?;
        let Paired::Owner(owner) = Device::pair(&url, code, "owner").await? else {
            bail!("not the first device")
        };
        let Paired::Waiting(machine, _) = Device::pair(&url, &pair_code(&data)?, "machine").await? else {
            bail!("a further device was let in by itself")
        };
        admit(&owner, "bridge").await?;
        let bridge = Bridge::register(machine).await?;

        let chromium = Chromium::start().await?;
        let tab = chromium.open(None).await?;
        tab.go(&format!("{url}/#pair={}", pair_code(&data)?)).await?;
        admit(&owner, "owner").await?;
        tab.until("document.querySelector('[data-testid=session-list]')").await?;
        // What is fetched once and kept is kept now: a tab is opened many times and installed once.
        tab.until("navigator.serviceWorker.controller").await?;
        tab.close().await?;
        let floor = chromium.context().await?;
        Ok(Self { chromium, owner, bridge, floor, url, _server: server, _folder: folder })
    }

    /// An empty page for one of the two.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn tab(&self, side: Side) -> Result<Tab> {
        let context = (side == Side::Floor).then_some(self.floor.as_str());
        self.chromium.open(context).await
    }

    /// Opens `session` on a new page of one of the two, and waits until its socket is open.
    ///
    /// # Errors
    /// When it does not come online.
    pub async fn open(&self, side: Side, session: &str) -> Result<Tab> {
        let tab = self.tab(side).await?;
        match side {
            Side::Client => {
                tab.go(&self.address(session)).await?;
                tab.until("document.querySelector('[data-testid=link-state][data-state=online]')").await?;
                tab.until("document.querySelector('[data-testid=composer-input]')").await?;
            }
            Side::Floor => {
                tab.go(&format!("{}/floor.html", self.url)).await?;
                tab.until("window.floor").await?;
                let host = self.url.replace("http://", "ws://");
                let socket = format!("{host}/v1/sessions/ws/{session}/subscribe?dialect=portcullis.v1");
                let token = self.owner.token().await?;
                tab.eval(&format!("floor({}, {})", json!(socket), json!(token))).await?;
                tab.until("document.title === 'online'").await?;
            }
        }
        Ok(tab)
    }

    /// Where the client shows `session`.
    #[must_use]
    pub fn address(&self, session: &str) -> String {
        format!("{}/s/{session}", self.url)
    }
}

fn pair_code(data: &str) -> Result<String> {
    let line: Value = serde_json::from_str(&run(&["pair", "--json", data])?)?;
    line["pair_code"].as_str().map(str::to_owned).with_context(|| line.to_string())
}

/// Lets in the one device that waits for it, once it does.
async fn admit(owner: &Device, role: &str) -> Result<()> {
    let device = until("a device that waits to be let in", PATIENCE, async || {
        let devices = owner.must(Method::GET, "/v1/auth/devices", None).await?;
        let rows = devices["data"].as_array().cloned().unwrap_or_default();
        Ok(rows.into_iter().find(|row| row["confirm_code"].is_string()))
    })
    .await?;
    let path = format!("/v1/auth/devices/{}", device["id"].as_str().context("a device has an id")?);
    owner.must(Method::PATCH, &path, Some(json!({ "confirm": true, "role": role }))).await.map(drop)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
