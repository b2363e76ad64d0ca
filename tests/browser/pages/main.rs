//! Every page, looked at for somebody who cannot see it, or not well: axe-core judges each in both themes, at the width
//! of a desk and of a phone, and the gate in high contrast too.
//!
//! A build step of its own fetches axe-core from npm; the names of these tests begin with `axe_finds_nothing`.

mod around;
mod gate;
mod session;

use anyhow::{Context as _, Result};
use portcullis_tests::browser::Browser;
use portcullis_tests::patience::{SOON, until};

/// WebDriver's code of that key.
const ESCAPE: &str = "\u{E00C}";

/// Presses whatever is hidden, as the session's menu does.
async fn click(browser: &Browser, selector: &str) -> Result<()> {
    let script = "const found = document.querySelector(arguments[0]); found?.click(); return !!found;";
    until(selector, SOON, async || {
        let found = browser.client().execute(script, vec![selector.into()]).await;
        Ok((found.context("clicking")? == true).then_some(()))
    })
    .await
}
