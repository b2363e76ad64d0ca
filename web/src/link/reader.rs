//! What reads a whole session beside what is shown of it: a search from its end to its start, and a file of all of it.
//! Both go page by page, tell how far they came, and end as soon as nobody wants them.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::Array;
use leptos::prelude::*;
use portcullis_protocol::id::SessionId;
use portcullis_protocol::limits::PAGE_EVENTS_MAX;
use portcullis_protocol::session::PageQuery;
use portcullis_protocol::session::transcript::Transcript;
use portcullis_protocol::wire::client::SeqEvent;
use portcullis_protocol::wire::rest::EventsPage;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{Blob, BlobPropertyBag, HtmlAnchorElement, Url};

use super::api::{self, Failure};
use super::browser;
use super::tokens::Tokens;
use crate::state::app::App;
use crate::state::find::{Find, holds};
use crate::state::session::Export;
use crate::text::export::{self, Format};
use crate::words::Language;
use crate::words::session as words;

/// Rows of the page after that are read again with one, so that a call finds its result.
const OVERLAP_ROWS: usize = 100;
/// Rows that are folded together for a file, where a turn ends: a call and its result stand in one fold.
const FOLD_ROWS: usize = 2_000;

/// Reads one session.
pub(super) struct Reader {
    id: SessionId,
    app: App,
    tokens: Rc<Tokens>,
    /// Number of the search, so that an older one ends.
    searches: Cell<u32>,
    exports: Cell<u32>,
}

/// One page of a session's log.
pub(super) async fn page(tokens: &Tokens, id: &SessionId, query: PageQuery) -> Result<EventsPage, Failure> {
    let positions = [("after_seq", query.after_seq), ("before_seq", query.before_seq)];
    let positions = positions.into_iter().filter_map(|(name, seq)| Some(format!("&{name}={}", seq?)));
    let path = format!("/v1/sessions/{id}/events?limit={}{}", query.limit, positions.collect::<String>());
    let token = tokens.get().await?;
    match api::get(&path, &token.text).await {
        Err(failure) if failure.is_unauthorized() => {
            let token = tokens.fresh().await?;
            api::get(&path, &token.text).await
        }
        other => other,
    }
}

impl Reader {
    pub(super) fn new(id: SessionId, app: App, tokens: Rc<Tokens>) -> Self {
        Self { id, app, tokens, searches: Cell::new(0), exports: Cell::new(0) }
    }

    /// Nobody looks at the session any more.
    pub(super) fn end(&self) {
        self.searches.set(self.searches.get() + 1);
        self.exports.set(self.exports.get() + 1);
    }

    /// Looks for words, from the end of the log to its start. `here` is what is loaded, for when nothing can be fetched.
    pub(super) async fn find(&self, words: &str, head: u64, here: &[u64], show: impl Fn(u64)) {
        let run = self.searches.get() + 1;
        self.searches.set(run);
        let Some(find) = Find::new(words, head) else { return self.app.session.find.set(None) };
        let query = find.query.clone();
        self.app.session.find.set(Some(find));
        let mut before = head.saturating_add(1);
        let mut below: Vec<SeqEvent> = Vec::new();
        while before > 1 && self.searches.get() == run {
            let asked = PageQuery { after_seq: None, before_seq: Some(before), limit: PAGE_EVENTS_MAX };
            let rows = page(&self.tokens, &self.id, asked).await.map(|page| page.data);
            if self.searches.get() != run {
                return;
            }
            let rows = match rows {
                Ok(rows) if rows.first().is_some_and(|row| row.seq < before) => rows,
                Ok(_) | Err(_) => {
                    let hits = if below.is_empty() { here.to_vec() } else { Vec::new() };
                    self.found(hits, before - 1, true).into_iter().for_each(&show);
                    return;
                }
            };
            let hits = hits(&rows, &below, &query);
            before = rows.first().map_or(1, |row| row.seq);
            below = rows.into_iter().take(OVERLAP_ROWS).collect();
            self.found(hits, before - 1, false).into_iter().for_each(&show);
            if self.app.session.find.with_untracked(|find| find.as_ref().is_none_or(Find::is_over)) {
                return;
            }
            browser::pause(0).await;
        }
    }

