//! The official browser client, as it comes from npm, in a real Chromium, through the plain dialect: it knows nothing
//! of ours, and has to get on with us all the same.
//!
//! `cargo xtask test sdk` installs it and says where it is.

mod site;
mod stage;

use anyhow::{Context, Result, ensure};
use portcullis_tests::browser::Browser;
use portcullis_tests::patience::{SOON, all_along, until};
use portcullis_tests::system::given;
use serde_json::{Value, json};

use crate::site::Site;
use crate::stage::Stage;

const REASON: &str = "Not on my machine, please.";

#[tokio::test]
async fn the_official_browser_client_holds_a_whole_session() -> Result<()> {
    let site = Site::serve(&given("PORTCULLIS_SDK")?).await?;
    let stage = Stage::set(&site.origin()).await?;
    let browser = Browser::start().await?;
    let held = hold(&site, &stage, &browser).await;
    held.with_context(|| format!("the log of portcullis demo:\n{}", stage.log()))?;
    browser.end().await?;
    tokio::task::spawn_blocking(move || stage.end()).await?
}

async fn hold(site: &Site, stage: &Stage, browser: &Browser) -> Result<()> {
    let token = stage.admit_plain_approver().await?;
    let session = stage.new_session().await?;
    let talk = Talk { browser };
    browser.client().goto(&format!("{}/", site.origin())).await?;
    talk.wait("the client to be loaded", "return !!window.talk || null", vec![]).await?;
    talk.run(
        "talk.open(arguments[0], arguments[1])",
        vec![json!(stage.subscription(&session)?), json!(token)],
    )
    .await?;

    initialises(&talk).await?;
    streams(&talk).await?;
    runs_what_is_allowed(&talk, stage).await?;
    runs_nothing_that_is_denied(&talk, stage).await?;
    interrupts(&talk).await?;
    says_more_after_that(&talk).await?;

    let ended = talk.run("return talk.ended", vec![]).await?;
    ensure!(ended.is_null(), "the client gave up: {ended}");
    let errors = browser.console_errors().await?;
    ensure!(errors.is_empty(), "the page logged errors: {errors:#?}");
    agrees_with_the_log(stage, &session).await
}

async fn initialises(talk: &Talk<'_>) -> Result<()> {
    let result = talk.wait("the answer to initialize", "return talk.initialised", vec![]).await?;
    ensure!(result["commands"].is_array() && result["models"].is_array(), "{result}");
    Ok(())
}

async fn streams(talk: &Talk<'_>) -> Result<()> {
    const SAID: &str = "The portcullis is up, and the bridge is down for friends.";
    let from = talk.prompt(&format!("@say {SAID}")).await?;
    let result = talk.result(from).await?;
    ensure!(result["subtype"] == "success" && result["is_error"] == false, "{result}");
    let pieces = talk.streamed(from).await?;
    ensure!(pieces.len() > 1 && in_order(SAID, &pieces), "{pieces:?}");
    talk.said(from, SAID).await?;
    let init = talk.of("system", from).await?;
    ensure!(init.iter().any(|line| line["subtype"] == "init"), "{init:?}");
    Ok(())
}

async fn runs_what_is_allowed(talk: &Talk<'_>, stage: &Stage) -> Result<()> {
    const COMMAND: &str = "echo let in > allowed.txt && cat allowed.txt";
    let file = stage.project_file("allowed.txt")?;
    let from = talk.prompt(&format!("@bash {COMMAND}")).await?;
    let asked = talk.asked(0).await?;
    ensure!(asked["tool"] == "Bash" && asked["input"]["command"] == COMMAND, "{asked}");
    all_along("nothing runs before it is allowed", async || Ok(!file.exists())).await?;
    talk.run("talk.allow(0)", vec![]).await?;
    let result = talk.result(from).await?;
    ensure!(result["subtype"] == "success", "{result}");
    ensure!(std::fs::read_to_string(&file)? == "let in\n");
    let block = talk.tool_result(from, &asked).await?;
    ensure!(block["is_error"] != true && block["content"].to_string().contains("let in"), "{block}");
    Ok(())
}

async fn runs_nothing_that_is_denied(talk: &Talk<'_>, stage: &Stage) -> Result<()> {
    let file = stage.project_file("denied.txt")?;
    let from = talk.prompt("@bash echo broken in > denied.txt").await?;
    let asked = talk.asked(1).await?;
    talk.run("talk.deny(1, arguments[0])", vec![json!(REASON)]).await?;
    talk.result(from).await?;
    let block = talk.tool_result(from, &asked).await?;
    ensure!(block["is_error"] == true && block["content"].to_string().contains(REASON), "{block}");
    all_along("what was denied does not run", async || Ok(!file.exists())).await
}

