use std::sync::Arc;

use leptos::prelude::*;
use portcullis_protocol::limits::RENDER_TEXT_BYTES_MAX;

use super::blocks;
use crate::text::markdown::{self, Block};
use crate::text::seal::Seal;
use crate::text::words;
use crate::view::later::later;
use crate::words::tool as said_words;

later! {
    /// Markdown. Until its code is here the text stands as it was said.
    rich: fn said_later(said: Memo<(String, bool)>) { view! { <Prose said/> }.into_any() }
}

/// A text as it was said, within the same bound.
pub(crate) fn as_said(said: Memo<(String, bool)>) -> AnyView {
    let text =
        move || said.with(|(text, _)| text[..text.floor_char_boundary(RENDER_TEXT_BYTES_MAX)].to_owned());
    view! { <div class="prose prose-plain">{text}</div> }.into_any()
}

/// A text that may still grow. Blocks before the last are drawn once; only the tail is drawn with every frame.
#[component]
pub(crate) fn Prose(said: Memo<(String, bool)>) -> impl IntoView {
    let limit = RwSignal::new(RENDER_TEXT_BYTES_MAX);
    let pieces = RwSignal::new(Vec::<(usize, Arc<[Block]>)>::new());
    let tail = RwSignal::new(Vec::<Block>::new());
    let sealed = StoredValue::new((Seal::default(), String::new()));
    Effect::new(move |_| {
        let (text, _) = said.get();
        let text = &text[..text.floor_char_boundary(limit.get())];
        sealed.update_value(|(seal, drawn)| {
            if !text.starts_with(drawn.as_str()) {
                (*seal, *drawn) = (Seal::default(), String::new());
                pieces.set(Vec::new());
            }
            if let Some(piece) = seal.advance(text) {
                pieces.update(|pieces| pieces.push((drawn.len(), markdown::parse(piece).into())));
                drawn.push_str(piece);
            }
            tail.set(markdown::parse(seal.tail(text)));
        });
    });
    let live = move || said.with(|(_, live)| *live);
    let left = move || said.with(|(text, _)| text.len().saturating_sub(limit.get()));
    view! {
        <div class="prose" data-live=move || if live() { "true" } else { "false" }>
            <For each=move || pieces.get() key=|(at, _)| *at children=|(_, piece)| blocks(&piece)/>
            {move || tail.with(|tail| blocks(tail))}
            <button class="link" hidden=move || left() == 0 on:click=move |_| limit.update(|limit| *limit += RENDER_TEXT_BYTES_MAX)>
                {move || said_words::show_more(words::bytes(left()))}
            </button>
        </div>
    }
}
