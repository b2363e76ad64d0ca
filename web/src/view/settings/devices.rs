use leptos::prelude::*;
use portcullis_protocol::role::Role;

use super::DeviceRow;
use crate::state::app::App;
use crate::view::shell::CopyLine;
use crate::words::settings as words;

/// Who is paired with this server. Those that wait stand in the list of sessions, where nobody overlooks them.
#[component]
pub(crate) fn Devices() -> impl IntoView {
    let app = App::here();
    let known = Memo::new(move |_| {
        let mut devices = app.lists.devices.get();
        devices.retain(|device| device.confirm_code.is_none());
        let own = app.device.get();
        devices.sort_by_key(|one| (Some(&one.id) != own.as_ref(), std::cmp::Reverse(one.last_seen_at_ms)));
        devices.into_iter().map(|device| device.id).collect::<Vec<_>>()
    });
    view! {
        <section aria-labelledby="set-devices">
            <h2 id="set-devices">{words::devices()}</h2>
            <p class="hint" hidden=move || app.may(Role::Owner)>{words::owners_only()}</p>
            <ul class="cards" data-testid="devices">
                <For each=move || known.get() key=Clone::clone children=|id| view! { <DeviceRow id/> }.into_any()/>
            </ul>
            <p class="hint">{words::another_device()}</p>
            <CopyLine text="portcullis pair"/>
        </section>
    }
    .into_any()
}
