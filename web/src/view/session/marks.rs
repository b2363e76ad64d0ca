//! Marks what a search found, without touching the text: the browser's highlights lie over it. Where it has none, the
//! match is still brought into view.

use js_sys::{Array, Function, Reflect};
use leptos::prelude::*;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::Node;

use crate::state::session::SessionSignals;

/// Name of the highlight in the style sheet.
const FOUND: &str = "found";
/// Marks in the page at once.
const MARKS_MAX: u32 = 500;

/// Keeps the marks where the words of the search are, as long as the component that calls it is there.
pub(super) fn mark_matches(session: SessionSignals) {
    Effect::new(move |_| {
        let query = session.find.with(|find| find.as_ref().map(|find| find.query.clone()));
        session.target.track();
        session.window.track();
        request_animation_frame(move || {
            // After what the target stands in was drawn.
            request_animation_frame(move || {
                let _ = mark(query.as_deref().unwrap_or_default());
            });
        });
    });
    on_cleanup(|| {
        let _ = mark("");
    });
}

fn mark(query: &str) -> Result<(), JsValue> {
    let css = Reflect::get(&window(), &"CSS".into())?;
    let highlights = Reflect::get(&css, &"highlights".into())?;
    if highlights.is_undefined() {
        return Ok(());
    }
    let method = |name: &str| {
        Reflect::get(&highlights, &name.into()).map(wasm_bindgen::JsCast::unchecked_into::<Function>)
    };
    method("delete")?.call1(&highlights, &FOUND.into())?;
    let Some(log) = document().query_selector("[data-testid=transcript]")?.filter(|_| !query.is_empty())
    else {
        return Ok(());
    };
    let ranges = Array::new();
    collect(&log, query, &ranges)?;
    let highlight: Function = Reflect::get(&window(), &"Highlight".into())?.unchecked_into();
    let highlight = Reflect::construct(&highlight, &ranges)?;
    method("set")?.call2(&highlights, &FOUND.into(), &highlight).map(drop)
}

/// Ranges of all texts under `node` that hold `query`.
fn collect(node: &Node, query: &str, ranges: &Array) -> Result<(), JsValue> {
    let children = node.child_nodes();
    for at in 0..children.length() {
        let Some(child) = children.get(at) else { continue };
        if ranges.length() >= MARKS_MAX {
            return Ok(());
        }
        if child.node_type() != Node::TEXT_NODE {
            collect(&child, query, ranges)?;
            continue;
        }
        let text = child.text_content().unwrap_or_default().to_lowercase();
        for (byte, found) in text.match_indices(query) {
            let start = text[..byte].encode_utf16().count();
            let end = start + found.encode_utf16().count();
            let range = document().create_range()?;
            let (start, end) = (u32::try_from(start).unwrap_or(0), u32::try_from(end).unwrap_or(0));
            // A letter may be longer in lower case: then there is no mark rather than a wrong one.
            if range.set_start(&child, start).is_ok() && range.set_end(&child, end).is_ok() {
                ranges.push(&range);
            }
        }
    }
    Ok(())
}
