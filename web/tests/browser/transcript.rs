//! The transcript on the page follows the machine: items come, change and go, sealed parts are never drawn again.

use crate::page::{Page, settled, until};
use portcullis_protocol::Tick;
use portcullis_protocol::session::Input;
use portcullis_web::state::command::Command;
use serde_json::json;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::Element;

const ITEM: &str = "[data-testid=item]";

#[wasm_bindgen_test]
async fn events_append_items_in_the_order_of_the_log() {
    let page = Page::with_transcript();
    for text in ["one", "two", "three"] {
        page.said(Tick(0), text);
    }
    settled().await;
    assert_eq!(page.attributes(ITEM, "data-kind"), ["text", "text", "text"]);
    assert_eq!(page.text(&format!("{ITEM} .prose p")), "onetwothree");
    page.end();
}

#[wasm_bindgen_test]
async fn a_streamed_text_grows_at_its_end_and_keeps_the_nodes_of_its_sealed_blocks() {
    let page = Page::with_transcript();
    let delta = |text: &str| json!({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":text}});
    page.streamed(
        Tick(0),
        0,
        &json!({"type":"message_start","message":{"id":"m-live","role":"assistant","content":[]}}),
    );
    page.streamed(
        Tick(0),
        1,
        &json!({"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}),
    );
    page.streamed(Tick(0), 2, &delta("First block.\n\nSecond "));
    settled().await;
    assert_eq!(page.attributes(ITEM, "data-state"), ["live"]);
    page.streamed(Tick(0), 3, &delta("block\n"));
    settled().await;
    let first: Element = page.element(".prose p");
    page.streamed(Tick(0), 4, &delta("goes on.\n\nThird."));
    settled().await;
    assert!(first.is_same_node(Some(&page.element::<Element>(".prose p"))), "a sealed block was drawn again");
    assert_eq!(page.text(".prose p"), "First block.Second block goes on.Third.");
    page.end();
}

#[wasm_bindgen_test]
async fn the_durable_line_takes_the_place_of_its_preview() {
    let page = Page::with_transcript();
    page.streamed(
        Tick(0),
        0,
        &json!({"type":"message_start","message":{"id":"m-live","role":"assistant","content":[]}}),
    );
    page.streamed(
        Tick(0),
        1,
        &json!({"type":"content_block_start","index":0,"content_block":{"type":"text","text":"Par"}}),
    );
    settled().await;
    page.event(
        Tick(0),
        &json!({"type":"assistant","uuid":"a","session_id":"","parent_tool_use_id":null,
        "message":{"id":"m-live","role":"assistant","content":[{"type":"text","text":"Partial no more."}]}}),
    );
    settled().await;
    assert_eq!(page.attributes(ITEM, "data-state"), ["sealed"]);
    assert_eq!(page.text(".prose p"), "Partial no more.");
    page.end();
}

#[wasm_bindgen_test]
async fn a_tool_call_changes_in_place_until_its_output_is_there() {
    let page = Page::with_transcript();
    page.event(Tick(0), &json!({"type":"assistant","uuid":"a","session_id":"","parent_tool_use_id":null,
        "message":{"id":"m","role":"assistant","content":[{"type":"tool_use","id":"t1","name":"Bash","input":{"command":"echo hi"}}]}}));
    settled().await;
    assert_eq!(
        (page.attributes(ITEM, "data-tool"), page.attributes(ITEM, "data-state")),
        (vec!["Bash".into()], vec!["running".into()])
    );
    page.event(Tick(0), &json!({"type":"user","uuid":"r","session_id":"","parent_tool_use_id":null,
        "message":{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"\u{1b}[31mhi\u{1b}[0m\u{1b}]52;c;x\u{7}"}]}}));
    settled().await;
    assert_eq!(page.attributes(ITEM, "data-state"), ["done"]);
    assert_eq!(page.text(".output"), "hi", "only colours survive");
    assert_eq!(page.count(".output .fg-1"), 1);
    page.end();
}

#[wasm_bindgen_test]
async fn only_a_window_of_a_long_transcript_is_in_the_page() {
    let page = Page::with_transcript();
    let events: Vec<_> = (1..=1_000)
        .map(|seq| json!({"seq":seq,"event":{"type":"assistant","uuid":format!("a{seq}"),"session_id":"","parent_tool_use_id":null,
            "message":{"id":format!("m{seq}"),"role":"assistant","content":[{"type":"text","text":format!("line {seq}")}]}}}))
        .collect();
    page.frame(Tick(0), &json!({"type":"events","events":events}).to_string());
    settled().await;
    assert_eq!(page.count(ITEM), 120);
    assert!(page.text(ITEM).contains("line 1000") && !page.text(ITEM).contains("line 880line"));
    page.click(".earlier");
    settled().await;
    assert_eq!(page.count(ITEM), 180);
    page.end();
}

#[wasm_bindgen_test]
async fn reading_through_2000_items_keeps_the_page_small_and_every_place() {
    const IN_PAGE_MAX: usize = 180;
    let page = Page::with_transcript();
    for part in [1..=1_000, 1_001..=2_000] {
        let events: Vec<_> = part.map(line).collect();
        page.frame(Tick(0), &json!({"type":"events","events":events}).to_string());
        settled().await;
    }
    let log: Element = page.element("[data-testid=transcript]");
    limit(&log, "height", "300px");
    limit(&log, "overflow", "auto");
    settled().await;
    log.set_scroll_top(log.scroll_height());
    settled().await;
    let numbers = || -> Vec<u64> {
        let items = page.root_all(ITEM).into_iter();
        let words = items.map(|item| item.text_content().unwrap());
        words.filter_map(|text| digits(text.split("line ").nth(1)?).parse().ok()).collect()
    };
    let top_of = |number: u64| {
        let at = numbers().iter().position(|other| *other == number).expect("what is read is in the page");
        page.root_all(ITEM)[at].get_bounding_client_rect().top()
    };
    let ends = || (*numbers().first().unwrap(), *numbers().last().unwrap());
    let mut most = 0;
    // Up to the start, a jump to the top of the page at a time.
    while ends().0 > 1 {
        let (first, _) = ends();
        log.set_scroll_top(40);
        let before = top_of(first);
        until("earlier items come", || ends().0 < first).await;
        settled().await;
        settled().await;
        let moved = top_of(first) - before;
        assert!(moved.abs() < 2.0, "line {first} moved by {moved}");
        most = most.max(page.count(ITEM));
    }
    assert!(ends().1 < 250, "nothing left at the end: {:?}", ends());
    assert!(page.find("[data-testid=to-end]").unwrap().get_attribute("hidden").is_none(), "this is no end");
    // A good way down, to the bottom of the page each time.
    while ends().1 < 1_000 {
        let (_, last) = ends();
        log.set_scroll_top(log.scroll_height() - log.client_height() - 40);
        let before = top_of(last);
        until("later items come", || ends().1 > last).await;
        settled().await;
        settled().await;
        let moved = top_of(last) - before;
        assert!(moved.abs() < 2.0, "line {last} moved by {moved}");
        most = most.max(page.count(ITEM));
    }
    assert!(ends().0 > 700, "nothing left at the start: {:?}", ends());
    page.click("[data-testid=to-end]");
    until("the end is there", || ends() == (1_881, 2_000)).await;
    until("the end is in view", || log.scroll_height() - log.scroll_top() - log.client_height() < 48).await;
    assert!(most <= IN_PAGE_MAX, "{most} items at once");
    page.end();
}

#[wasm_bindgen_test]
async fn a_log_that_begins_anew_leaves_nothing_of_the_old_one() {
    let page = Page::with_transcript();
    page.said(Tick(0), "old");
    settled().await;
    page.feed(Tick(1), Input::Closed { code: 1006 });
    page.feed(Tick(60_000), Input::Timeout);
    page.feed(Tick(60_000), Input::Opened { token: "t".into() });
    page.frame(Tick(60_000), r#"{"type":"welcome","epoch":"other","head_seq":1,"resumed":false,"heartbeat_ms":10000,"server_time_ms":1,"worker":{"state":"online"},"pending":[],"role":"owner"}"#);
    let event = json!({"type":"assistant","uuid":"n","session_id":"","parent_tool_use_id":null,"message":{"id":"n","role":"assistant","content":[{"type":"text","text":"new"}]}});
    page.frame(Tick(60_000), &json!({"type":"events","events":[{"seq":1,"event":event}]}).to_string());
    settled().await;
    assert_eq!(page.text(".prose p"), "new");
    page.end();
}

#[wasm_bindgen_test]
async fn a_hole_in_the_log_is_shown_as_one_until_it_is_filled() {
    const GAP: &str = "[data-testid=gap]";
    let page = Page::with_transcript();
    let event = |seq: u64| {
        json!({"seq":seq,"event":{"type":"assistant","uuid":format!("a{seq}"),"session_id":"","parent_tool_use_id":null,
            "message":{"id":format!("m{seq}"),"role":"assistant","content":[{"type":"text","text":format!("line {seq}")}]}}})
    };
    let welcome = r#"{"type":"welcome","epoch":"e","head_seq":5,"resumed":true,"heartbeat_ms":10000,"server_time_ms":1,"worker":{"state":"online"},"pending":[],"role":"owner"}"#;
    page.frame(Tick(0), &json!({"type":"events","events":[event(1), event(5)]}).to_string());
    settled().await;
    assert_eq!(page.text(GAP), "3 events are missing here. Asking the server for them.");
    assert_eq!(page.text(&format!("{ITEM} .prose p")), "line 1", "drawn across a hole");
    page.feed(Tick(1), Input::Opened { token: "t".into() });
    page.frame(Tick(1), welcome);
    page.frame(
        Tick(1),
        &json!({"type":"events","events":[event(2), event(3), event(4), event(5)]}).to_string(),
    );
    settled().await;
    assert_eq!(page.count(GAP), 0);
    assert_eq!(page.text(&format!("{ITEM} .prose p")), "line 1line 2line 3line 4line 5");
    page.end();
}

fn line(seq: u64) -> serde_json::Value {
    json!({"seq":seq,"event":{"type":"assistant","uuid":format!("a{seq}"),"session_id":"","parent_tool_use_id":null,
        "message":{"id":format!("m{seq}"),"role":"assistant","content":[{"type":"text","text":format!("line {seq}")}]}}})
}

#[wasm_bindgen_test]
async fn a_long_session_opens_at_its_end_and_what_comes_in_above_moves_nothing() {
    let page = Page::at_the_tail(&(901..=1_000).map(line).collect::<Vec<_>>());
    let log: Element = page.element("[data-testid=transcript]");
    limit(&log, "height", "300px");
    limit(&log, "overflow", "auto");
    settled().await;
    log.set_scroll_top(log.scroll_height());
    settled().await;
    assert!(page.text(ITEM).contains("line 1000") && page.count(ITEM) == 100);
    log.set_scroll_top(40);
    until("history is wanted", || {
        !page.sent(|command| matches!(command, Command::Earlier).then_some(())).is_empty()
    })
    .await;
    let place = |page: &Page| {
        let items = page.root_all(ITEM);
        let read = items.iter().find(|item| item.text_content().unwrap().contains("line 903"));
        read.expect("it is in the page").get_bounding_client_rect().top()
    };
    let before = place(&page);
    page.history(&(701..=900).map(line).collect::<Vec<_>>());
    until("the history is drawn", || page.text(ITEM).contains("line 899")).await;
    settled().await;
    assert_eq!(page.text("[data-testid=to-end]"), "↓ latest", "history counts as new");
    assert!((place(&page) - before).abs() < 2.0, "what was read moved from {before} to {}", place(&page));
    page.end();
}

/// The number a text begins with.
fn digits(text: &str) -> &str {
    text.split(|letter: char| !letter.is_ascii_digit()).next().unwrap_or_default()
}

fn limit(element: &Element, name: &str, value: &str) {
    use wasm_bindgen::JsCast as _;
    element.unchecked_ref::<web_sys::HtmlElement>().style().set_property(name, value).unwrap();
}
