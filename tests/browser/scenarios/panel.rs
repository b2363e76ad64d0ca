//! What the panel has to withstand: text that hides what runs, hands that slip, pages that frame it. The letters and
//! numbers are those of the list of attacks.

use anyhow::{Result, ensure};
use portcullis_tests::apart::Apart;
use portcullis_tests::neighbour::Neighbour;
use portcullis_tests::page::{key, mark};
use portcullis_tests::patience::{SOON, all_along, until};
use portcullis_tests::walk::{Walk, walk_apart};
use serde_json::json;

/// Above the size from which a text is folded, below the one from which it can only be denied.
const LONG_BYTES: usize = 40 * 1024;
/// Above both.
const TOO_LONG_BYTES: usize = 100 * 1024;

#[tokio::test]
async fn what_is_pushed_out_of_sight_by_spaces_lines_or_sheer_size_has_to_be_seen_first_a3_a4_a7()
-> Result<()> {
    walk_apart("hidden-payload", async |walk| {
        let session = walk.open_session().await?;
        let pushed = [
            ("spaces", format!("echo ok{}; touch spaces.txt", " ".repeat(500))),
            ("lines", format!("echo ok{}touch lines.txt", "\n".repeat(200))),
            ("size", format!("echo {}\ntouch size.txt\necho {}", line(LONG_BYTES / 2), line(LONG_BYTES / 2))),
        ];
        for (name, command) in pushed {
            ask(walk, &session, &command).await?;
            let file = format!("{name}.txt");
            let shown = walk.page().see(mark::GATE_EXACT).await?;
            walk.picture(name).await?;
            if !is_in_sight(walk, &file).await? {
                all_along("what was not seen cannot be allowed", async || is_blocked(walk).await).await?;
            }
            walk.page().press_if_there(mark::GATE_UNFOLD).await?;
            let text = until("the whole text", SOON, async || {
                let text = walk.page().raw_texts(mark::GATE_EXACT).await?.join("\n");
                Ok(text.contains(&format!("touch {file}")).then_some(text))
            })
            .await?;
            ensure!(text.contains("echo"), "the beginning is gone: {text:.200}");
            drop(shown);
            scroll_through(walk).await?;
            walk.picture(&format!("{name}-seen")).await?;
            walk.page().press(mark::ALLOW).await?;
            until(&file, SOON, async || Ok(walk.system().project_file(&file))).await?;
            walk.page().see_gone(mark::STOP).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_text_that_nobody_can_read_through_can_only_be_denied_a7() -> Result<()> {
    walk_apart("too-long", async |walk| {
        let session = walk.open_session().await?;
        let half = line(TOO_LONG_BYTES / 2);
        ask(walk, &session, &format!("echo {half}\ntouch big.txt\necho {half}")).await?;
        walk.page().see(mark::GATE_EXACT).await?;
        walk.page().press_if_there(mark::GATE_UNFOLD).await?;
        scroll_through(walk).await?;
        all_along("it cannot be allowed", async || is_blocked(walk).await).await?;
        walk.picture("only-deny").await?;
        walk.page().press(mark::DENY).await?;
        walk.page().press(mark::DENY_SEND).await?;
        walk.page().see(&format!("{}[data-state=denied]", mark::TOOL)).await?;
        ensure!(walk.system().project_file("big.txt").is_none(), "it ran");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_double_click_decides_once_and_no_plain_key_decides_anything_a28() -> Result<()> {
    walk_apart("slips", async |walk| {
        let session = walk.open_session().await?;
        // Somebody types while a request appears: the focus stays where it was.
        walk.page().type_into(mark::COMPOSER, "half a sen").await?;
        ask(walk, &session, "touch typed.txt").await?;
        walk.page().see(mark::GATE_EXACT).await?;
        until("the button to be ready", SOON, async || Ok((!is_blocked(walk).await?).then_some(()))).await?;
        let at = "return document.activeElement.dataset.testid ?? document.activeElement.tagName";
        ensure!(walk.browser().run(at).await? == "composer-input", "the request took the focus");
        walk.browser().keys("tence a").await?;
        walk.browser().run("document.activeElement.blur()").await?;
        walk.browser().keys(&key::ENTER.to_string().repeat(40)).await?;
        walk.browser().keys("allow a ").await?;
        for held in [".card", "[data-testid=gate-allow]"] {
            // Enter is down already when the focus comes, wherever it came from.
            walk.browser().run(&format!("document.querySelector({held:?}).focus()")).await?;
            for _ in 0..10 {
                walk.browser().hold_enter().await?;
            }
        }
        // A key that is pressed once, on the button itself, is no chord either.
        for plain in [key::ENTER.to_string(), " ".to_owned()] {
            walk.browser().run("document.querySelector('[data-testid=gate-allow]').focus()").await?;
            walk.browser().keys(&plain).await?;
        }
        all_along("no key decides by accident", async || {
            Ok(walk.system().owner().pending(&session).await? == 1)
        })
        .await?;
        ensure!(walk.system().project_file("typed.txt").is_none(), "a slip of the hand ran it");

        let twice =
            "const allow = document.querySelector('[data-testid=gate-allow]'); allow.click(); allow.click()";
        walk.browser().run(twice).await?;
        until("typed.txt", SOON, async || Ok(walk.system().project_file("typed.txt"))).await?;
        walk.page().see_gone(mark::STOP).await?;
        // The next request is not what the second click was meant for.
        ask(walk, &session, "touch next.txt").await?;
        walk.page().read(mark::GATE_EXACT, "next.txt").await?;
        all_along("the next one waits", async || Ok(walk.system().owner().pending(&session).await? == 1))
            .await?;
        ensure!(walk.system().project_file("next.txt").is_none());
        until("the chord on the button allows", SOON, async || {
            let focus = "document.querySelector('[data-testid=gate-allow]:enabled')?.focus()";
            walk.browser().run(focus).await?;
            walk.browser().keys(&format!("{}{}", key::CONTROL, key::ENTER)).await?;
            Ok(walk.system().project_file("next.txt"))
        })
        .await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_page_is_not_shown_in_a_frame_a29() -> Result<()> {
    walk_apart("framed", async |walk| {
        walk.provokes("frame-ancestors");
        walk.provokes("X-Frame-Options");
        let session = walk.open_session().await?;
        ask(walk, &session, "touch framed.txt").await?;
        walk.page().see(mark::GATE_EXACT).await?;
        let address = walk.page().client().current_url().await?;
        let frame = format!(
            "<!doctype html><h1>Win a prize</h1><iframe src='{address}' width=900 height=700></iframe>"
        );
        let thief = Neighbour::serve(&frame).await?;
        walk.page().client().goto(&thief.origin()).await?;
        walk.page().see("iframe").await?;
        walk.page().client().clone().enter_frame(0).await?;
        all_along("nothing of the client is in the frame", async || {
            Ok(walk.page().count("[data-testid]").await? == 0)
        })
        .await?;
        walk.picture("framed").await?;
        walk.page().client().clone().enter_parent_frame().await?;
        ensure!(walk.system().owner().pending(&session).await? == 1);
        Ok(())
    })
    .await
}

/// Lets the agent ask for a command that no directive of one line could hold.
async fn ask(walk: &Walk<Apart>, session: &str, command: &str) -> Result<()> {
    static ASKED: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = ASKED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let uuid = format!("5f0c9d5e-6f0d-4b86-8a8e-0d1c5d6c{number:04x}");
    let input = json!({ "command": command, "description": "Say ok" });
    walk.system().owner().say(session, &uuid, &format!("@tool Bash {input}")).await
}

/// One long line that no shell minds.
fn line(bytes: usize) -> String {
    "all is well ".repeat(bytes / 12)
}

async fn is_blocked(walk: &Walk<Apart>) -> Result<bool> {
    let blocked = "return document.querySelector('[data-testid=gate-allow]')?.disabled ?? true";
    Ok(walk.browser().run(blocked).await? == true)
}

/// Whether this part of the exact text lies inside what its box shows.
async fn is_in_sight(walk: &Walk<Apart>, part: &str) -> Result<bool> {
    let script = format!(
        "const box = document.querySelector('[data-testid=gate-exact]'), frame = box.getBoundingClientRect();
         const texts = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
         while (texts.nextNode()) {{
             if (!texts.currentNode.data.includes({part:?})) continue;
             const range = document.createRange();
             range.selectNodeContents(texts.currentNode);
             const last = [...range.getClientRects()].at(-1);
             return last && last.bottom <= frame.bottom + 1 && last.right <= frame.right + 1;
         }}
         return false"
    );
    Ok(walk.browser().run(&script).await? == true)
}

/// Reads as a person does: from top to bottom, half a box at a time.
async fn scroll_through(walk: &Walk<Apart>) -> Result<()> {
    const SCRIPT: &str =
        "const done = arguments[0], box = document.querySelector('[data-testid=gate-exact]');
         let left = 100;
         const step = () => {
             box.scrollTop += box.clientHeight / 2;
             const over = box.scrollTop + box.clientHeight >= box.scrollHeight - 1;
             if (over || --left === 0) done(over); else requestAnimationFrame(step);
         };
         step();";
    until("the end of the text", SOON, async || {
        let over = walk.page().client().execute_async(SCRIPT, Vec::new()).await?;
        Ok((over == true).then_some(()))
    })
    .await
}
