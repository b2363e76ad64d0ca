use leptos::prelude::*;

use crate::text::links::Link;
use crate::text::markdown::{Inline, plain};
use crate::words::session as words;

/// Draws `content`.
pub(crate) fn inlines(content: &[Inline]) -> AnyView {
    content.iter().map(inline).collect_view().into_any()
}

fn inline(inline: &Inline) -> AnyView {
    match inline {
        Inline::Text(text) => text.clone().into_any(),
        Inline::Code(text) => view! { <code>{text.clone()}</code> }.into_any(),
        Inline::Emphasis(inner) => view! { <em>{inlines(inner)}</em> }.into_any(),
        Inline::Strong(inner) => view! { <strong>{inlines(inner)}</strong> }.into_any(),
        Inline::Strike(inner) => view! { <s>{inlines(inner)}</s> }.into_any(),
        Inline::Link { target, content } => link_view(target, inlines(content), &plain(content)),
        Inline::Image { target, alt } => {
            let words = if alt.is_empty() { words::image().to_owned() } else { words::image_of(alt) };
            link_view(target, words.clone().into_any(), &words)
        }
        Inline::Break => view! { <br/> }.into_any(),
    }
}

/// A link says where it leads; one whose text names another host asks first; what may not be followed is its text and
/// its address.
pub(crate) fn link_view(target: &Link, content: AnyView, shown: &str) -> AnyView {
    match target {
        Link::Safe { href, host } => view! {
            <a href=href.clone() target="_blank" rel="noopener noreferrer nofollow">{content}</a>
            {host.clone().map(|host| view! { <span class="host">" (" <bdi>{host}</bdi> ")"</span> })}
        }
        .into_any(),
        Link::Asks { href, host } => {
            let asked = host.clone();
            let ask = move |event: leptos::ev::MouseEvent| {
                if !window().confirm_with_message(&words::leads_to(&asked)).unwrap_or(false) {
                    event.prevent_default();
                }
            };
            view! {
                <a class="asks" href=href.clone() target="_blank" rel="noopener noreferrer nofollow" on:click=ask>{content}</a>
                <span class="host">" (" <bdi>{host.clone()}</bdi> ")"</span>
            }
            .into_any()
        }
        Link::Text { url } => {
            let address = (url != shown).then(|| view! { <code class="host">{url.clone()}</code> });
            view! { {content} " " {address} }.into_any()
        }
    }
}
