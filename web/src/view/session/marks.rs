//! Marks what a search found, without touching the text: the browser's highlights lie over it. Where it has none, the
//! match is still brought into view.

use std::time::Duration;

use js_sys::{Array, Function, Reflect};
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{MutationObserver, MutationObserverInit, Node};

use crate::state::session::SessionSignals;

/// Name of the highlight in the style sheet.
const FOUND: &str = "found";
const LOG: &str = "[data-testid=transcript]";
/// Marks in the page at once.
const MARKS_MAX: u32 = 500;

/// Between two times that the marks are set, in ms: what streams draws anew sixty times a second.
const PAUSE_MS: u64 = 200;

/// Keeps the marks where the words of the search are, as long as the component that calls it is there: whatever is drawn
/// anew, opens or comes into the page is looked at.
pub(super) fn mark_matches(session: SessionSignals) {
    let query = Memo::new(move |_| session.find.with(|find| find.as_ref().map(|find| find.query.clone())));
    let due = StoredValue::new(false);
    let set = move || {
        due.try_set_value(false);
        if let Some(query) = query.try_get_untracked() {
            let _ = mark(query.as_deref().unwrap_or_default());
        }
    };
    let soon = move || {
        if due.try_get_value() == Some(false) {
            due.set_value(true);
            set_timeout(set, Duration::from_millis(PAUSE_MS));
        }
    };
    Effect::new(move |watching: Option<Option<Watching>>| {
        let query = query.get();
        drop(watching);
        set();
        query.and_then(|_| Watching::begin(soon))
    });
    on_cleanup(|| {
        let _ = mark("");
    });
}

/// Hears of everything that is drawn in the transcript, until it is dropped.
struct Watching {
    observer: MutationObserver,
    _heard: Closure<dyn Fn()>,
}

impl Watching {
    fn begin(heard: impl Fn() + 'static) -> Option<Self> {
        let log = document().query_selector(LOG).ok().flatten()?;
        let heard = Closure::<dyn Fn()>::new(heard);
        let observer = MutationObserver::new(heard.as_ref().unchecked_ref()).ok()?;
        let options = MutationObserverInit::new();
        options.set_child_list(true);
        options.set_subtree(true);
        options.set_character_data(true);
        observer.observe_with_options(&log, &options).ok()?;
        Some(Self { observer, _heard: heard })
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.observer.disconnect();
    }
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
    let Some(log) = document().query_selector(LOG)?.filter(|_| !query.is_empty()) else {
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
