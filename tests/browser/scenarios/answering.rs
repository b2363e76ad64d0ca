//! Answering and saying, as a person does it: what waits over several sessions is answered in one inbox; a message takes a
//! picture, a command and a file name along; mode, queue and everything by name are where one looks for them.

use anyhow::{Context, Result, ensure};
use fantoccini::Locator;
use portcullis_tests::apart::Apart;
use portcullis_tests::page::mark;
use portcullis_tests::patience::{SOON, until};
use portcullis_tests::walk::{Walk, walk_apart};
use serde_json::json;

const INBOX: &str = "[data-testid=inbox]";
const LATER: &str = "[data-testid=inbox-later]";
const ROW: &str = "[data-testid=inbox-row]";
const FIT: &str = "[data-testid=fit]";
const THUMB: &str = "[data-testid=thumb]";
const MODE: &str = "[data-testid=mode]";
const PALETTE_INPUT: &str = "[data-testid=palette-input]";
const PALETTE_ENTRY: &str = "[data-testid=palette-entry]";

/// Puts a picture of 4 px into the clipboard's event, as a browser does when one is pasted.
const PASTE: &str = r#"
const canvas = document.createElement("canvas");
canvas.width = canvas.height = 4;
const bytes = Uint8Array.from(atob(canvas.toDataURL("image/png").split(",")[1]), c => c.charCodeAt(0));
const data = new DataTransfer();
data.items.add(new File([bytes], "dot.png", {type: "image/png"}));
const field = document.querySelector("[data-testid=composer-input]");
field.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}));
"#;

