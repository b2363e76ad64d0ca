//! `cargo xtask demo`, as a developer runs it: through trunk, with one link, until Ctrl-C.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use portcullis_tests::browser::Browser;
use portcullis_tests::page::{Page, mark};
use portcullis_tests::processes::Family;
use portcullis_tests::system::given;

/// Trunk builds before it listens; what the tests before this one built is there, so this is only for a busy machine.
const BUILT_WITHIN: Duration = Duration::from_secs(600);

#[tokio::test]
async fn the_demo_serves_a_session_behind_one_link_and_ends_with_all_it_started() -> Result<()> {
    let (page_port, ingress_port) = (free_port()?, free_port()?);
    let mut command = Command::new(given("PORTCULLIS_XTASK")?);
    command.args(["demo", &format!("--port={page_port}"), &format!("--ingress-port={ingress_port}")]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut demo = Family::start("cargo xtask demo", &mut command)?;
    let lines = demo.lines()?;
    let prefix = format!("http://127.0.0.1:{page_port}/#pair=");
    let link = loop {
        let line = lines.recv_timeout(BUILT_WITHIN).context("the demo printed no link")?;
        if line.trim().starts_with(&prefix) {
            break line.trim().to_owned();
        }
    };

    let browser = Browser::start().await?;
    let page = Page::new(browser.client());
    page.client().goto(&link).await?;
    page.see(mark::ENVIRONMENT_ONLINE).await?;
    page.press(mark::NEW_SESSION).await?;
    page.prompt("@say Through the proxy.").await?;
    page.read(mark::TEXT, "Through the proxy.").await?;
    let errors = browser.console_errors().await?;
    ensure!(errors.is_empty(), "the page logged errors: {errors:#?}");
    browser.end().await?;

    let started = demo.descendants();
    let named = |name: &str| started.iter().any(|trace| trace.command().starts_with(name));
    ensure!(named("trunk") && named("portcullis"), "{started:#?}");
    tokio::task::spawn_blocking(move || demo.interrupt()).await?
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
