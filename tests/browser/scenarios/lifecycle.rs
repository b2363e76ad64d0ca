//! What browsers do to pages: reload them, freeze them, hide them, keep them in a cache, kill them.

use anyhow::{Result, ensure};
use portcullis_tests::devtools::ORDEAL;
use portcullis_tests::neighbour::Neighbour;
use portcullis_tests::page::mark;
use portcullis_tests::patience::{SOON, until};
use portcullis_tests::proxy::Barred;
use portcullis_tests::walk::walk_apart;

use crate::network_errors;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: i64 = 86_400_000;

#[tokio::test]
async fn a_prompt_that_waits_still_waits_after_a_reload_and_is_sent_once() -> Result<()> {
    walk_apart("reload-unsent", async |walk| {
        network_errors(walk);
        let session = walk.open_session().await?;
        walk.system().proxy().bar(Barred::Sessions);
        walk.page().prompt("@say Typed before the reload.").await?;
        walk.page().read(mark::QUEUED, "Typed before the reload.").await?;
        walk.page().client().refresh().await?;
        walk.page().read(mark::QUEUED, "Typed before the reload.").await?;
        walk.page().see(mark::UNSENT).await?;
        walk.picture("still-waiting").await?;
        ensure!(walk.system().owner().prompts(&session).await? == ["@say Ready."]);
        walk.system().proxy().clear();
        walk.see_each_once(&session, &["Typed before the reload."]).await?;
        walk.page().see_gone(mark::QUEUED).await
    })
    .await
}

#[tokio::test]
async fn a_reload_while_a_prompt_is_under_way_repeats_it_as_the_same_prompt() -> Result<()> {
    walk_apart("reload-posting", async |walk| {
        network_errors(walk);
        let session = walk.open_session().await?;
        walk.system().proxy().lose_the_next_answer();
        walk.page().prompt("@say Asked once.").await?;
        walk.system().proxy().see_an_answer_lost().await?;
        until("the prompt in the log", SOON, async || {
            Ok((walk.system().owner().prompts(&session).await?.len() == 2).then_some(()))
        })
        .await?;
        walk.page().client().refresh().await?;
        walk.page().see(mark::LINK_ONLINE).await?;
        walk.see_each_once(&session, &["Asked once."]).await?;
        walk.page().see_gone(mark::QUEUED).await?;
        walk.page().prompt("@say Asked after it.").await?;
        walk.see_each_once(&session, &["Asked once.", "Asked after it."]).await
    })
    .await
}

#[tokio::test]
async fn what_was_being_typed_is_there_after_a_reload() -> Result<()> {
    walk_apart("draft", async |walk| {
        walk.open_session().await?;
        walk.page().type_into(mark::COMPOSER, "half a thou").await?;
        walk.page().client().refresh().await?;
        walk.page().see(mark::COMPOSER).await?;
        until("the draft", SOON, async || {
            let typed = walk.page().see(mark::COMPOSER).await?.prop("value").await?;
            Ok((typed.as_deref() == Some("half a thou")).then_some(()))
        })
        .await
    })
    .await
}

#[tokio::test]
async fn a_tab_that_dies_leaves_its_unsent_prompt_to_the_other_in_order_and_once() -> Result<()> {
    walk_apart("tab-dies", async |walk| {
        network_errors(walk);
        let session = walk.open_session().await?;
        let address = walk.page().client().current_url().await?;
        let first = walk.page().client().window().await?;
        let second = walk.browser().open_tab(address.as_str()).await?;
        walk.page().see(mark::LINK_ONLINE).await?;
        walk.system().proxy().bar(Barred::Sessions);
        walk.page().prompt("@say One.").await?;
        walk.page().read(mark::QUEUED, "One.").await?;
        walk.browser().look_at(&first).await?;
        walk.page().prompt("@say Two.").await?;
        walk.page().read(mark::QUEUED, "Two.").await?;
        walk.browser().look_at(&second).await?;
        walk.page().prompt("@say Three.").await?;
        walk.page().read(mark::QUEUED, "Three.").await?;
        walk.picture("both-wait").await?;
        walk.browser().crash().await;
        walk.browser().look_at(&first).await?;
        walk.picture("one-is-dead").await?;
        walk.system().proxy().clear();
        walk.see_each_once(&session, &["One.", "Two.", "Three."]).await?;
        walk.page().see_gone(mark::QUEUED).await
    })
    .await
}

