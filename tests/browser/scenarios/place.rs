//! The places around a session, used as a person uses them: the list, a new session, settings, devices, granted rules,
//! what was decided, being called, and the page without a network.

use anyhow::{Context as _, Result, ensure};
use portcullis_tests::page::mark;
use portcullis_tests::patience::{SOON, until};
use portcullis_tests::walk::{walk, walk_apart};
use serde_json::json;

use crate::network_errors;

/// `Notification` as a test can see it: what was shown, and whether somebody was asked.
const STUB: &str = "window.notes = []; window.asks = 0;
    window.Notification = class {
        static permission = 'default';
        static async requestPermission() { asks += 1; return this.permission = 'granted'; }
        constructor(title, options) { this.title = title; Object.assign(this, options); notes.push(this); }
        close() { this.closed = true; }
    };";

const FILTER: &str = "[data-testid=session-filter]";
/// WebDriver's code of that key.
const ESCAPE: &str = "\u{E00C}";
const ROW_MORE: &str = "[data-testid=row-more]";
const SETTINGS: &str = "[data-testid=settings]";
const SETTINGS_PAGE: &str = "[data-testid=settings-page]";
const WAITING_ROW: &str = "[data-group=waiting] [data-testid=session-row]";
const WIDER: &str = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";

#[tokio::test]
async fn sessions_are_started_found_renamed_and_archived_and_back_leads_to_the_list() -> Result<()> {
    walk("list", async |walk| {
        walk.pair().await?;
        let page = walk.page().clone();
        page.press(mark::NEW_SESSION).await?;
        page.press("[data-testid=new-session-options] summary").await?;
        page.type_into("[data-testid=new-session-title]", "Mend the hinge").await?;
        page.type_into(mark::COMPOSER, "@say First.").await?;
        ensure!(page.count("[data-testid=new-session-mode] option:not(:disabled)").await? > 1);
        walk.picture("new-session").await?;
        page.press(mark::SEND).await?;
        page.read(mark::TEXT, "First.").await?;
        page.read(mark::SESSION_ROW, "Mend the hinge").await?;
        page.press(mark::NEW_SESSION).await?;
        page.prompt("@bash touch waits.txt").await?;
        page.see(mark::GATE_EXACT).await?;
        // The list says so as soon as the session does.
        page.see(WAITING_ROW).await?;
        walk.picture("desk").await?;

        page.type_into(FILTER, "HINGE mend").await?;
        page.see_gone(WAITING_ROW).await?;
        ensure!(page.count("[data-group=idle] [data-testid=session-row]").await? == 1);
        page.press(&format!("[data-group=idle] {ROW_MORE}")).await?;
        page.press("[data-testid=row-rename]").await?;
        let field = page.see("[data-testid=row-title]").await?;
        field.clear().await?;
        field.send_keys("Oil the hinge").await?;
        walk.picture("rename").await?;
        page.press("[data-testid=row-save]").await?;
        page.see_gone("[data-group=idle] [data-testid=session-row]").await?;
        page.see(FILTER).await?.send_keys(ESCAPE).await?;
        page.read(mark::SESSION_ROW, "Oil the hinge").await?;
        page.client().refresh().await?;
        page.read("[data-group=idle]", "Oil the hinge").await?;

        // What waits is not thrown away by one press.
        page.press(&format!("[data-group=waiting] {ROW_MORE}")).await?;
        page.press("[data-testid=row-archive]").await?;
        page.see("[data-testid=row-keep]").await?;
        walk.picture("sure").await?;
        page.press("[data-testid=row-archive-anyway]").await?;
        page.see_gone(WAITING_ROW).await?;
        page.read(".bar", "archived").await?;
        page.press("[data-testid=archived] summary").await?;
        page.read("[data-testid=archived]", "touch waits.txt").await?;
        page.read(mark::PROMPT, "@bash touch waits.txt").await?;

        // It comes back whole, and an agent that begins anew.
        page.press("[data-testid=unarchive]").await?;
        page.see_gone(".bar").await?;
        page.read("[data-group=idle]", "touch waits.txt").await?;
        page.prompt("@say Back again.").await?;
        page.read(mark::TEXT, "Back again.").await?;
        walk.picture("unarchived").await?;
        page.press("[data-group=idle] [aria-current] ~ [data-testid=row-more]").await?;
        page.press("[data-testid=row-archive]").await?;
        page.read(".bar", "archived").await?;
        page.press("[data-testid=archived] [data-testid=row-more]").await?;
        page.press("[data-testid=row-unarchive]").await?;
        page.see_gone(".bar").await?;

        walk.browser().view_as(390, 844).await?;
        page.client().goto(walk.system().url()).await?;
        page.see(mark::SESSION_LIST).await?;
        page.see_gone(mark::COMPOSER).await?;
        walk.picture("phone-list").await?;
        page.press("[data-group=idle] [data-testid=session-row]").await?;
        page.read(mark::TEXT, "First.").await?;
        page.see_gone(mark::SESSION_LIST).await?;
        page.press(".head-back").await?;
        page.see(mark::SESSION_LIST).await?;
        let deep = walk.browser().run("return history.length").await?;
        page.press("[data-group=idle] [data-testid=session-row]").await?;
        page.read(mark::TEXT, "First.").await?;
        page.client().back().await?;
        page.see(mark::SESSION_LIST).await?;
        ensure!(walk.browser().run("return history.length").await? == deep, "back and forth leaves no trail");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_page_looks_and_speaks_as_it_was_set_after_a_reload_too() -> Result<()> {
    walk("settings", async |walk| {
        walk.pair().await?;
        let page = walk.page().clone();
        page.press(SETTINGS).await?;
        page.see(SETTINGS_PAGE).await?;
        choose(&page, "portcullis.theme", "dark").await?;
        page.press("[data-testid='portcullis.keys']").await?;
        page.client().refresh().await?;
        page.see(SETTINGS_PAGE).await?;
        let kept = "return [document.documentElement.dataset.theme, localStorage.getItem('portcullis.keys')]";
        ensure!(walk.browser().run(kept).await? == json!(["dark", "off"]));
        for (name, width, height) in [("desk", 1440, 900), ("tablet", 768, 1024), ("phone", 390, 844)] {
            for theme in ["light", "dark", "contrast"] {
                walk.browser().view_as(width, height).await?;
                choose(&page, "portcullis.theme", theme).await?;
                let beyond = walk.browser().run(WIDER).await?;
                ensure!(beyond == 0, "{name}: the page is {beyond} px wider than the screen");
                walk.picture(&format!("{name}-{theme}")).await?;
            }
        }
        choose(&page, "portcullis.language", "zh-Hans").await?;
        page.read("h1", "设置").await?;
        ensure!(walk.browser().run("return document.documentElement.lang").await? == "zh-Hans");
        walk.picture("chinese").await?;
        page.press("[data-testid=back]").await?;
        page.read(mark::NEW_SESSION, "新会话").await?;
        walk.picture("chinese-list").await
    })
    .await
}

#[tokio::test]
async fn a_rule_is_listed_taken_back_and_asked_for_again_and_what_was_decided_stays_written() -> Result<()> {
    walk("rules", async |walk| {
        // A session whose agent was stopped answers no control request before its next prompt.
        walk.provokes("503 (Service Unavailable)");
        walk.open_session().await?;
        let page = walk.page().clone();
        page.prompt("@bash echo once >> ruled.txt").await?;
        page.press(mark::GATE_OFFER).await?;
        page.see(&format!("{}[data-state=done]", mark::TOOL)).await?;
        page.see_gone(mark::GATE_EXACT).await?;
        page.prompt("@bash echo once >> ruled.txt").await?;
        let ran = format!("{}[data-state=done]", mark::TOOL);
        until("the second run, unasked", SOON, async || Ok((page.count(&ran).await? == 2).then_some(())))
            .await?;

        page.press(SETTINGS).await?;
        page.read("[data-testid=rule][data-force=living]", "echo once").await?;
        page.see("[data-testid=decision][data-behavior=allow]").await?;
        page.press("[data-testid=decision] summary").await?;
        page.read("[data-testid=decision] .source", "echo once >> ruled.txt").await?;
        walk.picture("decided").await?;
        page.press("[data-testid=rule-take-back]").await?;
        walk.picture("take-back").await?;
        page.press("[data-testid=rule-stop]").await?;
        page.see("[data-testid=rule][data-force=other]").await?;
        page.see_gone("[data-testid=rule][data-force=living]").await?;
        walk.picture("taken-back").await?;

        page.press(mark::SESSION_ROW).await?;
        page.prompt("@bash echo once >> ruled.txt").await?;
        page.see(mark::GATE_EXACT).await?;
        let ruled = walk.system().project_file("ruled.txt").context("nothing ran at all")?;
        ensure!(std::fs::read_to_string(ruled)? == "once\nonce\n", "it ran without being asked for");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_owner_lets_a_device_in_gives_it_a_role_names_it_and_sends_it_away() -> Result<()> {
    walk_apart("devices", async |walk| {
        walk.pair().await?;
        let page = walk.page().clone();
        page.press(SETTINGS).await?;
        page.see("[data-testid=device][data-own=true]").await?;
        ensure!(page.count("[data-testid=device]").await? == 3, "the owner, the bridge and this browser");

        let link = walk.system().pair_url()?;
        let (origin, code) = link.split_once("/#pair=").context("no code in the link")?;
        let code = walk.system().owner().knock(origin, code, "A tablet").await?;
        page.read("[data-testid=newcomer] .confirm-code", &code).await?;
        walk.picture("newcomer").await?;
        page.press("[data-testid=admit]").await?;
        page.see_gone("[data-testid=newcomer]").await?;
        let tablet = until("the tablet in the list", SOON, async || {
            let devices = walk.system().owner().get("/v1/auth/devices").await?;
            let all = devices["data"].as_array().cloned().unwrap_or_default();
            Ok(all
                .iter()
                .find(|one| one["name"] == "A tablet")
                .and_then(|one| one["id"].as_str().map(str::to_owned)))
        })
        .await?;
        let row = format!("[data-testid=device][data-device-id={tablet}]");
        page.see(&row).await?;
        let field = async |name: &str| {
            let devices = walk.system().owner().get("/v1/auth/devices").await?;
            let all = devices["data"].as_array().cloned().unwrap_or_default();
            let own = all.iter().find(|one| one["id"] == tablet.as_str()).cloned().unwrap_or_default();
            anyhow::Ok(own[name].clone())
        };
        let script = "const select = document.querySelector(arguments[0]); select.value = 'approver';
            select.dispatchEvent(new Event('change', { bubbles: true }));";
        page.client().execute(script, vec![format!("{row} [data-testid=role]").into()]).await?;
        until("the role", SOON, async || Ok((field("role").await? == "approver").then_some(()))).await?;
        page.press(&format!("{row} [data-testid=device-rename]")).await?;
        let name = page.see("[data-testid=device-name]").await?;
        name.clear().await?;
        name.send_keys("Kitchen tablet").await?;
        page.press(&format!("{row} [type=submit]")).await?;
        page.read(&row, "Kitchen tablet").await?;
        page.press(&format!("{row} [data-testid=device-revoke]")).await?;
        page.see("[data-testid=device-keep]").await?;
        walk.picture("sure").await?;
        page.press("[data-testid=device-revoke-yes]").await?;
        page.see_gone(&row).await?;
        ensure!(walk.system().owner().devices().await? == 3);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn who_looks_elsewhere_is_called_once_and_a_click_opens_what_waits() -> Result<()> {
    walk_apart("called", async |walk| {
        network_errors(walk);
        walk.browser().before_each_page(STUB).await?;
        let session = walk.open_session().await?;
        let page = walk.page().clone();
        page.press(SETTINGS).await?;
        ensure!(walk.browser().run("return asks").await? == 0, "asked before anybody wanted it");
        page.press("[data-testid='portcullis.notify']").await?;
        until("the question", SOON, async || {
            Ok((walk.browser().run("return asks").await? == 1).then_some(()))
        })
        .await?;
        page.press("[data-testid='portcullis.sound']").await?;
        let uuid = "5f0c9d5e-6f0d-4b86-8a8e-0d1c5d6b7b01";
        walk.system().owner().say(&session, uuid, "@bash touch called.txt").await?;
        until("the call", SOON, async || {
            Ok((walk.browser().run("return notes.length").await? == 1).then_some(()))
        })
        .await?;
        let seen = "return [document.title.startsWith('(1)'), document.querySelector('link[rel=icon]').href.endsWith('waiting.svg'), notes[0].body.includes('touch')]";
        until("title and icon", SOON, async || {
            Ok((walk.browser().run(seen).await? == json!([true, true, false])).then_some(()))
        })
        .await?;
        walk.browser().run("notes[0].onclick()").await?;
        page.read(mark::GATE_EXACT, "called.txt").await?;
        page.press(mark::DENY).await?;
        page.press(mark::DENY_SEND).await?;
        page.see_gone(mark::GATE_EXACT).await?;
        let calm = "return document.querySelector('link[rel=icon]').href.endsWith('icon.svg')";
        until("the calm icon", SOON, async || Ok((walk.browser().run(calm).await? == true).then_some(()))).await?;
        ensure!(walk.browser().run("return notes.length").await? == 1);

        // Without the server, the page itself still opens, with what was kept, and says so.
        until("the page is kept", SOON, async || {
            let kept = "const done = arguments[0]; caches.open('portcullis-page').then(c => c.match('/')).then(r => done(!!r));";
            let kept = page.client().execute_async(kept, Vec::new()).await?;
            Ok((kept == true).then_some(()))
        })
        .await?;
        walk.system_mut().kill_server()?;
        page.client().refresh().await?;
        page.read("[data-testid=kept-copy]", "Kept on this device").await?;
        walk.picture("offline").await?;
        walk.system_mut().start_server()?;
        page.see(mark::LINK_ONLINE).await?;
        Ok(())
    })
    .await
}

/// Chooses a value of a setting as its menu does.
async fn choose(page: &portcullis_tests::page::Page, setting: &str, value: &str) -> Result<()> {
    let selector = format!("[data-testid='{setting}'] option[value='{value}']");
    page.see(&format!("[data-testid='{setting}']")).await?;
    let script = "const option = document.querySelector(arguments[0]); option.selected = true;
        option.parentElement.dispatchEvent(new Event('change', { bubbles: true }));";
    page.client().execute(script, vec![selector.into()]).await.map(drop).context("choosing")
}
