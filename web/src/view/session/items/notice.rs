use leptos::prelude::*;
use portcullis_protocol::session::transcript::{Item, ItemBody};

/// A line about what happened around the conversation.
#[component]
pub(crate) fn NoticeView(item: ArcRwSignal<Item>) -> impl IntoView {
    let text = move || {
        item.with(|item| match &item.body {
            ItemBody::Notice(notice) => notice.text.clone(),
            ItemBody::Prompt(_)
            | ItemBody::Text { .. }
            | ItemBody::Thinking { .. }
            | ItemBody::Tool(_)
            | ItemBody::TurnEnd(_) => String::new(),
        })
    };
    view! { <p class="notice">{text}</p> }
}
