use leptos::prelude::*;
use portcullis_protocol::role::Role;
use portcullis_protocol::wire::rest::Device;

use crate::state::app::App;
use crate::state::command::Command;
use crate::state::deed::Deed;
use crate::view::settings::Roles;
use crate::view::shell::told;
use crate::words::side as words;

/// Devices that want in. Only an owner sees them.
#[component]
pub(crate) fn WaitingDevices() -> impl IntoView {
    let app = App::here();
    let waiting = Memo::new(move |_| {
        let mut devices = app.lists.devices.get();
        devices.retain(|device| device.confirm_code.is_some());
        devices
    });
    view! {
        <For each=move || waiting.get() key=|device| device.id.clone()
            children=|device| view! { <WaitingDevice device/> }.into_any()/>
    }
    .into_any()
}

#[component]
fn WaitingDevice(device: Device) -> impl IntoView {
    let app = App::here();
    let Device { id, name, confirm_code, role, .. } = device;
    let (title, asks, yes) = if role == Role::Bridge {
        (words::newcomer_machine(), words::newcomer_machine_asks(), words::admit_machine())
    } else {
        (words::newcomer(), words::newcomer_asks(), words::admit())
    };
    let chosen = RwSignal::new(role);
    let (refused, admitted) = (id.clone(), id);
    let refuse = move |_| app.send(Command::Do(Deed::Revoke(refused.clone())));
    let admit = move |_| {
        let other = Some(chosen.get_untracked()).filter(|chosen| *chosen != role);
        app.send(Command::Do(Deed::Admit { device: admitted.clone(), role: other }));
    };
    view! {
        <section class="newcomer" data-testid="newcomer" aria-label=title>
            <p>{told(&name)} " " {asks}</p>
            <output class="confirm-code">{confirm_code}</output>
            <label class="labelled"><span>{words::newcomer_role()}</span>
                <Roles role=Signal::derive(move || chosen.get()) on_choose=Callback::new(move |role| chosen.set(role))/></label>
            <div class="buttons">
                <button class="button" data-testid="turn-away" on:click=refuse>{words::turn_away()}</button>
                <button class="button" data-testid="admit" on:click=admit>{yes}</button>
            </div>
        </section>
    }
    .into_any()
}