async fn interrupts(talk: &Talk<'_>) -> Result<()> {
    let from = talk.prompt("@storm 100000 5").await?;
    until("the storm", SOON, async || Ok((talk.streamed(from).await?.len() > 5).then_some(()))).await?;
    talk.run("talk.interrupt()", vec![]).await?;
    talk.wait("the answer to interrupt", "return talk.interrupted || talk.ended", vec![]).await?;
    let result = talk.result(from).await?;
    ensure!(result["terminal_reason"] == "aborted_streaming", "{result}");
    Ok(())
}

async fn says_more_after_that(talk: &Talk<'_>) -> Result<()> {
    let from = talk.prompt("@say Still here.").await?;
    let result = talk.result(from).await?;
    ensure!(result["subtype"] == "success", "{result}");
    talk.said(from, "Still here.").await
}

/// Whether `text` holds the pieces one behind the other. Some may be missing: a stream is a preview.
fn in_order(text: &str, pieces: &[String]) -> bool {
    let mut rest = text;
    pieces.iter().all(|piece| {
        let Some(at) = rest.find(piece.as_str()) else { return false };
        rest = &rest[at + piece.len()..];
        true
    })
}

/// What the log holds, read by somebody else: each prompt once, and nothing left to decide.
async fn agrees_with_the_log(stage: &Stage, session: &str) -> Result<()> {
    let info = stage.session(session).await?;
    ensure!(info["pending_count"] == 0, "{info}");
    let page = stage.session(&format!("{session}/events?after_seq=0&limit=1000")).await?;
    let rows = page["data"].as_array().context("no events")?;
    let said = |text: &str| {
        let prompts = rows.iter().map(|row| &row["event"]).filter(|event| event["type"] == "user");
        prompts.filter(|event| event["isReplay"] != true && event["message"]["content"] == text).count()
    };
    ensure!(said("@say Still here.") == 1 && said("@storm 100000 5") == 1, "{page}");
    Ok(())
}

/// The page, and what the client in it has got.
struct Talk<'a> {
    browser: &'a Browser,
}

impl Talk<'_> {
    async fn run(&self, script: &str, arguments: Vec<Value>) -> Result<Value> {
        self.browser.client().execute(script, arguments).await.with_context(|| format!("running {script:?}"))
    }

    /// Waits until a script gives something.
    async fn wait(&self, what: &str, script: &str, arguments: Vec<Value>) -> Result<Value> {
        let waited = until(what, SOON, async || {
            let found = self.run(script, arguments.clone()).await?;
            Ok((!found.is_null()).then_some(found))
        });
        match waited.await {
            Ok(found) => Ok(found),
            Err(error) => {
                let state = "return JSON.stringify([window.talk?.ended, window.talk?.messages.slice(-5)])";
                Err(error.context(self.run(state, vec![]).await?))
            }
        }
    }

    /// Says something. What comes after it begins at the position that is returned.
    async fn prompt(&self, text: &str) -> Result<u64> {
        let script = "const from = talk.messages.length; talk.prompt(arguments[0]); return from";
        self.run(script, vec![json!(text)]).await?.as_u64().context("no position")
    }

    async fn of(&self, kind: &str, from: u64) -> Result<Vec<Value>> {
        let found =
            self.run("return talk.of(arguments[0], arguments[1])", vec![json!(kind), json!(from)]).await?;
        Ok(found.as_array().cloned().unwrap_or_default())
    }

    async fn streamed(&self, from: u64) -> Result<Vec<String>> {
        let found = self.run("return talk.streamed(arguments[0])", vec![json!(from)]).await?;
        serde_json::from_value(found).context("pieces are texts")
    }

    /// Fails unless the finished text is among what came.
    async fn said(&self, from: u64, text: &str) -> Result<()> {
        let lines = self.of("assistant", from).await?;
        ensure!(lines.iter().any(|line| line["message"]["content"][0]["text"] == text), "{lines:?}");
        Ok(())
    }

    async fn result(&self, from: u64) -> Result<Value> {
        let script = "return talk.of('result', arguments[0])[0] ?? null";
        self.wait("the result of the turn", script, vec![json!(from)]).await
    }

    async fn asked(&self, index: usize) -> Result<Value> {
        self.wait("the client to be asked", "return talk.asked[arguments[0]] ?? null", vec![json!(index)])
            .await
    }

    /// The result of the call that was asked about.
    async fn tool_result(&self, from: u64, asked: &Value) -> Result<Value> {
        let blocks = self
            .of("user", from)
            .await?
            .into_iter()
            .flat_map(|line| line["message"]["content"].as_array().cloned().unwrap_or_default());
        let mut blocks: Vec<Value> =
            blocks.filter(|block| block["tool_use_id"] == asked["toolUseID"]).collect();
        ensure!(blocks.len() == 1, "{asked}: {blocks:?}");
        blocks.pop().context("no result")
    }
}
