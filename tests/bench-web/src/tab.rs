//! One page under measure: it is watched from inside by `pages/probe.js` and driven from outside as a person drives it.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use portcullis_wired::patience::until;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::devtools::Devtools;
use crate::trace::{self, Trace};

/// What runs in every page before anything of its own.
const PROBE: &str = include_str!("../pages/probe.js");
/// What the client shows, and the floor beside it, takes this long at most, on however busy a machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// A page.
#[derive(Debug)]
pub struct Tab {
    devtools: Devtools,
    target: String,
    session: String,
}

/// A trace that is being recorded.
#[derive(Debug)]
pub struct Recording {
    pieces: mpsc::Receiver<Value>,
    complete: mpsc::Receiver<Value>,
}

impl Tab {
    /// Prepares the page of `target`, to which `session` is attached.
    pub(crate) async fn new(devtools: Devtools, target: String, session: String) -> Result<Self> {
        let tab = Self { devtools, target, session };
        tab.call("Page.enable", json!({})).await?;
        tab.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": PROBE })).await?;
        Ok(tab)
    }

    /// One command of the developer tools.
    ///
    /// # Errors
    /// When the browser refuses.
    pub async fn call(&self, method: &'static str, parameters: Value) -> Result<Value> {
        self.devtools.call(Some(&self.session), method, parameters).await
    }

    /// A script that runs in every page from now on, behind the probe.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn before_page(&self, script: &str) -> Result<()> {
        self.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).await.map(drop)
    }

    /// Elements in the document, and nodes of every kind: with text, and the marks that the client's framework puts
    /// between them.
    ///
    /// # Errors
    /// When the page is gone.
    pub async fn nodes(&self) -> Result<(f64, f64)> {
        let count = |kind: &str| {
            format!(
                "(() => {{ const walk = document.createTreeWalker(document, NodeFilter.{kind});
                    let n = 0; while (walk.nextNode()) n++; return n; }})()"
            )
        };
        Ok((self.number(&count("SHOW_ELEMENT")).await?, self.number(&count("SHOW_ALL")).await?))
    }

    /// Goes to `address`; the page may not have loaded yet when this returns.
    ///
    /// # Errors
    /// When there is no such page.
    pub async fn go(&self, address: &str) -> Result<()> {
        let went = self.call("Page.navigate", json!({ "url": address })).await?;
        ensure!(went["errorText"].is_null(), "{address}: {}", went["errorText"]);
        Ok(())
    }

    /// The value of an expression; a promise is waited for.
    ///
    /// # Errors
    /// When it throws.
    pub async fn eval(&self, expression: &str) -> Result<Value> {
        let wanted = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut found = self.call("Runtime.evaluate", wanted).await?;
        if let Some(thrown) = found.get("exceptionDetails") {
            bail!("{expression}: {thrown}");
        }
        Ok(found["result"]["value"].take())
    }

    /// The same as a number.
    ///
    /// # Errors
    /// When it is none.
    pub async fn number(&self, expression: &str) -> Result<f64> {
        let found = self.eval(expression).await?;
        found.as_f64().with_context(|| format!("{expression} is {found}"))
    }

    /// Waits until an expression is true. It throws while the page is not there yet.
    ///
    /// # Errors
    /// When it stays false.
    pub async fn until(&self, expression: &str) -> Result<()> {
        let met = until(expression, PATIENCE, async || {
            let found = self.eval(&format!("!!({expression})")).await;
            Ok(found.is_ok_and(|found| found == true).then_some(()))
        });
        if let Err(error) = met.await {
            let shown = self.eval("document.body.innerText.slice(0, 2000)").await;
            bail!("{error:#}; the page shows: {shown:?}");
        }
        Ok(())
    }

    /// Puts the focus on what matches.
    ///
    /// # Errors
    /// When nothing does.
    pub async fn focus(&self, selector: &str) -> Result<()> {
        self.eval(&format!("document.querySelector({}).focus()", json!(selector))).await.map(drop)
    }

    /// A key that writes a letter goes down and up again.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn press(&self, letter: char) -> Result<()> {
        let code = format!("Key{}", letter.to_ascii_uppercase());
        let number = u32::from(letter.to_ascii_uppercase());
        for kind in ["keyDown", "keyUp"] {
            let mut key = json!({
                "type": kind, "key": letter.to_string(), "code": code, "windowsVirtualKeyCode": number,
            });
            if kind == "keyDown" {
                key["text"] = letter.to_string().into();
            }
            self.call("Input.dispatchKeyEvent", key).await?;
        }
        Ok(())
    }

    /// A click in the middle of what matches.
    ///
    /// # Errors
    /// When nothing does.
    pub async fn click(&self, selector: &str) -> Result<()> {
        let place = format!(
            "(() => {{ const r = document.querySelector({}).getBoundingClientRect();
                return [r.x + r.width / 2, r.y + r.height / 2]; }})()",
            json!(selector)
        );
        let place = self.eval(&place).await?;
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let mut event = json!({ "type": kind, "x": place[0], "y": place[1], "button": "left" });
            event["clickCount"] = i32::from(kind != "mouseMoved").into();
            self.call("Input.dispatchMouseEvent", event).await?;
        }
        Ok(())
    }

    /// The process that draws it.
    ///
    /// # Errors
    /// When the browser does not say.
    pub async fn process(&self) -> Result<u32> {
        let recording = self.record().await?;
        self.eval("0").await?;
        Ok(self.read(recording).await?.process)
    }

    /// Begins to record what the page's main thread does.
    ///
    /// # Errors
    /// When a trace is recorded already.
    pub async fn record(&self) -> Result<Recording> {
        let pieces = self.devtools.hear(&self.session, "Tracing.dataCollected").await?;
        let complete = self.devtools.hear(&self.session, "Tracing.tracingComplete").await?;
        let config = json!({
            "recordMode": "recordAsMuchAsPossible",
            "includedCategories": trace::CATEGORIES, "excludedCategories": ["*"],
        });
        self.call("Tracing.start", json!({ "transferMode": "ReportEvents", "traceConfig": config })).await?;
        Ok(Recording { pieces, complete })
    }

    /// Ends the recording, and reads it.
    ///
    /// # Errors
    /// When it does not hold this page.
    pub async fn read(&self, mut recording: Recording) -> Result<Trace> {
        self.call("Tracing.end", json!({})).await?;
        let mut events = Vec::new();
        loop {
            tokio::select! {
                biased;
                Some(mut piece) = recording.pieces.recv() => {
                    events.extend(piece["value"].as_array_mut().map(std::mem::take).unwrap_or_default());
                }
                complete = recording.complete.recv() => {
                    let complete = complete.context("the browser is gone")?;
                    ensure!(complete["dataLossOccurred"] != true, "the trace has holes");
                    return Trace::read(&events, &self.target);
                }
            }
        }
    }

    /// Closes it.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn close(self) -> Result<()> {
        self.devtools.call(None, "Target.closeTarget", json!({ "targetId": self.target })).await.map(drop)
    }
}
