//! The network goes and comes back.

use anyhow::Result;
use portcullis_tests::page::mark;
use portcullis_tests::walk::walk_apart;

#[tokio::test]
async fn a_cut_in_the_middle_of_a_stream_loses_nothing_and_says_nothing_twice() -> Result<()> {
    walk_apart("cut", async |walk| {
        walk.provokes("net::ERR_");
        walk.provokes("WebSocket connection to");
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
