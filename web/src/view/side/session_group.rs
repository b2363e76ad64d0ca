use leptos::prelude::*;

use super::SessionRow;
use crate::state::app::App;
use crate::state::groups::{self, Group};

/// One group of sessions; absent while it has none.
#[component]
pub(crate) fn SessionGroup(group: Group, filter: RwSignal<String>) -> impl IntoView {
    let app = App::here();
    let members = Memo::new(move |_| {
        app.lists.sessions.with(|sessions| filter.with(|filter| groups::members(sessions, group, filter)))
    });
    view! {
        <section class="group" data-group=group.name() hidden=move || members.with(Vec::is_empty)>
            <h2 class="group-head">
                {group.title()} <data class="group-count">{move || members.with(Vec::len)}</data>
            </h2>
            <ul>
                <For each=move || members.get() key=|session| session.id.clone() children=|session| {
                    view! { <SessionRow id=session.id/> }
                }/>
            </ul>
        </section>
    }
}
