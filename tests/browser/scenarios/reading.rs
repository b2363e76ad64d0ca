//! Reading a session that is too long to load: from its end to its start, at any event, by words, as a file, and without
//! the server.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use fantoccini::Locator;
use portcullis_tests::apart::Apart;
use portcullis_tests::page::{key, mark};
use portcullis_tests::patience::{SOON, until};
use portcullis_tests::walk::{Walk, walk_apart};
use serde_json::json;

use crate::network_errors;

const RAIL: &str = "[data-testid=rail]";
const FIND: &str = "[data-testid=find]";
const FIND_SAID: &str = "[data-testid=find-said]";
const TARGET: &str = "[data-testid=item][data-target]";
const KEPT_COPY: &str = "[data-testid=kept-copy]";
/// More than a client holds at once.
const LINES: usize = 4_500;
/// Elements of the page, whatever the session's length.
const ELEMENTS_MAX: u64 = 3_000;
/// WebDriver's code of that key.
const HOME: &str = "\u{E011}";
/// Event and head that the rail names, and the ends of its thumb as shares of its length.
const RAIL_NOW: &str = "const rail = document.querySelector('[data-testid=rail]');
    const all = rail.parentElement.getBoundingClientRect();
    const thumb = rail.parentElement.querySelector('.rail-view').getBoundingClientRect();
    return [Number(rail.value), Number(rail.max), (thumb.top - all.top) / all.height, (thumb.bottom - all.top) / all.height];";

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
        let page = walk.page().clone();
        // All of it is in view: there is nowhere to go.
        page.see_gone(".rail-view").await?;
        walk.system().owner().say(&session, "aaaaaaaa-0000-4000-8000-000000000001", &many_lines()).await?;
        let last = format!("line {LINES}.");
        until("the last line", SOON * 4, async || {
            Ok(page.texts(mark::TEXT).await?.iter().any(|text| text.contains(&last)).then_some(()))
        })
        .await?;
        page.see_gone(mark::STOP).await?;
        page.client().refresh().await?;
        page.read(mark::TEXT, &last).await?;
        see_rail(walk, 1.0).await?;
        walk.picture("end").await?;

        // To the very start, by the keyboard alone.
        page.client().find(Locator::Css(RAIL)).await?.send_keys(HOME).await?;
        page.read(mark::TEXT, "Ready.").await?;
        see_rail(walk, 0.0).await?;
        walk.picture("start").await?;
        page.press("[data-testid=to-end]").await?;
        page.read(mark::TEXT, &last).await?;
        see_rail(walk, 1.0).await?;

        // By words that stand nowhere near; the prompt holds them too.
        search(walk, "line 1234.").await?;
        page.read(TARGET, "line 1234.").await?;
        page.read(FIND_SAID, "2 of 2").await?;
        let seq = target(walk).await?;
        see_rail(walk, 0.27).await?;
        walk.picture("found").await?;

        // By the address of an event.
        let address = page.client().current_url().await?;
        let place = address.as_str().split('#').next().unwrap_or_default().to_owned();
        page.client().goto(&format!("{place}#{}", seq + 1_000)).await?;
        page.read(TARGET, "line 2234.").await?;
        page.client().refresh().await?;
        page.read(TARGET, "line 2234.").await?;
        see_rail(walk, 0.5).await?;
        walk.picture("linked").await?;

        let files = walk.system().root().join("saved");
        std::fs::create_dir(&files)?;
        walk.browser().download_into(&files).await?;
        // The prompt says them once more, and the log has it as the agent repeated it too.
        for (format, part, times) in [
            ("md", "\nline 4500.\n", 2),
            ("jsonl", "\"text\":\"line 4500.\"", 3),
            ("html", "<p>line 4500.</p>", 2),
        ] {
            page.press("[data-testid=session-menu]").await?;
            page.press(&format!("[data-testid=export][data-format={format}]")).await?;
            let text = saved(&files, format).await?;
            ensure!(text.contains(part), "{part:?} is not in the file of {format}");
            let lines = text.matches("line ").count();
            ensure!(lines == times * LINES, "{lines} lines in {format}");
            walk.browser().run("document.querySelector('#session-menu').hidePopover()").await?;
        }
        let html = find_file(&files, "html").context("the page is gone")?;
        page.client().goto(&format!("file://{}", html.display())).await?;
        page.read("p", "line 4500.").await?;
        let asked = "return performance.getEntriesByType('resource').length + document.scripts.length";
        ensure!(
            walk.browser().run(asked).await? == 0,
            "the saved page asks for something, or runs something"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_was_read_can_be_read_and_searched_without_the_server_after_a_reload_too() -> Result<()> {
    walk_apart("offline-copy", async |walk| {
        network_errors(walk);
        let session = walk.open_session().await?;
        let page = walk.page().clone();
        page.prompt("@say Words to keep.").await?;
        walk.see_each_once(&session, &["Words to keep."]).await?;
        page.see_gone(mark::STOP).await?;
        // Out of the session and back in, without the server.
        page.press(mark::NEW_SESSION).await?;
        page.see_gone(mark::TRANSCRIPT).await?;
        until("the page is kept", SOON, async || {
            let kept = "const done = arguments[0]; caches.open('portcullis-page').then(c => c.match('/')).then(r => done(!!r));";
            Ok((page.client().execute_async(kept, Vec::new()).await? == true).then_some(()))
        })
        .await?;
        walk.system_mut().kill_server()?;
        page.press(mark::SESSION_ROW).await?;
        page.read(mark::TEXT, "Words to keep.").await?;
        page.read(KEPT_COPY, "Kept on this device").await?;
        search(walk, "to keep").await?;
        page.read(TARGET, "to keep").await?;
        walk.picture("kept").await?;

        page.client().refresh().await?;
        page.read(KEPT_COPY, "Kept on this device").await?;
        page.read(mark::TEXT, "Words to keep.").await?;
        page.see(mark::SESSION_ROW).await?;
        search(walk, "to keep").await?;
        page.read(TARGET, "to keep").await?;
        walk.picture("kept-after-a-reload").await?;

        walk.system_mut().start_server()?;
        page.see(mark::LINK_ONLINE).await?;
        page.see_gone(KEPT_COPY).await?;
        // And goes on as if it had never been away.
        page.see(mark::NEW_SESSION).await?;
        page.prompt("@say Back again.").await?;
        walk.see_each_once(&session, &["Words to keep.", "Back again."]).await
    })
    .await
}

/// Waits until the thumb stands about there, as a share of the session, and the rail names an event that fits; the page
/// stays small wherever that is.
async fn see_rail(walk: &Walk<Apart>, share: f64) -> Result<()> {
    until(&format!("the rail to stand at {share}"), SOON, async || {
        let now = walk.browser().run(RAIL_NOW).await?;
        let number = |at: usize| now[at].as_f64().unwrap_or(f64::NAN);
        let (event, top, bottom) = (number(0) / number(1), number(2), number(3));
        let near = |value: f64| (value - share).abs() < 0.03;
        Ok((near(event) && (near(top) || near(bottom)) && bottom - top < 0.1).then_some(()))
    })
    .await?;
    let count = "return document.querySelectorAll('*').length";
    let elements = walk.browser().run(count).await?.as_u64().unwrap_or(u64::MAX);
    ensure!(elements < ELEMENTS_MAX, "{elements} elements at {share}");
    Ok(())
}

/// The event that was looked for.
async fn target(walk: &Walk<Apart>) -> Result<u64> {
    let at = "return Number(document.querySelector('[data-target]').dataset.seq)";
    walk.browser().run(at).await?.as_u64().context("the target has no number")
}

async fn search(walk: &Walk<Apart>, words: &str) -> Result<()> {
    let open = format!("{}f{}", key::CONTROL, key::RELEASE_ALL);
    walk.page().see(mark::TRANSCRIPT).await?.send_keys(&open).await?;
    walk.page().type_into(FIND, words).await
}

/// The text of the one file with that ending, once the browser has written it.
async fn saved(folder: &Path, ending: &str) -> Result<String> {
    let file = until(&format!("a file of {ending}"), SOON, async || Ok(find_file(folder, ending))).await?;
    std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))
}

/// A browser gives a file its name when all of it is there.
fn find_file(folder: &Path, ending: &str) -> Option<std::path::PathBuf> {
    let files = std::fs::read_dir(folder).ok()?.filter_map(std::io::Result::ok).map(|file| file.path());
    files.into_iter().find(|file| file.extension().is_some_and(|own| own == ending))
}
