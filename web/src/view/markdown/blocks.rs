use leptos::prelude::*;
use portcullis_protocol::limits::RENDER_TABLE_CELLS_MAX;

use super::{Code, inlines};
use crate::text::markdown::{Block, Inline, ListItem};
use crate::words::tool as words;

/// Draws `blocks`. Their depth is bounded where they were parsed.
pub(crate) fn blocks(blocks: &[Block]) -> AnyView {
    blocks.iter().map(block).collect_view().into_any()
}

fn block(block: &Block) -> AnyView {
    match block {
        Block::Paragraph { content, loose: true } => {
            view! { <p dir="auto">{inlines(content)}</p> }.into_any()
        }
        Block::Paragraph { content, loose: false } => inlines(content),
        Block::Heading { level, content } => heading(*level, content),
        Block::Code { language, text } => {
            view! { <Code text=text.trim_end_matches('\n').to_owned() language=language.clone()/> }.into_any()
        }
        Block::Quote(inner) => view! { <blockquote>{blocks(inner)}</blockquote> }.into_any(),
        Block::List { start: None, items } => {
            view! { <ul>{items.iter().map(item).collect_view()}</ul> }.into_any()
        }
        Block::List { start: Some(start), items } => {
            view! { <ol start=start.to_string()>{items.iter().map(item).collect_view()}</ol> }.into_any()
        }
        Block::Table { head, rows } => table(head, rows.clone()),
        Block::Rule => view! { <hr/> }.into_any(),
        Block::Html(source) => view! { <pre class="source"><code>{source.clone()}</code></pre> }.into_any(),
    }
}

/// The page has its own first levels, so those of a text begin below them.
fn heading(level: u8, content: &[Inline]) -> AnyView {
    let content = inlines(content);
    match level {
        1 => view! { <h3 class="h1">{content}</h3> }.into_any(),
        2 => view! { <h3>{content}</h3> }.into_any(),
        3 => view! { <h4>{content}</h4> }.into_any(),
        4 => view! { <h5>{content}</h5> }.into_any(),
        _ => view! { <h6>{content}</h6> }.into_any(),
    }
}

fn item(item: &ListItem) -> impl IntoView + use<> {
    let mark = item.checked.map(|done| {
        let (mark, words) =
            if done { ("☑ ", words::status_done()) } else { ("☐ ", words::status_open()) };
        view! { <span aria-hidden="true">{mark}</span><span class="unseen">{words}</span> }
    });
    view! { <li class:task=item.checked.is_some()>{mark}{blocks(&item.blocks)}</li> }
}

fn table(head: &[Vec<Inline>], rows: Vec<Vec<Vec<Inline>>>) -> AnyView {
    let width = head.len().max(1);
    let shown_first = RENDER_TABLE_CELLS_MAX / width;
    let hidden = rows.len().saturating_sub(shown_first);
    let all = RwSignal::new(hidden == 0);
    let rows = StoredValue::new(rows);
    let body = move || {
        let shown = if all.get() { usize::MAX } else { shown_first };
        rows.with_value(|rows| rows.iter().take(shown).map(|row| row_of(row)).collect_view())
    };
    let head = head.iter().map(|cell| view! { <th scope="col">{inlines(cell)}</th> }).collect_view();
    view! {
        <div class="table" tabindex="0">
            <table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>
        </div>
        <button class="link" hidden=move || all.get() on:click=move |_| all.set(true)>{words::show_rows(hidden)}</button>
    }
    .into_any()
}

fn row_of(row: &[Vec<Inline>]) -> impl IntoView + use<> {
    view! { <tr>{row.iter().map(|cell| view! { <td>{inlines(cell)}</td> }).collect_view()}</tr> }
}
