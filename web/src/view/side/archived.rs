use leptos::prelude::*;
use portcullis_protocol::wire::rest::SessionInfo;

use super::SessionRow;
use crate::state::app::App;
use crate::state::command::Command;
use crate::state::groups::{self, Group};
use crate::words::side as words;

/// Sessions that can be read and brought back, folded, and read from the server when somebody opens them.
#[component]
pub(crate) fn Archived(filter: RwSignal<String>) -> impl IntoView {
    let app = App::here();
    let list = app.lists.archived;
    let members = Memo::new(move |_| {
        let machines = app.lists.environments.get();
        let members = list.with(|list| {
            filter.with(|filter| groups::members(&list.rows, &machines, Group::Archived, filter))
        });
        // Another page may have taken one out of the archive since.
        let is_active =
            |session: &SessionInfo| app.lists.sessions.with(|all| all.iter().any(|one| one.id == session.id));
        members.into_iter().filter(|one| !is_active(one)).map(|session| session.id).collect::<Vec<_>>()
    });
    let open = move |_| {
        if !list.with_untracked(|list| list.loaded) {
            app.send(Command::Archived { more: false });
        }
    };
    let older = move |_| app.send(Command::Archived { more: true });
    view! {
        <details class="group" data-group="archived" data-testid="archived" on:toggle=open>
            <summary class="group-head">{Group::Archived.title()}</summary>
            <ul>
                <For each=move || members.get() key=Clone::clone children=|id| view! { <SessionRow id/> }.into_any()/>
            </ul>
            <button class="link" hidden=move || !list.with(|list| list.more) on:click=older>{words::older()}</button>
        </details>
    }
    .into_any()
}
