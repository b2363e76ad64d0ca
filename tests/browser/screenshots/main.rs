//! Takes the pictures of `docs/screenshots`: `cargo xtask screenshots` builds what this needs and says where they go.
//!
//! Each is taken at the width of a desk and of a phone, in both themes, as small as a browser can write it.

mod scene;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_testkit::MessagesApi;
use portcullis_tests::apart::Apart;
use portcullis_tests::page::mark;
use portcullis_tests::patience::{SOON, until};
use portcullis_tests::system::given;
use portcullis_tests::walk::{Walk, walk_in};
use serde_json::json;

use crate::scene::Errand;

/// The model that is played.
const MODEL: &str = "claude-sonnet-4-5";
/// Name, width, height, pixels of the picture for each of those, and how much a picture may lose, in per cent of what it
/// could be.
const SIZES: [(&str, u32, u32, f64, u32); 2] = [("desk", 1440, 900, 1.0, 82), ("phone", 390, 844, 2.0, 70)];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let folder = given("PORTCULLIS_PICTURES")?;
    fs::create_dir_all(&folder)?;
    let api = MessagesApi::start().await?;
    let variables = [
        ("ANTHROPIC_BASE_URL", api.base_url()),
        ("ANTHROPIC_API_KEY", "sk-nobody".to_owned()),
        ("ANTHROPIC_MODEL", MODEL.to_owned()),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
    walk_in("pictures", Apart::start_with(variables).await?, async |walk| {
        let album = Album { folder };
        walk.pair().await?;
        let project = walk.system().root().join("project/api");
        scene::lay_out(&project)?;
        scene::play(&api, &project);
        let owner = walk.system().owner();
        let start = async |errand: &Errand| owner.start(errand.title, &project, errand.prompt).await;
        let page = walk.page();
        let notes = start(&scene::RELEASE).await?;
        open(walk, &notes).await?;
        page.read(mark::TEXT, "0.4.0").await?;
        page.see_gone(mark::STOP).await?;
        let flaky = start(&scene::FLAKY).await?;
        open(walk, &flaky).await?;
        page.press(mark::ALLOW).await?;
        page.read(mark::GATE_EXACT, "cargo test").await?;
        let export = start(&scene::EXPORT_JSON).await?;
        let database = start(&scene::DATABASE).await?;
        start(&scene::DEPENDENCIES).await?;
        until("what waits and what runs", SOON, async || {
            let running = page.count("[data-group=running] [data-testid=session-row]").await?;
            let waiting = page.count("[data-group=waiting] [data-testid=session-row]").await?;
            Ok((waiting == 3 && running == 1).then_some(()))
        })
        .await?;

        // On a phone a text that is longer than its box has to be scrolled through first, and the card says so.
        let allow = format!("{}:enabled, .card-blocked:not([hidden])", mark::ALLOW);
        page.client().goto(&walk.system().proxy().origin()).await?;
        album.take(walk, "list", mark::SESSION_LIST).await?;
        open(walk, &flaky).await?;
        album.take(walk, "gate-command", &allow).await?;
        open(walk, &export).await?;
        album.take(walk, "gate-edit", &allow).await?;
        open(walk, &database).await?;
        page.press(".question:first-of-type .option:nth-of-type(2) input").await?;
        page.press(".question:last-of-type .option:first-of-type input").await?;
        album.take(walk, "question", &allow).await?;
        page.press("[data-testid=inbox-link]").await?;
        page.read(".inbox-said", "3 requests").await?;
        album.take(walk, "inbox", &allow).await?;
        open(walk, &notes).await?;
        album.take(walk, "session", "[data-testid=item][data-kind=turn]").await?;
        page.press("[data-testid=settings]").await?;
        page.see("[data-testid=decision]").await?;
        album.take(walk, "settings", "[data-testid=settings-page]").await
    })
    .await
}

/// Where the pictures go.
struct Album {
    folder: PathBuf,
}

impl Album {
    /// Takes all of one, each once `ready` is there.
    async fn take(&self, walk: &Walk<Apart>, name: &str, ready: &str) -> Result<()> {
        let browser = walk.browser();
        browser.run("document.activeElement?.blur()").await?;
        let away = json!({ "type": "mouseMoved", "x": 0, "y": 0 });
        browser.devtools("Input.dispatchMouseEvent", away).await?;
        for (size, width, height, scale, quality) in SIZES {
            let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 640 });
            browser.devtools("Emulation.setDeviceMetricsOverride", metrics).await?;
            for theme in ["light", "dark"] {
                browser.prefer_calm(theme).await?;
                walk.page().see(ready).await?;
                let drawn = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()));";
                walk.page().client().execute_async(drawn, Vec::new()).await?;
                let wanted = json!({ "format": "webp", "quality": quality });
                let picture = browser.devtools("Page.captureScreenshot", wanted).await?;
                let picture = STANDARD.decode(picture["data"].as_str().context("no picture")?)?;
                let file = self.folder.join(format!("{name}-{size}-{theme}.webp"));
                fs::write(&file, picture).with_context(|| format!("writing {}", file.display()))?;
            }
        }
        walk.browser().view_as(SIZES[0].1, SIZES[0].2).await
    }
}

/// Opens a session from the list.
async fn open(walk: &Walk<Apart>, session: &str) -> Result<()> {
    walk.page().press(&format!("[data-session-id={session}]")).await?;
    walk.page().see(mark::LINK_ONLINE).await?;
    walk.page().see(mark::COMPOSER).await.map(drop)
}
