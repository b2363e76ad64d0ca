//! What only the browser's developer tools can do to a page: take its network, freeze it, crash it, fill its storage,
//! move its clocks.

use std::path::Path;

use anyhow::{Context as _, Result};
use fantoccini::wd::WindowHandle;
use serde_json::json;

use crate::browser::Browser;

/// Gives a page what a test needs to treat it badly, all of it idle until it is used:
/// `ordeal.jump(ms)` moves every clock, as after sleep; `ordeal.setWall(ms)` moves the wall clock alone;
/// `ordeal.hide(yes)` hides the page and tells it so; `ordeal.full = true` fills its storage; `ordeal.drop = n` loses the
/// next n frames with events; `ordeal.ticks` are the states that a request's ticks went through.
pub const ORDEAL: &str = include_str!("ordeal.js");

/// Makes every try to open the storage fail, as where a person or a policy denies it.
pub const STORAGE_DENIED: &str = "IDBFactory.prototype.open = function () {
    throw new DOMException('The user denied permission to access the database.', 'SecurityError');
}";

/// How many rows the client's storage holds.
const ROWS_KEPT: &str = "const done = arguments[0];
    const open = indexedDB.open('portcullis');
    open.onerror = () => done('the storage cannot be opened: ' + open.error);
    open.onsuccess = () => {
        const database = open.result, names = [...database.objectStoreNames];
        if (names.length === 0) { database.close(); return done(0); }
        const transaction = database.transaction(names);
        let rows = 0;
        for (const name of names) {
            const count = transaction.objectStore(name).count();
            count.onsuccess = () => { rows += count.result; };
        }
        transaction.oncomplete = () => { database.close(); done(rows); };
    };";

impl Browser {
    /// Takes the network from the current tab, or gives it back; the page is told.
    pub async fn set_offline(&self, offline: bool) -> Result<()> {
        self.devtools("Network.enable", json!({})).await?;
        let conditions =
            json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
        self.devtools("Network.emulateNetworkConditions", conditions).await.map(drop)
    }

    /// Freezes the current tab as a browser freezes tabs that nobody looks at. Nothing can be asked of it until it is
    /// thawed.
    pub async fn freeze(&self) -> Result<()> {
        self.devtools("Page.setWebLifecycleState", json!({ "state": "frozen" })).await.map(drop)
    }

    /// Lets it go on.
    pub async fn thaw(&self) -> Result<()> {
        self.devtools("Page.setWebLifecycleState", json!({ "state": "active" })).await.map(drop)
    }

    /// Kills the process of the current tab.
    pub async fn crash(&self) {
        // It cannot answer any more.
        let _crashed = self.devtools("Page.crash", json!({})).await;
    }

    /// How many rows the client keeps in the storage of the current tab's origin.
    pub async fn rows_kept(&self) -> Result<u64> {
        let rows = self.client().execute_async(ROWS_KEPT, Vec::new()).await.context("counting rows")?;
        rows.as_u64().with_context(|| format!("the count is {rows}"))
    }

    /// Saves what pages hand to a person into that folder, without asking.
    pub async fn download_into(&self, folder: &Path) -> Result<()> {
        let behaviour = json!({ "behavior": "allow", "downloadPath": folder });
        self.devtools("Browser.setDownloadBehavior", behaviour).await.map(drop)
    }

    /// Runs a script in the current tab before every page that it opens from now on.
    pub async fn before_each_page(&self, script: &str) -> Result<()> {
        self.devtools("Page.enable", json!({})).await?;
        self.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).await.map(drop)
    }

    /// Opens a tab, looks at it, and shows `address` there.
    pub async fn open_tab(&self, address: &str) -> Result<WindowHandle> {
        let tab = self.client().new_window(true).await.context("opening a tab")?.handle;
        self.look_at(&tab).await?;
        self.client().goto(address).await?;
        Ok(tab)
    }

    /// Looks at another tab.
    pub async fn look_at(&self, tab: &WindowHandle) -> Result<()> {
        self.client().switch_to_window(tab.clone()).await.context("switching tabs")?;
        self.devtools("Page.bringToFront", json!({})).await.map(drop)
    }

    /// Runs a script in the current tab.
    pub async fn run(&self, script: &str) -> Result<serde_json::Value> {
        self.client().execute(script, Vec::new()).await.with_context(|| format!("running {script:?}"))
    }

    /// The Enter key, which is held down already, repeats itself once.
    pub async fn hold_enter(&self) -> Result<()> {
        let key = json!({
            "type": "keyDown", "autoRepeat": true, "key": "Enter", "code": "Enter", "text": "\r",
            "windowsVirtualKeyCode": 13,
        });
        self.devtools("Input.dispatchKeyEvent", key).await.map(drop)
    }

    /// Presses keys wherever the focus is.
    pub async fn keys(&self, keys: &str) -> Result<()> {
        let focused = self.client().active_element().await?;
        focused.send_keys(keys).await.context("pressing keys")
    }
}
