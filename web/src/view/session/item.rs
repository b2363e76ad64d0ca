use leptos::prelude::*;
use portcullis_protocol::session::transcript::{Item, ItemBody};

use super::clock;
use super::items::{NoticeView, PromptView, TextView, ThinkingView, TurnView};
use super::passing;
use super::tool::ToolView;
use crate::state::app::App;
use crate::state::session::ItemKey;
use crate::words::session as words;

/// One item of the transcript, whatever it is.
#[component]
pub(crate) fn ItemView(key_: ItemKey) -> impl IntoView {
    let app = App::here();
    let item = app.session.item(key_)?;
    let (kind, state, seq) = (item.clone(), item.clone(), item.clone());
    let kind = Memo::new(move |_| kind.with(|item| kind_of(&item.body)));
    let state = Memo::new(move |_| state.with(|item| state_of(&item.body)));
    let seq = Memo::new(move |_| seq.with(|item| item.seq));
    let tool = item.with_untracked(|item| match &item.body {
        ItemBody::Tool(call) => Some(call.name.clone()),
        ItemBody::Prompt(_)
        | ItemBody::Text { .. }
        | ItemBody::Thinking { .. }
        | ItemBody::Notice(_)
        | ItemBody::TurnEnd(_) => None,
    });
    let nested = item.with_untracked(|item| item.parent.is_some());
    let target =
        passing(move || app.session.target.with(|target| target.is_some_and(|(at, _)| at == seq.get())));
    Some(view! {
        <article class="item" data-testid="item" data-kind=kind data-state=state data-tool=tool data-nested=nested
            data-seq=move || seq.get().to_string() data-target=move || target.get()>
            {body(kind, item.clone(), key_)}
            {link(item)}
        </article>
    })
}

fn body(kind: Memo<&'static str>, item: ArcRwSignal<Item>, key: ItemKey) -> impl IntoView {
    move || {
        let item = item.clone();
        match kind.get() {
            "prompt" => view! { <PromptView item/> }.into_any(),
            "text" => view! { <TextView item/> }.into_any(),
            "thinking" => view! { <ThinkingView item/> }.into_any(),
            "tool" => view! { <ToolView item key_=key/> }.into_any(),
            "notice" => view! { <NoticeView item/> }.into_any(),
            _ => view! { <TurnView item/> }.into_any(),
        }
    }
}

/// The way to link to this very event, for whoever points at it or reaches it by key.
fn link(item: ArcRwSignal<Item>) -> impl IntoView {
    let app = App::here();
    let (at, seq) = (item.clone(), Memo::new(move |_| item.with(|item| item.seq)));
    let copy = move |_| {
        let location = window().location();
        let base = [location.origin(), location.pathname()].into_iter().flatten().collect::<String>();
        if window().is_secure_context() {
            let _ = window().navigator().clipboard().write_text(&format!("{base}#{}", seq.get_untracked()));
            app.note.set(Some(words::link_copied().to_owned()));
        }
    };
    let time = at.with_untracked(|item| item.at_ms).map(clock::time).unwrap_or_else(|| "#".to_owned());
    view! {
        <button class="item-link" data-testid="item-link" data-time=time hidden=move || seq.get() == 0
            aria-label=words::link_to_here() title=words::link_to_here() on:click=copy></button>
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