#[tokio::test]
async fn what_three_sessions_ask_is_answered_in_one_place_oldest_first() -> Result<()> {
    walk_apart("inbox", async |walk| {
        let page = &walk.page().clone();
        walk.pair().await?;
        for command in ["echo first", "echo second", "echo third"] {
            page.press(mark::NEW_SESSION).await?;
            page.prompt(&format!("@bash {command}; touch {}.txt", command.replace(' ', "-"))).await?;
            page.read(mark::GATE_EXACT, command).await?;
        }
        keys(walk, "\u{E00C}").await?;
        keys(walk, "gi").await?;
        page.see(INBOX).await?;
        page.read(".inbox-said", "3 requests wait for you in 3 sessions").await?;
        page.read(mark::GATE_EXACT, "echo first").await?;
        walk.picture("three").await?;
        page.press(LATER).await?;
        page.read(mark::GATE_EXACT, "echo second").await?;
        page.press(mark::ALLOW).await?;
        page.read(mark::GATE_EXACT, "echo third").await?;
        page.read("[data-testid=inbox-answered]", "Allowed").await?;
        walk.picture("answered").await?;
        page.press(mark::DENY).await?;
        page.press(mark::DENY_SEND).await?;
        page.read(mark::GATE_EXACT, "echo first").await?;
        ensure!(page.count(ROW).await? == 0, "what was put off comes last");
        page.press(mark::ALLOW).await?;
        page.read(".inbox-said", "Nothing waits for you.").await?;
        let ran = |name: &str| walk.system().project_file(&format!("echo-{name}.txt"));
        until("the two that were allowed to have run", SOON, async || {
            Ok((ran("first").is_some() && ran("second").is_some()).then_some(()))
        })
        .await?;
        ensure!(ran("third").is_none(), "what was denied ran");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn requests_that_are_just_the_same_are_answered_together_only_when_a_person_says_so() -> Result<()> {
    walk_apart("alike", async |walk| {
        let session = walk.open_session().await?;
        let page = &walk.page().clone();
        let raw = |id: &str, command: &str| {
            let request = json!({ "subtype": "can_use_tool", "tool_name": "Bash", "tool_use_id": id, "input": { "command": command } });
            format!("@raw {}", json!({ "type": "control_request", "request_id": id, "request": request }))
        };
        let asks = [raw("same-1", "touch same"), raw("same-2", "touch same"), raw("other", "touch other")];
        let prompt = format!("{}\n@sleep 25000", asks.join("\n"));
        walk.system().owner().say(&session, "5f0c9d5e-6f0d-4b86-8a8e-0d1c5d6d9999", &prompt).await?;
        page.read(".strip-title", "1 of 3").await?;
        page.press("[data-testid=gate-alike] input").await?;
        walk.picture("alike").await?;
        page.press(mark::ALLOW).await?;
        page.read(mark::GATE_EXACT, "touch other").await?;
        until("one to be left", SOON, async || {
            Ok((walk.system().owner().pending(&session).await? == 1).then_some(()))
        })
        .await?;
        page.press(mark::DENY).await?;
        page.press(mark::DENY_SEND).await?;
        page.press(mark::STOP).await?;
        page.see_gone(mark::STOP).await
    })
    .await
}

#[tokio::test]
async fn a_message_takes_a_picture_a_command_and_a_file_name_along() -> Result<()> {
    walk_apart("composing", async |walk| {
        std::fs::write(walk.system().root().join("project/README.md"), "hello")?;
        let session = walk.open_session().await?;
        let page = &walk.page().clone();
        page.client().execute(PASTE, Vec::new()).await?;
        page.see(THUMB).await?;
        page.type_into(mark::COMPOSER, "@say I see it, ").await?;
        page.type_into(mark::COMPOSER, "@READ").await?;
        page.read(FIT, "README").await?;
        walk.picture("completing").await?;
        page.type_into(mark::COMPOSER, "\u{E007}").await?;
        page.see_gone(FIT).await?;
        page.press(mark::SEND).await?;
        page.read(mark::TEXT, "I see it, @README").await?;
        ensure!(page.count(THUMB).await? == 0, "the picture went with the message");
        let log = walk.system().owner().log(&session).await?;
        let sent = log.iter().find(|event| event["type"] == "user" && event["message"]["content"].is_array());
        let content = &sent.context("no message with a picture")?["message"]["content"];
        ensure!(
            content[0]["type"] == "image" && content[0]["source"]["media_type"] == "image/png",
            "{content}"
        );
        let data = content[0]["source"]["data"].as_str().context("no data")?;
        ensure!(data.starts_with("iVBOR"), "no PNG: {data}");

        // A command by its first letters, and what was said before by an arrow.
        page.type_into(mark::COMPOSER, "/con").await?;
        page.read(FIT, "context").await?;
        page.type_into(mark::COMPOSER, "\u{E00C}").await?;
        page.see_gone(FIT).await?;
        for _ in 0.."/con".len() {
            page.type_into(mark::COMPOSER, "\u{E003}").await?;
        }
        page.type_into(mark::COMPOSER, "\u{E013}").await?;
        let field = page.see(mark::COMPOSER).await?;
        let recalled = field.prop("value").await?.unwrap_or_default();
        ensure!(recalled.starts_with("@say I see it"), "{recalled}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_mode_is_changed_from_the_page_and_a_queued_message_is_taken_back() -> Result<()> {
    walk_apart("steering", async |walk| {
        walk.open_session().await?;
        let page = &walk.page().clone();
        page.see(&format!("{MODE}[data-value=default]")).await?;
        let mode = page.client().find(Locator::Css(MODE)).await?;
        mode.select_by_value("plan").await?;
        page.see(&format!("{MODE}[data-value=plan]")).await?;
        page.client().find(Locator::Css(MODE)).await?.select_by_value("default").await?;
        page.see(&format!("{MODE}[data-value=default]")).await?;

        page.prompt("@sleep 20000").await?;
        page.see(mark::STOP).await?;
        page.prompt("@say Never said.").await?;
        page.press(&format!("{}[data-state=delivered] button", mark::QUEUED)).await?;
        page.see_gone(mark::QUEUED).await?;
        walk.picture("taken-back").await?;

        // What waits behind that is wanted at once: it is taken back and said again, once.
        page.prompt("@say Hurried.").await?;
        let when = format!("{}[data-state=delivered] [data-testid=queued-priority]", mark::QUEUED);
        page.see(&when).await?.select_by_value("now").await?;
        page.read(mark::TEXT, "Hurried.").await?;
        page.see_gone(mark::QUEUED).await?;
        page.see_gone(mark::STOP).await?;
        walk.picture("hurried").await?;
        let texts = page.texts(mark::TEXT).await?;
        ensure!(!texts.iter().any(|text| text.contains("Never said")));
        ensure!(texts.iter().filter(|text| text.contains("Hurried")).count() == 1, "{texts:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn everything_is_reached_by_name_and_the_keys_are_listed() -> Result<()> {
    walk_apart("by-name", async |walk| {
        walk.open_session().await?;
        let page = &walk.page().clone();
        keys(walk, "\u{E00C}").await?;
        keys(walk, "?").await?;
        page.read("[data-testid=keys]", "Next request").await?;
        walk.picture("keys").await?;
        keys(walk, "\u{E00C}").await?;
        page.see_gone("[data-testid=keys]").await?;
        keys(walk, "\u{E009}k").await?;
        page.type_into(PALETTE_INPUT, "inb").await?;
        page.read(PALETTE_ENTRY, "Inbox").await?;
        walk.picture("palette").await?;
        page.type_into(PALETTE_INPUT, "\u{E007}").await?;
        page.see(INBOX).await.map(drop)
    })
    .await
}

/// Presses keys wherever the focus is.
async fn keys(walk: &Walk<Apart>, keys: &str) -> Result<()> {
    walk.browser().keys(keys).await
}
