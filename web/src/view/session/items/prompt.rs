use leptos::prelude::*;
use portcullis_protocol::session::transcript::{Item, ItemBody, Prompt, PromptState};

use crate::state::app::App;
use crate::state::command::Command;
use crate::state::delivery::settled;
use crate::state::tool::pictures::pictures;
use crate::view::session::tool::PictureView;
use crate::words::session as said;

/// What a person said. A turn starts here, so it is a heading for those who jump from turn to turn.
#[component]
pub(crate) fn PromptView(item: ArcRwSignal<Item>) -> impl IntoView {
    let app = App::here();
    let prompt = Memo::new(move |_| item.with(|item| prompt(&item.body)));
    let text =
        move || prompt.with(|prompt| prompt.as_ref().map(|prompt| prompt.text.clone()).unwrap_or_default());
    let state = move || prompt.with(|prompt| prompt.as_ref().map(|prompt| prompt.state));
    let attached = move || prompt.with(|prompt| prompt.as_ref().map_or(0, |prompt| prompt.attachments));
    let again = move |_| app.send(Command::Prompt(text().into()));
    let whole = RwSignal::new(false);
    let folded = move || {
        !whole.get() && prompt.with(|prompt| prompt.as_ref().is_some_and(|prompt| is_long(&prompt.text)))
    };
    view! {
        <h2 class="unseen">{said::you()}</h2>
        <p class="said" dir="auto" data-folded=folded>{text}</p>
        <button class="link" hidden=move || !folded() on:click=move |_| whole.set(true)>{said::show_all()}</button>
        <p class="said-attached" hidden=move || attached() == 0>{move || said::attachments(attached())}</p>
        {move || prompt.with(|prompt| prompt.as_ref().and_then(|prompt| prompt.blocks.as_ref().map(|blocks| pictures(blocks.look()))))
            .map(|all| all.into_iter().map(|picture| view! { <PictureView picture/> }).collect_view())}
        <p class="said-state" data-testid="prompt-state" data-state=move || state().map(PromptState::as_str)
            hidden=move || state().and_then(settled).is_none()>
            {move || state().and_then(settled)}
            <Show when=move || state() == Some(PromptState::Unknown)>
                <button class="link" on:click=again>{said::send_again()}</button>
            </Show>
        </p>
    }
}

fn prompt(body: &ItemBody) -> Option<Prompt> {
    match body {
        ItemBody::Prompt(prompt) => Some(prompt.clone()),
        ItemBody::Text { .. }
        | ItemBody::Thinking { .. }
        | ItemBody::Tool(_)
        | ItemBody::Notice(_)
        | ItemBody::TurnEnd(_) => None,
    }
}

/// Whether a prompt would push its answer off the screen.
fn is_long(text: &str) -> bool {
    const LINES_MAX: usize = 12;
    const BYTES_MAX: usize = 1_000;
    text.len() > BYTES_MAX || text.lines().count() > LINES_MAX
}