    fn found(&self, hits: Vec<u64>, left: u64, failed: bool) -> Option<u64> {
        let mut show = None;
        self.app.session.find.update(|find| {
            if let Some(find) = find {
                show = find.found(hits, left);
                find.failed = failed;
            }
        });
        show
    }

    /// Saves the whole session to a file; `None` stops that.
    pub(super) async fn export(&self, format: Option<Format>, title: String) {
        let run = self.exports.get() + 1;
        self.exports.set(run);
        self.app.session.export.set(Export::No);
        let Some(format) = format else { return };
        let file = self.file(format, &title, run).await;
        if self.exports.get() != run {
            return;
        }
        self.app.session.export.set(Export::No);
        let said = match file {
            Ok(parts) => match save(&parts, format, &title) {
                Ok(()) => words::export_done().to_owned(),
                Err(_) => words::export_failed(words::find_failed()),
            },
            Err(failure) => words::export_failed(failure),
        };
        self.app.note.set(Some(said));
    }

    async fn file(&self, format: Format, title: &str, run: u32) -> Result<Array, Failure> {
        let parts = Array::new();
        let add = |text: &str| {
            parts.push(&JsValue::from_str(text));
        };
        add(&export::head(format, title, &when(browser::wall_ms())));
        let mut rows: Vec<SeqEvent> = Vec::new();
        let mut after = 0;
        loop {
            let asked = PageQuery { after_seq: Some(after), before_seq: None, limit: PAGE_EVENTS_MAX };
            let page = page(&self.tokens, &self.id, asked).await?;
            if self.exports.get() != run {
                return Ok(parts);
            }
            let last = page.data.last().map_or(after, |row| row.seq);
            let ends = last == after || last >= page.head_seq;
            after = last;
            rows.extend(page.data);
            self.app.session.export.set(Export::Going { done: after, all: page.head_seq });
            if ends || rows.len() >= FOLD_ROWS {
                let turn = rows
                    .iter()
                    .rposition(|row| row.event.header().is_ok_and(|header| header.kind == "result"));
                let cut = if ends { rows.len() } else { turn.map_or(rows.len(), |at| at + 1) };
                add(&written(format, rows.drain(..cut)));
            }
            if ends {
                add(export::foot(format));
                return Ok(parts);
            }
            browser::pause(0).await;
        }
    }
}

/// Events that hold `query` among `rows`, read together with what stands right `below` them.
fn hits(rows: &[SeqEvent], below: &[SeqEvent], query: &str) -> Vec<u64> {
    let mut transcript = Transcript::new();
    for row in rows.iter().chain(below) {
        transcript.apply(row.seq, &row.event);
    }
    let last = rows.last().map_or(0, |row| row.seq);
    let found = transcript.items().filter(|item| (1..=last).contains(&item.seq) && holds(item, query));
    let mut found: Vec<u64> = found.map(|item| item.seq).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn written(format: Format, rows: impl Iterator<Item = SeqEvent>) -> String {
    if format == Format::Lines {
        return rows.map(|row| format!("{}\n", row.event.as_str())).collect();
    }
    let mut transcript = Transcript::new();
    rows.for_each(|row| transcript.apply(row.seq, &row.event));
    transcript.items().map(|item| export::item(format, item, item.at_ms.map(when))).collect()
}

/// A moment in the words of the person's language and place.
fn when(ms: u64) -> String {
    let date = js_sys::Date::new(&JsValue::from_f64(ms as f64));
    date.to_locale_string(Language::spoken().tag(), &JsValue::UNDEFINED).into()
}

/// Hands the file to the browser.
fn save(parts: &Array, format: Format, title: &str) -> Result<(), JsValue> {
    let kind = BlobPropertyBag::new();
    kind.set_type(format.media_type());
    let blob = Blob::new_with_str_sequence_and_options(parts, &kind)?;
    let url = Url::create_object_url_with_blob(&blob)?;
    let link: HtmlAnchorElement = document().create_element("a")?.unchecked_into();
    let name: String = title.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).take(60).collect();
    link.set_href(&url);
    link.set_download(&format!("{}.{}", name.trim_matches('-'), format.ending()));
    link.click();
    // The browser has begun to write it by then.
    set_timeout(move || drop(Url::revoke_object_url(&url)), std::time::Duration::from_secs(60));
    Ok(())
}
