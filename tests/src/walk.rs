//! One walk through the client: a fresh system, a fresh browser, pictures on the way, and nothing left at the end.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use tokio::sync::Mutex;

use crate::apart::Apart;
use crate::browser::Browser;
use crate::page::{Page, mark};
use crate::system::System;

/// Browsers are big and machines small.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A system that a browser can look at.
pub trait Place: Send + 'static {
    /// What it logged, for the message of a failed test.
    fn log(&self) -> String;

    /// Ends it, and fails if a process stays.
    fn end(self) -> Result<()>;
}

/// A walk in progress.
#[derive(Debug)]
pub struct Walk<S = System> {
    name: &'static str,
    pictures: u32,
    system: S,
    browser: Browser,
    page: Page,
    provoked: Vec<&'static str>,
}

/// Takes `steps` with a system and a browser that nobody used before; fails if the page logged an error, and if a
/// process is left afterwards.
pub async fn walk(name: &'static str, steps: impl AsyncFnOnce(&mut Walk) -> Result<()>) -> Result<()> {
    let _turn = ONE_AT_A_TIME.lock().await;
    take(name, System::start()?, steps).await
}

/// The same with a system in parts, each of which the steps may break.
pub async fn walk_apart(
    name: &'static str,
    steps: impl AsyncFnOnce(&mut Walk<Apart>) -> Result<()>,
) -> Result<()> {
    let _turn = ONE_AT_A_TIME.lock().await;
    take(name, Apart::start().await?, steps).await
}

/// The same with a system that was started already.
pub async fn walk_in(
    name: &'static str,
    system: Apart,
    steps: impl AsyncFnOnce(&mut Walk<Apart>) -> Result<()>,
) -> Result<()> {
    let _turn = ONE_AT_A_TIME.lock().await;
    take(name, system, steps).await
}

async fn take<S: Place>(
    name: &'static str,
    system: S,
    steps: impl AsyncFnOnce(&mut Walk<S>) -> Result<()>,
) -> Result<()> {
    let browser = Browser::start().await?;
    let page = Page::new(browser.client());
    let mut walk = Walk { name, pictures: 0, system, browser, page, provoked: Vec::new() };
    let walked = steps(&mut walk).await;
    if walked.is_err() {
        // The failure that matters is the one above.
        let _pictured = walk.picture("failed").await;
    }
    let errors = walk.browser.console_errors().await.unwrap_or_default();
    let log = walk.system.log();
    let Walk { system, browser, provoked, .. } = walk;
    let browser_ended = browser.end().await;
    let system_ended = tokio::task::spawn_blocking(|| system.end()).await?;
    walked.with_context(|| format!("console: {errors:#?}\n{log}"))?;
    let is_provoked = |error: &String| provoked.iter().any(|part| error.contains(part));
    let unexpected: Vec<_> = errors.into_iter().filter(|error| !is_provoked(error)).collect();
    if !unexpected.is_empty() {
        bail!("the page logged errors: {unexpected:#?}");
    }
    browser_ended?;
    system_ended
}

impl<S> Walk<S> {
    pub fn page(&self) -> &Page {
        &self.page
    }

    pub fn system(&self) -> &S {
        &self.system
    }

    pub fn browser(&self) -> &Browser {
        &self.browser
    }

    /// An error with this in its text is what the steps provoke, and no failure.
    pub fn provokes(&mut self, part: &'static str) {
        self.provoked.push(part);
    }

    /// Starts a session that is ready for a prompt.
    pub async fn new_session(&self) -> Result<()> {
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

impl Walk {
    /// Opens the pairing link and waits for the list of sessions.
    pub async fn pair(&self) -> Result<()> {
        self.page.client().goto(self.system.pair_url()).await?;
        self.page.see(mark::SESSION_LIST).await?;
        self.page.see(mark::ENVIRONMENT_ONLINE).await.map(drop)
    }

    /// Pairs, and opens a session that is ready for a prompt.
    pub async fn open_session(&self) -> Result<()> {
        self.pair().await?;
        self.new_session().await
    }
}

impl Walk<Apart> {
    /// The parts, to break them.
    pub fn system_mut(&mut self) -> &mut Apart {
        &mut self.system
    }

    /// Pairs this browser as one more device of the owner.
    pub async fn pair(&self) -> Result<()> {
        self.page.client().goto(&self.system.pair_url()?).await?;
        self.system.owner().admit("owner").await?;
        self.page.see(mark::SESSION_LIST).await?;
        self.page.see(mark::ENVIRONMENT_ONLINE).await.map(drop)
    }

    /// Pairs, and opens a session that has done something already. Gives its id.
    pub async fn open_session(&self) -> Result<String> {
        self.pair().await?;
        self.new_session().await?;
        self.page.prompt("@say Ready.").await?;
        let id = self.system.owner().only_session().await?;
        self.page.read(mark::TEXT, "Ready.").await?;
        self.page.see_gone(mark::STOP).await?;
        // All of that may have been read from the log, before there is a link to break.
        self.page.see(mark::LINK_ONLINE).await?;
        Ok(id)
    }

    /// Fails unless each of these was asked for and said exactly once, in this order, in the log and on the page.
    pub async fn see_each_once(&self, session: &str, texts: &[&str]) -> Result<()> {
        self.system.owner().see_each_said_once(session, texts).await?;
        for text in texts {
            self.page.read(mark::TEXT, text).await?;
            let shown = self.page.raw_texts(mark::PROMPT).await?;
            let times = shown.iter().filter(|prompt| prompt.contains(&format!("@say {text}"))).count();
            ensure!(times == 1, "the page shows the prompt for {text:?} {times} times: {shown:#?}");
        }
        Ok(())
    }
}
