use leptos::prelude::*;
use portcullis_protocol::session::transcript::{Item, ItemBody};

use crate::state::exact::literal;
use crate::words::notices as words;

/// A line about what happened around the conversation.
#[component]
pub(crate) fn NoticeView(item: ArcRwSignal<Item>) -> impl IntoView {
    let text = move || {
        item.with(|item| match &item.body {
            ItemBody::Notice(notice) => literal(&words::notice(&notice.text)),
            ItemBody::Prompt(_)
            | ItemBody::Text { .. }
            | ItemBody::Thinking { .. }
            | ItemBody::Tool(_)
            | ItemBody::TurnEnd(_) => String::new(),
        })
    };
    view! { <p class="notice"><bdi>{text}</bdi></p> }
}