#[tokio::test]
async fn prompts_of_two_living_tabs_arrive_once_each() -> Result<()> {
    walk_apart("two-tabs", async |walk| {
        network_errors(walk);
        let session = walk.open_session().await?;
        let address = walk.page().client().current_url().await?;
        let first = walk.page().client().window().await?;
        walk.browser().open_tab(address.as_str()).await?;
        walk.page().see(mark::LINK_ONLINE).await?;
        walk.page().prompt("@say From the second.").await?;
        walk.browser().look_at(&first).await?;
        walk.page().prompt("@say From the first.").await?;
        let both = ["From the second.", "From the first."];
        walk.see_each_once(&session, &both).await?;
        walk.system().proxy().bar(Barred::Sessions);
        walk.page().prompt("@say Later from the first.").await?;
        walk.page().read(mark::QUEUED, "Later from the first.").await?;
        walk.system().proxy().clear();
        walk.see_each_once(&session, &["From the second.", "From the first.", "Later from the first."]).await
    })
    .await
}

#[tokio::test]
async fn a_frozen_tab_thaws_to_the_whole_log_and_to_exactly_what_waits() -> Result<()> {
    walk_apart("frozen", async |walk| {
        network_errors(walk);
        walk.browser().before_each_page(ORDEAL).await?;
        let session = walk.open_session().await?;
        walk.page().prompt("@bash touch first.txt").await?;
        walk.page().see(mark::GATE_EXACT).await?;
        let frozen = walk.page().client().window().await?;
        let address = walk.page().client().current_url().await?;
        let other = walk.browser().open_tab(address.as_str()).await?;
        walk.page().see(mark::GATE_EXACT).await?;
        walk.browser().look_at(&frozen).await?;
        walk.browser().freeze().await?;

        walk.browser().look_at(&other).await?;
        walk.page().press(mark::DENY).await?;
        walk.page().press(mark::DENY_SEND).await?;
        walk.page().see_gone(mark::GATE_EXACT).await?;
        walk.page().prompt("@say While it was frozen.").await?;
        walk.page().read(mark::TEXT, "While it was frozen.").await?;
        walk.page().prompt("@bash echo second > second.txt").await?;
        walk.page().read(mark::GATE_EXACT, "second.txt").await?;
        // What was said to the frozen tab meanwhile is lost with its connection.
        walk.system().proxy().cut();

        walk.browser().look_at(&frozen).await?;
        walk.browser().run(&format!("ordeal.jump({HOUR_MS})")).await?;
        walk.browser().thaw().await?;
        walk.page().read(mark::GATE_EXACT, "second.txt").await?;
        walk.page().read(mark::TEXT, "While it was frozen.").await?;
        walk.page().see(mark::LINK_ONLINE).await?;
        ensure!(walk.page().count(mark::GATE_EXACT).await? == 1);
        walk.picture("thawed").await?;
        walk.page().press(mark::ALLOW).await?;
        until("second.txt", SOON, async || Ok(walk.system().project_file("second.txt"))).await?;
        ensure!(walk.system().project_file("first.txt").is_none(), "what was denied ran");
        walk.see_each_once(&session, &["While it was frozen."]).await
    })
    .await
}

