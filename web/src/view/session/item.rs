use leptos::prelude::*;
use portcullis_protocol::session::transcript::{Item, ItemBody};

use super::items::{NoticeView, PromptView, TextView, ThinkingView, TurnView};
use super::tool::ToolView;
use crate::state::app::App;
use crate::state::session::ItemKey;

/// One item of the transcript, whatever it is.
#[component]
pub(crate) fn ItemView(key_: ItemKey) -> impl IntoView {
    let item = App::here().session.item(key_)?;
    let (kind, state) = (item.clone(), item.clone());
    let kind = Memo::new(move |_| kind.with(|item| kind_of(&item.body)));
    let state = Memo::new(move |_| state.with(|item| state_of(&item.body)));
    let tool = item.with_untracked(|item| match &item.body {
        ItemBody::Tool(call) => Some(call.name.clone()),
        ItemBody::Prompt(_)
        | ItemBody::Text { .. }
        | ItemBody::Thinking { .. }
        | ItemBody::Notice(_)
        | ItemBody::TurnEnd(_) => None,
    });
    let nested = item.with_untracked(|item| item.parent.is_some());
    Some(view! {
        <article class="item" data-testid="item" data-kind=kind data-state=state data-tool=tool data-nested=nested>
            {move || body(kind.get(), item.clone())}
        </article>
    })
}

fn body(kind: &'static str, item: ArcRwSignal<Item>) -> AnyView {
    match kind {
        "prompt" => view! { <PromptView item/> }.into_any(),
        "text" => view! { <TextView item/> }.into_any(),
        "thinking" => view! { <ThinkingView item/> }.into_any(),
        "tool" => view! { <ToolView item/> }.into_any(),
        "notice" => view! { <NoticeView item/> }.into_any(),
        _ => view! { <TurnView item/> }.into_any(),
    }
}

fn kind_of(body: &ItemBody) -> &'static str {
    match body {
        ItemBody::Prompt(_) => "prompt",
        ItemBody::Text { .. } => "text",
        ItemBody::Thinking { .. } => "thinking",
        ItemBody::Tool(_) => "tool",
        ItemBody::Notice(_) => "notice",
        ItemBody::TurnEnd(_) => "turn",
    }
}

fn state_of(body: &ItemBody) -> &'static str {
    match body {
        ItemBody::Prompt(prompt) => prompt.state.as_str(),
        ItemBody::Text { live: true, .. } | ItemBody::Thinking { live: true, .. } => "live",
        ItemBody::Text { aborted: true, .. } => "aborted",
        ItemBody::Text { .. } | ItemBody::Thinking { .. } => "sealed",
        ItemBody::Tool(call) => call.state.as_str(),
        ItemBody::Notice(notice) => notice.level.as_str(),
        ItemBody::TurnEnd(end) => end.outcome.as_str(),
    }
}
