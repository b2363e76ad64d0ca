//! Storage is denied, or full, or emptied by who leaves.

use anyhow::{Result, ensure};
use portcullis_tests::devtools::{ORDEAL, STORAGE_DENIED};
use portcullis_tests::page::mark;
use portcullis_tests::patience::{SOON, until};
use portcullis_tests::proxy::Barred;
use portcullis_tests::walk::walk_apart;

use crate::network_errors;

#[tokio::test]
async fn where_storage_is_denied_it_works_until_a_reload_and_says_so() -> Result<()> {
    walk_apart("storage-denied", async |walk| {
        network_errors(walk);
        walk.browser().before_each_page(STORAGE_DENIED).await?;
        let session = walk.open_session().await?;
        walk.page().read("body", "This browser keeps nothing for this page").await?;
        walk.picture("said").await?;
        walk.system().proxy().bar(Barred::Sessions);
        walk.page().prompt("@say Kept in memory alone.").await?;
        walk.page().read(mark::QUEUED, "Kept in memory alone.").await?;
        walk.picture("waiting").await?;
        walk.system().proxy().clear();
        walk.see_each_once(&session, &["Kept in memory alone."]).await?;
        walk.page().client().refresh().await?;
        walk.page().see(mark::PAIR_STATUS).await?;
        walk.picture("reloaded").await
    })
    .await
}

#[tokio::test]
async fn where_storage_is_full_a_prompt_is_not_lost_while_the_page_lives_and_says_so() -> Result<()> {
    walk_apart("storage-full", async |walk| {
        network_errors(walk);
        walk.browser().before_each_page(ORDEAL).await?;
        let session = walk.open_session().await?;
        walk.system().proxy().bar(Barred::Sessions);
        walk.page().prompt("@say Kept.").await?;
        walk.page().read(mark::QUEUED, "Kept.").await?;
        walk.browser().run("ordeal.full = true").await?;
        walk.page().prompt("@say Not kept.").await?;
        walk.page().read(mark::QUEUED, "Not kept.").await?;
        walk.page().read(mark::PROMPT_STATE, "only as long as this tab is open").await?;
        walk.page().read("body", "storage is full").await?;
        walk.picture("full").await?;
        walk.system().proxy().clear();
        walk.see_each_once(&session, &["Kept.", "Not kept."]).await?;
        walk.page().see_gone(mark::QUEUED).await
    })
    .await
}

#[tokio::test]
async fn who_logs_out_leaves_no_prompt_no_draft_and_no_key_behind() -> Result<()> {
    walk_apart("logout", async |walk| {
        network_errors(walk);
        let session = walk.open_session().await?;
        walk.system().proxy().bar(Barred::Sessions);
        walk.page().prompt("@say Never to be sent.").await?;
        walk.page().read(mark::QUEUED, "Never to be sent.").await?;
        walk.page().type_into(mark::COMPOSER, "a draft").await?;
        let devices = walk.system().owner().devices().await?;
        ensure!(walk.browser().rows_kept().await? >= 2, "neither a key nor a prompt is kept");
        walk.page().press(mark::LOGOUT).await?;
        walk.picture("asked").await?;
        // Something is unsent, so it asks first.
        walk.page().press(mark::LOGOUT_ANYWAY).await?;
        walk.page().see(mark::PAIR_STATUS).await?;
        walk.picture("out").await?;
        until("empty storage", SOON, async || Ok((walk.browser().rows_kept().await? == 0).then_some(())))
            .await?;
        until("the server to forget the device", SOON, async || {
            Ok((walk.system().owner().devices().await? < devices).then_some(()))
        })
        .await?;
        walk.system().proxy().clear();
        walk.page().client().refresh().await?;
        walk.page().see(mark::PAIR_STATUS).await?;
        ensure!(walk.page().count(mark::SESSION_ROW).await? == 0);
        ensure!(walk.system().owner().prompts(&session).await? == ["@say Ready."]);
        Ok(())
    })
    .await
}
