use leptos::prelude::*;
use portcullis_protocol::wire::rest::SessionInfo;

use super::{Archived, EnvironmentCard, LogOut, RowActs, WaitingDevices};
use crate::state::app::{App, RowAct};
use crate::view::later::later;

/// What of the column arrives after the list can be used.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Beside {
    /// Devices that want in.
    Newcomers,
    /// What can be done to a row.
    Acts(Memo<Option<SessionInfo>>, RowAct),
    /// Archived sessions that hold the words.
    Archived(RwSignal<String>),
    Machines,
    /// What would be lost by logging out.
    LogOut,
}

later! {
    /// The rest of the column.
    work: fn beside_later(what: Beside) {
        match what {
            Beside::Newcomers => view! { <WaitingDevices/> }.into_any(),
            Beside::Acts(info, act) => view! { <RowActs info act/> }.into_any(),
            Beside::Archived(filter) => view! { <Archived filter/> }.into_any(),
            Beside::Machines => view! { <Machines/> }.into_any(),
            Beside::LogOut => view! { <LogOut/> }.into_any(),
        }
    }
}

/// Draws it as soon as its code is here; its place is empty until then.
pub(super) fn beside(what: Beside) -> AnyView {
    beside_later::view(what, |_| ().into_any())
}

#[component]
fn Machines() -> impl IntoView {
    let app = App::here();
    view! {
        <For each=move || app.lists.environments.get() key=|one| (one.id.clone(), one.online, one.branch.clone(), one.last_seen_at_ms)
            children=|environment| view! { <EnvironmentCard environment/> }.into_any()/>
    }
    .into_any()
}
