//! What only the browser's developer tools can do to a page: take its network, freeze it, crash it, fill its storage,
//! move its clocks.

use anyhow::{Context as _, Result};
use fantoccini::Locator;
use fantoccini::wd::WindowHandle;
use serde_json::json;

use crate::browser::Browser;

/// Makes `window.portcullisJump(ms)` move every clock of the page, as if the machine had slept or been set.
pub const MOVABLE_CLOCKS: &str = "(() => {
    let offset = 0, wall = 0;
    const now = Performance.prototype.now, date = Date.now, RealDate = Date;
    Performance.prototype.now = function () { return now.call(this) + offset; };
    Date.now = () => date() + offset + wall;
    window.portcullisJump = (ms) => { offset += ms; };
    window.portcullisSetWall = (ms) => { wall += ms; };
})()";

/// Makes every try to open the storage fail, as where a person or a policy denies it.
pub const STORAGE_DENIED: &str = "IDBFactory.prototype.open = function () {
    throw new DOMException('The user denied permission to access the database.', 'SecurityError');
}";

impl Browser {
    /// Takes the network from the current tab, or gives it back; the page is told.
    pub async fn set_offline(&self, offline: bool) -> Result<()> {
        self.devtools("Network.enable", json!({})).await?;
        let conditions =
            json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
        self.devtools("Network.emulateNetworkConditions", conditions).await
    }

    /// Freezes the current tab as a browser freezes tabs that nobody looks at. Nothing can be asked of it until it is
    /// thawed.
    pub async fn freeze(&self) -> Result<()> {
        self.devtools("Page.setWebLifecycleState", json!({ "state": "frozen" })).await
    }

    /// Lets it go on.
    pub async fn thaw(&self) -> Result<()> {
        self.devtools("Page.setWebLifecycleState", json!({ "state": "active" })).await
    }

    /// Kills the process of the current tab.
    pub async fn crash(&self) {
        // It cannot answer any more.
        let _crashed = self.devtools("Page.crash", json!({})).await;
    }

    /// Lets an origin store no more than this.
    pub async fn limit_storage(&self, origin: &str, bytes: u64) -> Result<()> {
        self.devtools("Storage.overrideQuotaForOrigin", json!({ "origin": origin, "quotaSize": bytes })).await
    }

    /// Runs a script in the current tab before every page that it opens from now on.
    pub async fn before_each_page(&self, script: &str) -> Result<()> {
        self.devtools("Page.enable", json!({})).await?;
        self.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).await
    }

    /// Opens a tab, looks at it, and shows `address` there.
    pub async fn open_tab(&self, address: &str) -> Result<WindowHandle> {
        let tab = self.client().new_window(true).await.context("opening a tab")?.handle;
        self.look_at(&tab).await?;
        self.client().goto(address).await?;
        Ok(tab)
    }

    /// Looks at a tab; the others are hidden then.
    pub async fn look_at(&self, tab: &WindowHandle) -> Result<()> {
        self.client().switch_to_window(tab.clone()).await.context("switching tabs")?;
        self.devtools("Page.bringToFront", json!({})).await
    }

    /// Whether the page of the current tab is hidden.
    pub async fn is_hidden(&self) -> Result<bool> {
        let hidden = self.client().execute("return document.hidden", Vec::new()).await?;
        Ok(hidden.as_bool().unwrap_or(false))
    }

    /// Runs a script in the current tab.
    pub async fn run(&self, script: &str) -> Result<serde_json::Value> {
        self.client().execute(script, Vec::new()).await.with_context(|| format!("running {script:?}"))
    }

    /// Presses keys wherever the focus is.
    pub async fn keys(&self, keys: &str) -> Result<()> {
        let focused = self.client().find(Locator::Css(":focus, body")).await?;
        focused.send_keys(keys).await.context("pressing keys")
    }
}
