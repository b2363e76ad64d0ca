//! Reading a session that is too long to load: from its end to its start, at any event, by words, as a file, and without
//! the server.

use anyhow::{Result, ensure};
use fantoccini::Locator;
use portcullis_tests::page::{key, mark};
use portcullis_tests::patience::{SOON, until};
use portcullis_tests::walk::walk_apart;
use serde_json::json;

use crate::network_errors;

const RAIL: &str = "[data-testid=rail]";
const FIND: &str = "[data-testid=find]";
/// More than a client holds at once.
const LINES: usize = 4_500;
const HOME: &str = "\u{E011}";

/// A prompt after which the agent says lines 1 to `LINES`, each an event of its own.
fn many_lines() -> String {
    let line = |number: usize| {
        let content = json!([{"type": "text", "text": format!("line {number}.")}]);
        let message =
            json!({"id": format!("m{number}"), "type": "message", "role": "assistant", "content": content});
        let event = json!({"type": "assistant", "uuid": format!("u{number}"), "parent_tool_use_id": null,
            "session_id": "", "message": message});
        format!("@raw {event}\n")
    };
    (1..=LINES).map(line).collect()
}

#[tokio::test]
async fn a_session_of_any_length_is_read_at_any_place_searched_linked_and_saved() -> Result<()> {
    walk_apart("long-session", async |walk| {
        let session = walk.open_session().await?;
        walk.system().owner().say(&session, "aaaaaaaa-0000-4000-8000-000000000001", &many_lines()).await?;
        let page = walk.page().clone();
        let last = format!("line {LINES}.");
        until("the last line", SOON * 3, async || {
            Ok(page.texts(mark::TEXT).await?.iter().any(|text| text.contains(&last)).then_some(()))
        })
        .await?;
        walk.picture("end").await?;

        // To the very start, by the keyboard alone.
        page.client().find(Locator::Css(RAIL)).await?.send_keys(HOME).await?;
        page.read(mark::TEXT, "line 1.").await?;
        let count = "return document.querySelectorAll('*').length";
        let elements = walk.browser().run(count).await?.as_u64().unwrap_or(u64::MAX);
        ensure!(elements < 3_000, "{elements} elements");
        walk.picture("start").await?;
        page.press("[data-testid=to-end]").await?;
        page.read(mark::TEXT, &last).await?;

        // By words that stand nowhere near; the prompt holds them too.
        page.client().find(Locator::Css(mark::TRANSCRIPT)).await?
            .send_keys(&format!("{}f{}", key::CONTROL, key::RELEASE_ALL)).await?;
        page.type_into(FIND, "line 1234.").await?;
        page.read("[data-testid=item][data-target]", "line 1234.").await?;
        page.read("[data-testid=find-said]", "2 of 2").await?;
        walk.picture("found").await?;

        // By the address of an event.
        let at = "return Number(document.querySelector('[data-target]').dataset.seq)";
        let seq = walk.browser().run(at).await?.as_u64().unwrap_or(0);
        let address = page.client().current_url().await?;
        page.client().goto(&format!("{}#{}", address.as_str().split('#').next().unwrap_or_default(), seq + 1_000)).await?;
        page.read("[data-testid=item][data-target]", "line 2234.").await?;
        page.client().refresh().await?;
        page.read("[data-testid=item][data-target]", "line 2234.").await?;

        // As a file.
        let keep = "URL.createObjectURL = blob => { blob.text().then(text => window.saved = text); return 'blob:kept'; }; \
            HTMLAnchorElement.prototype.click = () => {};";
        walk.browser().run(keep).await?;
        for (format, mark) in [("html", "<p>line 4500.</p>"), ("md", "\nline 4500.\n"), ("jsonl", "\"line 4500.\"")] {
            page.press("[data-testid=session-menu]").await?;
            page.press(&format!("[data-testid=export][data-format={format}]")).await?;
            let has_it = format!(
                "return (window.saved ?? '').includes({}) && (saved.match(/line \\d+\\./g) ?? []).length",
                json!(mark)
            );
            let lines = until(&format!("a file of {format}"), SOON, async || {
                Ok(walk.browser().run(&has_it).await?.as_u64())
            })
            .await?;
            // The prompt says them once more.
            ensure!(lines == 2 * LINES as u64, "{lines} lines in {format}");
            walk.browser().run("delete window.saved; document.querySelector('#session-menu').hidePopover()").await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_was_read_can_be_read_and_searched_without_the_server() -> Result<()> {
    walk_apart("offline-copy", async |walk| {
        network_errors(walk);
        let session = walk.open_session().await?;
        walk.page().prompt("@say Words to keep.").await?;
        walk.see_each_once(&session, &["Words to keep."]).await?;
        // Out of the session and back in.
        walk.page().press(mark::NEW_SESSION).await?;
        walk.page().see_gone(mark::TRANSCRIPT).await?;
        walk.system().proxy().close();
        walk.page().press(mark::SESSION_ROW).await?;
        walk.page().read(mark::TEXT, "Words to keep.").await?;
        walk.page().read("[data-testid=kept-copy]", "Kept on this device").await?;
        walk.picture("kept").await?;
        let opener = format!("{}f{}", key::CONTROL, key::RELEASE_ALL);
        walk.page().client().find(Locator::Css(mark::TRANSCRIPT)).await?.send_keys(&opener).await?;
        walk.page().type_into(FIND, "to keep").await?;
        walk.page().read("[data-testid=item][data-target]", "to keep").await?;
        walk.system().proxy().clear();
        walk.page().see(mark::LINK_ONLINE).await?;
        walk.page().see_gone("[data-testid=kept-copy]").await
    })
    .await
}
