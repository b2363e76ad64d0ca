use leptos::prelude::*;
use portcullis_protocol::role::Role;
use portcullis_protocol::wire::rest::Device;

use crate::state::app::App;
use crate::state::command::Command;
use crate::view::shell::told;
use crate::words::devices as words;

/// Devices that want in. Only an owner sees them.
#[component]
pub(crate) fn WaitingDevices() -> impl IntoView {
    let app = App::here();
    view! {
        <For each=move || app.lists.devices.get() key=|device| device.id.clone() children=|device| {
            view! { <WaitingDevice device/> }
        }/>
    }
}

#[component]
fn WaitingDevice(device: Device) -> impl IntoView {
    let app = App::here();
    let Device { id, name, role, confirm_code, .. } = device;
    let (title, question, yes) = if role == Role::Bridge {
        (words::machine_title(), words::machine_does_it_show(), words::admit_machine())
    } else {
        (words::title(), words::does_it_show(), words::admit())
    };
    let answer = move |admit: bool| {
        let device_id = id.clone();
        move |_| app.send(Command::Admit { device_id: device_id.clone(), admit })
    };
    view! {
        <section class="newcomer" aria-label=title>
            <p>{told(&name)} {question}</p>
            <output class="confirm-code">{confirm_code}</output>
            <div class="buttons">
                <button class="button" on:click=answer(false)>{words::turn_away()}</button>
                <button class="button" on:click=answer(true)>{yes}</button>
            </div>
        </section>
    }
}
