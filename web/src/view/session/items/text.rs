use leptos::prelude::*;
use portcullis_protocol::session::transcript::{Item, ItemBody};

use crate::view::markdown::{as_said, said_later};

/// What the agent said.
#[component]
pub(crate) fn TextView(item: ArcRwSignal<Item>) -> impl IntoView {
    let said = Memo::new(move |_| {
        item.with(|item| match &item.body {
            ItemBody::Text { text, live, .. } => (text.clone(), *live),
            ItemBody::Prompt(_)
            | ItemBody::Thinking { .. }
            | ItemBody::Tool(_)
            | ItemBody::Notice(_)
            | ItemBody::TurnEnd(_) => (String::new(), false),
        })
    });
    said_later::view(said, move |_| as_said(said))
}
