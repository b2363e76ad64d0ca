//! The pages around a session: before the browser is paired, the list, a new session, settings, what covers the page, and
//! what stands there when something is wrong.

use anyhow::{Context as _, Result};
use portcullis_tests::axe::Judge;
use portcullis_tests::page::mark;
use portcullis_tests::patience::{SOON, until};
use portcullis_tests::walk::walk_apart;

use crate::{ESCAPE, click};

const SETTINGS: &str = "[data-testid=settings]";
const KEPT_COPY: &str = "[data-testid=kept-copy]";

/// The next thing that the client wants of the page fails, which no client survives.
const BREAK: &str = "const names = ['createElement', 'createTextNode', 'createComment'];
    const whole = names.map((name) => Document.prototype[name]);
    const mend = () => names.forEach((name, at) => { Document.prototype[name] = whole[at]; });
    names.forEach((name) => { Document.prototype[name] = () => { mend(); throw new Error('broken on purpose'); }; });";

#[tokio::test]
async fn axe_finds_nothing_on_the_pages_around_a_session() -> Result<()> {
    let mut judge = Judge::new()?;
    walk_apart("axe-around", async |walk| {
        let page = walk.page().clone();
        let origin = walk.system().proxy().origin();
        page.client().goto(&origin).await?;
        page.read(mark::PAIR_STATUS, "not paired").await?;
        judge.look(walk.browser(), "not paired").await?;
        page.client().goto("about:blank").await?;
        page.client().goto(&walk.system().pair_url()?).await?;
        page.see(".confirm-code").await?;
        judge.look(walk.browser(), "waiting to be let in").await?;
        walk.system().owner().admit("owner").await?;
        page.see(mark::ENVIRONMENT_ONLINE).await?;
        judge.look(walk.browser(), "no session yet").await?;

        page.press(mark::NEW_SESSION).await?;
        page.press("[data-testid=new-session-options] summary").await?;
        page.type_into("[data-testid=new-session-title]", "Mend the hinge").await?;
        judge.look(walk.browser(), "a new session").await?;
        page.prompt("@say First.").await?;
        page.read(mark::TEXT, "First.").await?;
        page.press(mark::NEW_SESSION).await?;
        page.prompt("@bash echo ruled >> ruled.txt").await?;
        page.press(mark::GATE_OFFER).await?;
        page.see(&format!("{}[data-state=done]", mark::TOOL)).await?;
        page.prompt("@bash touch waits.txt").await?;
        page.see(mark::GATE_EXACT).await?;
        walk.browser().keys(ESCAPE).await?;
        walk.browser().keys("gs").await?;
        page.see("[data-group=waiting] [data-testid=session-row]").await?;
        judge.look(walk.browser(), "the list").await?;
        page.press("[data-group=idle] [data-testid=row-more]").await?;
        page.see("[data-testid=row-rename]").await?;
        judge.look(walk.browser(), "what can be done to a session").await?;
        page.press("[data-testid=row-rename]").await?;
        page.see("[data-testid=row-title]").await?;
        judge.look(walk.browser(), "another title").await?;
        walk.browser().keys(ESCAPE).await?;
        page.press("[data-group=waiting] [data-testid=row-more]").await?;
        page.press("[data-testid=row-archive]").await?;
        page.see("[data-testid=row-keep]").await?;
        judge.look(walk.browser(), "asked before something ends").await?;
        page.press("[data-testid=row-keep]").await?;

        let link = walk.system().pair_url()?;
        let (server, code) = link.split_once("/#pair=").context("no code in the link")?;
        walk.system().owner().knock(server, code, "A tablet").await?;
        page.press(SETTINGS).await?;
        page.see("[data-testid=newcomer]").await?;
        page.press("[data-testid=decision] summary").await?;
        page.press("[data-testid=rule-take-back]").await?;
        page.see("[data-testid=rule-stop]").await?;
        judge.look(walk.browser(), "settings").await?;
        click(walk.browser(), "[data-testid=device-rename]").await?;
        click(walk.browser(), "[data-testid=device]:not([data-own=true]) [data-testid=device-revoke]")
            .await?;
        page.see("[data-testid=device-keep]").await?;
        judge.look(walk.browser(), "settings, a device about to go").await?;
        click(walk.browser(), "[data-testid=device-keep]").await?;

        click(walk.browser(), "[data-testid=open-keys]").await?;
        page.see("[data-testid=keys]").await?;
        judge.look(walk.browser(), "the keys").await?;
        walk.browser().keys(ESCAPE).await?;
        click(walk.browser(), "[data-testid=open-palette]").await?;
        page.type_into("[data-testid=palette-input]", "ses").await?;
        page.see("[data-testid=palette-entry]").await?;
        judge.look(walk.browser(), "everything by name").await?;
        walk.browser().keys(ESCAPE).await?;

        page.press("[data-group=waiting] [data-testid=session-row]").await?;
        page.see(mark::GATE_EXACT).await?;
        page.press("[data-group=waiting] [data-testid=row-more]").await?;
        page.press("[data-testid=row-archive]").await?;
        page.press("[data-testid=row-archive-anyway]").await?;
        page.read(".bar", "archived").await?;
        page.press("[data-testid=archived] summary").await?;
        page.see("[data-testid=archived] [data-testid=session-row]").await?;
        judge.look(walk.browser(), "an archived session").await?;

        walk.browser().run(BREAK).await?;
        page.press(SETTINGS).await?;
        page.see("#crash").await?;
        judge.look(walk.browser(), "the page of a crash").await?;
        walk.provokes("broken on purpose");
        walk.provokes("panicked");
        walk.provokes("unreachable");
        Ok(())
    })
    .await?;
    judge.verdict()
}

