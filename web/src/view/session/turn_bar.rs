use leptos::prelude::*;
use portcullis_protocol::session::transcript::{ItemBody, PromptState};

use crate::state::app::App;
use crate::state::command::Command;
use crate::state::delivery::settled;
use crate::text::words::first_line;
use crate::words::session as words;

/// Characters of a prompt in it.
const PROMPT_CHARS_MAX: usize = 200;

/// The prompt whose answer is read, while it is out of view above, and where it stands. Leads back to it.
#[component]
pub(crate) fn TurnBar() -> impl IntoView {
    let app = App::here();
    let session = app.session;
    let prompt = Memo::new(move |_| {
        let (first, _) = session.view.get();
        let key = session.rows.with(|rows| {
            let above = rows.iter().rev().skip_while(|row| row.seq == 0 || row.seq >= first);
            above.map(|row| row.key).find(|key| is_prompt(session.item(*key)))
        })?;
        session.item(key)?.with(|item| match &item.body {
            ItemBody::Prompt(prompt) => {
                Some((item.seq, first_line(&prompt.text, PROMPT_CHARS_MAX), prompt.state))
            }
            ItemBody::Text { .. }
            | ItemBody::Thinking { .. }
            | ItemBody::Tool(_)
            | ItemBody::Notice(_)
            | ItemBody::TurnEnd(_) => None,
        })
    });
    // The first row in view may be the prompt of the next turn itself.
    let on_prompt = move || {
        let (first, _) = session.view.get();
        session
            .rows
            .with(|rows| rows.iter().find(|row| row.seq == first).map(|row| row.key))
            .is_some_and(|key| is_prompt(session.item(key)))
    };
    let state = move || prompt.with(|prompt| prompt.as_ref().map(|(.., state)| *state));
    let go = move |_| {
        if let Some((seq, ..)) = prompt.get_untracked() {
            app.send(Command::Visit(seq));
        }
    };
    view! {
        <Show when=move || prompt.with(Option::is_some) && !on_prompt()>
            <button class="turn-bar" data-testid="turn-bar" on:click=go>
                <span class="turn-bar-who">{words::you()}</span>
                <bdi class="turn-bar-text">{move || prompt.with(|prompt| prompt.as_ref().map(|(_, text, _)| text.clone()))}</bdi>
                <span class="turn-bar-state" data-state=move || state().map(PromptState::as_str)>{move || state().and_then(settled)}</span>
            </button>
        </Show>
    }
}

fn is_prompt(item: Option<ArcRwSignal<portcullis_protocol::session::transcript::Item>>) -> bool {
    item.is_some_and(|item| item.with_untracked(|item| matches!(item.body, ItemBody::Prompt(_))))
}
