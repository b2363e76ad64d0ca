use leptos::prelude::*;
use portcullis_protocol::wire::rest::SessionInfo;

use super::SessionRow;
use crate::state::app::App;
use crate::state::groups::{self, Group};

/// One group of sessions; absent while it has none.
#[component]
pub(crate) fn SessionGroup(
    group: Group,
    sessions: Memo<Vec<SessionInfo>>,
    filter: RwSignal<String>,
) -> impl IntoView {
    let app = App::here();
    let members = Memo::new(move |_| {
        let machines = app.lists.environments.get();
        let members =
            sessions.with(|all| filter.with(|filter| groups::members(all, &machines, group, filter)));
        members.into_iter().map(|session| session.id).collect::<Vec<_>>()
    });
    view! {
        <section class="group" data-group=group.name() hidden=move || members.with(Vec::is_empty)>
            <h2 class="group-head">
                {group.title()} <data class="group-count">{move || members.with(Vec::len)}</data>
            </h2>
            <ul>
                <For each=move || members.get() key=Clone::clone children=|id| view! { <SessionRow id/> }.into_any()/>
            </ul>
        </section>
    }
    .into_any()
}
