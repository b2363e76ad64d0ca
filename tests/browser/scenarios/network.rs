//! The network goes and comes back.

use anyhow::{Result, ensure};
use portcullis_tests::devtools::ORDEAL;
use portcullis_tests::page::mark;
use portcullis_tests::patience::{SOON, until};
use portcullis_tests::proxy::Barred;
use portcullis_tests::walk::walk_apart;

use crate::network_errors;

#[tokio::test]
async fn cuts_in_the_middle_of_a_stream_lose_nothing_and_say_nothing_twice() -> Result<()> {
    walk_apart("cut", async |walk| {
        network_errors(walk);
        let session = walk.open_session().await?;
        walk.page().prompt("@storm 120 20\n@say After the storm.").await?;
        walk.page().see(mark::STOP).await?;
        for _ in 0..3 {
            walk.system().proxy().cut();
            walk.page().see(mark::LINK_ONLINE).await?;
        }
        walk.page().read(mark::TEXT, "After the storm.").await?;
        walk.page().prompt("@say Still here.").await?;
        walk.see_each_once(&session, &["Still here."]).await
    })
    .await
}

#[tokio::test]
async fn a_prompt_typed_offline_waits_and_is_sent_once_when_the_network_is_back() -> Result<()> {
    walk_apart("offline", async |walk| {
        network_errors(walk);
        let session = walk.open_session().await?;
        walk.browser().set_offline(true).await?;
        // Open sockets outlive what the developer tools do to a network.
        walk.system().proxy().close();
        walk.page().read("body", "This device is offline.").await?;
        walk.page().prompt("@say Said in a tunnel.").await?;
        walk.page().read(mark::QUEUED, "Said in a tunnel.").await?;
        walk.page().see(mark::UNSENT).await?;
        walk.picture("offline").await?;
        ensure!(walk.system().owner().prompts(&session).await? == ["@say Ready."]);
        walk.system().proxy().clear();
        walk.browser().set_offline(false).await?;
        walk.page().see(mark::LINK_ONLINE).await?;
        walk.see_each_once(&session, &["Said in a tunnel."]).await?;
        walk.page().see_gone(mark::UNSENT).await?;
        until("both prompts to be called answered", SOON, async || {
            let answered = format!("{}[data-state=answered] {}", mark::PROMPT, mark::PROMPT_STATE);
            Ok((walk.page().count(&answered).await? == 2).then_some(()))
        })
        .await?;
        walk.picture("online").await
    })
    .await
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for_with_a_countdown_and_now_means_now() -> Result<()> {
    walk_apart("countdown", async |walk| {
        network_errors(walk);
        let session = walk.open_session().await?;
        walk.system().proxy().close();
        walk.page().see(mark::LINK_NOW).await?;
        walk.page().prompt("@say Waited for.").await?;
        // The wait grows with every failure; a second that counts down is seen before "now" is tried.
        let counted = until("a countdown", SOON, async || {
            let shown = walk.page().texts(mark::LINK_COUNTDOWN).await?.join(" ");
            Ok(shown.contains(|letter: char| letter.is_ascii_digit()).then_some(shown))
        })
        .await?;
        until("the countdown to move", SOON, async || {
            let shown = walk.page().texts(mark::LINK_COUNTDOWN).await?.join(" ");
            Ok((shown != counted).then_some(()))
        })
        .await?;
        walk.picture("counting").await?;
        walk.system().proxy().clear();
        walk.page().press_if_there(mark::LINK_NOW).await?;
        walk.page().see(mark::LINK_ONLINE).await?;
        walk.page().see_gone(mark::LINK_NOW).await?;
        walk.see_each_once(&session, &["Waited for."]).await
    })
    .await
}

#[tokio::test]
async fn a_server_killed_under_the_page_comes_back_with_all_that_was_said_and_asked() -> Result<()> {
    walk_apart("server-killed", async |walk| {
        network_errors(walk);
        let session = walk.open_session().await?;
        walk.page().prompt("@bash echo survived > survived.txt").await?;
        walk.page().see(mark::GATE_EXACT).await?;
        walk.system_mut().kill_server()?;
        walk.page().see_gone(mark::LINK_ONLINE).await?;
        walk.page().prompt("@say Said to nobody.").await?;
        walk.page().read(mark::QUEUED, "Said to nobody.").await?;
        walk.picture("gone").await?;
        walk.system_mut().start_server()?;
        walk.page().see(mark::LINK_ONLINE).await?;
        walk.system().owner().see_environment(true).await?;
        ensure!(walk.page().count(mark::GATE_EXACT).await? == 1, "one request waits, as before");
        walk.page().press(mark::ALLOW).await?;
        until("survived.txt", SOON, async || Ok(walk.system().project_file("survived.txt"))).await?;
        walk.see_each_once(&session, &["Said to nobody."]).await?;
        walk.picture("back").await
    })
    .await
}

#[tokio::test]
async fn a_post_that_is_not_answered_is_called_slow_and_arrives_once() -> Result<()> {
    walk_apart("slow", async |walk| {
        network_errors(walk);
        let session = walk.open_session().await?;
        walk.system().proxy().stall();
        walk.page().prompt("@say Slowly.").await?;
        walk.page().read(mark::PROMPT_STATE, "takes long").await?;
        walk.picture("slow").await?;
        walk.system().proxy().clear();
        walk.see_each_once(&session, &["Slowly."]).await?;
        walk.page().see_gone(mark::UNSENT).await
    })
    .await
}

#[tokio::test]
async fn a_hole_in_the_stream_is_shown_as_a_gap_until_it_is_filled() -> Result<()> {
    walk_apart("gap", async |walk| {
        network_errors(walk);
        walk.browser().before_each_page(ORDEAL).await?;
        let session = walk.open_session().await?;
        walk.system().proxy().bar(Barred::Readings);
        walk.browser().run("ordeal.drop = 1").await?;
        walk.page().prompt("@say Into the hole.\n@say And after it.").await?;
        walk.page().see(mark::GAP).await?;
        walk.picture("gap").await?;
        walk.system().proxy().clear();
        walk.page().see_gone(mark::GAP).await?;
        walk.page().read(mark::TEXT, "Into the hole.").await?;
        walk.page().read(mark::TEXT, "And after it.").await?;
        ensure!(walk.page().count(mark::PROMPT).await? == 2);
        walk.page().prompt("@say Whole again.").await?;
        walk.see_each_once(&session, &["Whole again."]).await
    })
    .await
}
