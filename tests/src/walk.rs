//! One walk through the client: a fresh system, a fresh browser, pictures on the way, and nothing left at the end.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use tokio::sync::Mutex;

use crate::browser::Browser;
use crate::page::{Page, mark};
use crate::system::System;

/// Browsers are big and machines small.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A walk in progress.
#[derive(Debug)]
pub struct Walk {
    name: &'static str,
    pictures: u32,
    system: System,
    browser: Browser,
    page: Page,
}

/// Takes `steps` with a system and a browser that nobody used before; fails if the page logged an error, and if a
/// process is left afterwards.
pub async fn walk(name: &'static str, steps: impl AsyncFnOnce(&mut Walk) -> Result<()>) -> Result<()> {
    let _turn = ONE_AT_A_TIME.lock().await;
    let system = System::start()?;
    let browser = Browser::start().await?;
    let page = Page::new(browser.client());
    let mut walk = Walk { name, pictures: 0, system, browser, page };
    let walked = steps(&mut walk).await;
    if walked.is_err() {
        // The failure that matters is the one above.
        let _pictured = walk.picture("failed").await;
    }
    let errors = walk.browser.console_errors().await.unwrap_or_default();
    let log = walk.system.log();
    let Walk { system, browser, .. } = walk;
    let browser_ended = browser.end().await;
    let system_ended = tokio::task::spawn_blocking(|| system.end()).await?;
    walked.with_context(|| format!("console: {errors:#?}\n{log}"))?;
    if !errors.is_empty() {
        bail!("the page logged errors: {errors:#?}");
    }
    browser_ended?;
    system_ended
}

impl Walk {
    pub fn page(&self) -> &Page {
        &self.page
    }

    pub fn system(&self) -> &System {
        &self.system
    }

    pub fn browser(&self) -> &Browser {
        &self.browser
    }

    /// Opens the pairing link and waits for the list of sessions.
    pub async fn pair(&self) -> Result<()> {
        self.page.client().goto(self.system.pair_url()).await?;
        self.page.see(mark::SESSION_LIST).await?;
        self.page.see(mark::ENVIRONMENT_ONLINE).await.map(drop)
    }

    /// Pairs, and opens a session that is ready for a prompt.
    pub async fn open_session(&self) -> Result<()> {
        self.pair().await?;
        self.page.press(mark::NEW_SESSION).await?;
        self.page.see(mark::COMPOSER).await?;
        self.page.see(mark::LINK_ONLINE).await.map(drop)
    }

    /// Keeps what the page looks like now.
    pub async fn picture(&mut self, what: &str) -> Result<()> {
        let Some(folder) = std::env::var_os("PORTCULLIS_SCREENSHOTS").map(PathBuf::from) else {
            return Ok(());
        };
        fs::create_dir_all(&folder)?;
        self.pictures += 1;
        let file = folder.join(format!("{}-{:02}-{what}.png", self.name, self.pictures));
        let picture = self.page.client().screenshot().await.context("taking a picture")?;
        fs::write(&file, picture).with_context(|| format!("writing {}", file.display()))
    }
}
