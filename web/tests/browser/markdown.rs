//! Markdown reaches the page as nodes: nothing an agent writes becomes HTML, a request or a script.

use crate::page::{Page, settled};
use portcullis_protocol::Tick;
use wasm_bindgen_test::wasm_bindgen_test;

const HOSTILE: &str = "# Title\n\n<img src=x onerror=\"window.__hit=1\"> <script>window.__hit=1</script>\n\n\
    <svg onload=\"window.__hit=1\"></svg>\n\n![a beacon](https://evil.example/x.png)\n\n\
    [click](javascript:window.__hit=1) [ok](https://docs.rs/leptos) [github.com](https://evil.example)\n\n\
    | a | b |\n|---|---|\n| <b>x</b> | `y` |\n\n- [x] done\n";

#[wasm_bindgen_test]
async fn hostile_markdown_makes_no_element_that_the_text_named() {
    let page = Page::with_transcript();
    page.said(Tick(0), HOSTILE);
    settled().await;
    let text = "[data-kind=text]";
    for never in ["img", "script", "svg", "iframe", "style", "b", "[onerror]", "[onload]", "[srcset]"] {
        assert_eq!(page.count(&format!("{text} {never}")), 0, "{never}");
    }
    assert!(page.text(text).contains("<script>window.__hit=1</script>"), "raw HTML is shown as text");
    assert!(page.text(text).contains("image: a beacon"));
    assert!(page.window_has_no("__hit"));
    page.end();
}

#[wasm_bindgen_test]
async fn a_link_leads_where_it_says_or_says_where_it_leads() {
    let page = Page::with_transcript();
    page.said(Tick(0), HOSTILE);
    settled().await;
    let links = page.attributes("[data-kind=text] a", "href");
    assert!(links.contains(&"https://docs.rs/leptos".to_owned()), "{links:?}");
    assert!(links.iter().all(|link| link.starts_with("https://")), "{links:?}");
    assert_eq!(page.attributes("[data-kind=text] a.asks", "href"), ["https://evil.example"]);
    assert!(page.text("[data-kind=text] .asks + .host").contains("evil.example"), "asks, and says it");
    for rel in page.attributes("[data-kind=text] a", "rel") {
        assert_eq!(rel, "noopener noreferrer nofollow");
    }
    page.end();
}

#[wasm_bindgen_test]
async fn structure_becomes_structure() {
    let page = Page::with_transcript();
    page.said(Tick(0), HOSTILE);
    settled().await;
    for (element, count) in [("h3", 1), ("table", 1), ("td", 2), ("td code", 1), ("li.task", 1)] {
        assert_eq!(page.count(&format!("[data-kind=text] {element}")), count, "{element}");
    }
    page.end();
}