#[tokio::test]
async fn back_from_another_page_the_session_goes_on_where_it_was() -> Result<()> {
    walk_apart("bfcache", async |walk| {
        network_errors(walk);
        let session = walk.open_session().await?;
        let elsewhere = Neighbour::serve("<!doctype html><title>Elsewhere</title><h1>Elsewhere</h1>").await?;
        walk.page().type_into(mark::COMPOSER, "@say Half typed").await?;
        walk.browser()
            .run("window.kept = false; addEventListener('pageshow', e => { kept = e.persisted })")
            .await?;
        walk.page().client().goto(&elsewhere.origin()).await?;
        let uuid = "5f0c9d5e-6f0d-4b86-8a8e-0d1c5d6b7a01";
        walk.system().owner().say(&session, uuid, "@say Said meanwhile.").await?;
        walk.system().owner().see_each_said_once(&session, &["Said meanwhile."]).await?;
        walk.page().client().back().await?;
        ensure!(walk.browser().run("return window.kept ?? null").await? == true, "the page was not kept");
        walk.page().read(mark::TEXT, "Said meanwhile.").await?;
        walk.page().see(mark::LINK_ONLINE).await?;
        walk.page().type_into(mark::COMPOSER, " before.").await?;
        walk.page().press(mark::SEND).await?;
        walk.see_each_once(&session, &["Said meanwhile.", "Half typed before."]).await
    })
    .await
}

#[tokio::test]
async fn hidden_for_an_hour_and_shown_again_it_catches_up_and_may_decide() -> Result<()> {
    walk_apart("hidden", async |walk| {
        network_errors(walk);
        walk.browser().before_each_page(ORDEAL).await?;
        let session = walk.open_session().await?;
        walk.browser().run("ordeal.hide(true)").await?;
        walk.system().proxy().close();
        let uuid = "5f0c9d5e-6f0d-4b86-8a8e-0d1c5d6b7a02";
        let said = "@say Said to a hidden tab.\n@bash echo hidden > hidden.txt";
        walk.system().owner().say(&session, uuid, said).await?;
        until("the request", SOON, async || {
            Ok((walk.system().owner().pending(&session).await? == 1).then_some(()))
        })
        .await?;
        walk.browser().run(&format!("ordeal.jump({HOUR_MS})")).await?;
        walk.system().proxy().clear();
        walk.browser().run("ordeal.hide(false)").await?;
        walk.page().see(mark::LINK_ONLINE).await?;
        walk.page().read(mark::TEXT, "Said to a hidden tab.").await?;
        walk.page().read(mark::GATE_EXACT, "hidden.txt").await?;
        walk.page().press(mark::ALLOW).await?;
        until("hidden.txt", SOON, async || Ok(walk.system().project_file("hidden.txt"))).await?;
        walk.page().prompt("@say On time again.").await?;
        walk.see_each_once(&session, &["On time again."]).await
    })
    .await
}

#[tokio::test]
async fn clocks_that_jump_by_a_day_either_way_stall_nothing_and_decide_nothing_late() -> Result<()> {
    walk_apart("clocks", async |walk| {
        network_errors(walk);
        walk.browser().before_each_page(ORDEAL).await?;
        let session = walk.open_session().await?;
        for (name, jump) in [
            ("ahead", format!("ordeal.setWall({DAY_MS})")),
            ("back", format!("ordeal.setWall({})", -2 * DAY_MS)),
            ("asleep", format!("ordeal.jump({DAY_MS})")),
        ] {
            walk.browser().run(&jump).await?;
            let file = format!("{name}.txt");
            walk.page().prompt(&format!("@bash touch {file}\n@say The clock went {name}.")).await?;
            walk.page().read(mark::GATE_EXACT, &file).await?;
            walk.page().press(mark::ALLOW).await?;
            until(&file, SOON, async || Ok(walk.system().project_file(&file))).await?;
            walk.page().read(mark::TEXT, &format!("The clock went {name}.")).await?;
            walk.page().see_gone(mark::GATE_EXACT).await?;
        }
        walk.page().prompt("@say And on.").await?;
        walk.see_each_once(&session, &["And on."]).await
    })
    .await
}
