use leptos::prelude::*;
use portcullis_protocol::wire::rest::Device;

use crate::state::app::App;
use crate::state::command::Command;
use crate::view::shell::told;

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
    let Device { id, name, confirm_code, .. } = device;
    let answer = move |admit: bool| {
        let device_id = id.clone();
        move |_| app.send(Command::Admit { device_id: device_id.clone(), admit })
    };
    view! {
        <section class="newcomer" aria-label="A device wants in">
            <p>{told(&name)} " wants in. Does it show this code?"</p>
            <output class="confirm-code">{confirm_code}</output>
            <div class="buttons">
                <button class="button" on:click=answer(false)>"No, turn away"</button>
                <button class="button" on:click=answer(true)>"Yes, admit"</button>
            </div>
        </section>
    }
}