#[tokio::test]
async fn axe_finds_nothing_where_the_server_is_away_and_after_leaving() -> Result<()> {
    let mut judge = Judge::new()?;
    walk_apart("axe-away", async |walk| {
        walk.provokes("net::ERR_");
        walk.provokes("WebSocket connection to");
        walk.provokes("/v1/auth/token - Failed to load resource: the server responded with a status of 401");
        walk.pair().await?;
        let page = walk.page().clone();
        until("the page is kept", SOON, async || {
            let kept = "const done = arguments[0]; caches.open('portcullis-page').then(c => c.match('/')).then(r => done(!!r));";
            Ok((page.client().execute_async(kept, Vec::new()).await? == true).then_some(()))
        })
        .await?;
        walk.system().proxy().close();
        page.see(".bar").await?;
        judge.look(walk.browser(), "lists that are not up to date").await?;
        page.client().refresh().await?;
        page.read(mark::PAIR_STATUS, "does not answer").await?;
        judge.look(walk.browser(), "no server").await?;
        walk.system().proxy().clear();
        page.see(mark::ENVIRONMENT_ONLINE).await?;

        walk.new_session().await?;
        page.prompt("@say Words to keep.").await?;
        page.read(mark::TEXT, "Words to keep.").await?;
        page.see_gone(mark::STOP).await?;
        page.press("[data-testid=inbox-link]").await?;
        page.see_gone(mark::TRANSCRIPT).await?;
        page.press(mark::SESSION_ROW).await?;
        page.see(mark::LINK_ONLINE).await?;
        walk.system().proxy().close();
        page.see(mark::LINK_NOW).await?;
        page.prompt("@say Not yet.").await?;
        page.see(mark::QUEUED).await?;
        judge.look(walk.browser(), "a lost connection").await?;
        page.client().refresh().await?;
        page.see(KEPT_COPY).await?;
        judge.look(walk.browser(), "what was kept on this device").await?;
        page.press(mark::LOGOUT).await?;
        page.see(mark::LOGOUT_ANYWAY).await?;
        judge.look(walk.browser(), "asked before something unsent is lost").await?;
        page.press(mark::LOGOUT_ANYWAY).await?;
        page.see(mark::PAIR_STATUS).await?;
        judge.look(walk.browser(), "logged out").await
    })
    .await?;
    judge.verdict()
}
