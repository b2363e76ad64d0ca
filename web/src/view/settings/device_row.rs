use leptos::prelude::*;
use portcullis_protocol::id::DeviceId;
use portcullis_protocol::role::Role;
use portcullis_protocol::wire::rest::Device;

use super::Roles;
use crate::state::app::App;
use crate::state::command::Command;
use crate::state::deed::Deed;
use crate::state::exact::literal;
use crate::text::words::age;
use crate::view::shell::{focus, moment, told};
use crate::words::{page, settings as words, side};

/// What is being done to a device.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Nothing,
    Rename,
    Revoke,
}

/// One device: its name, what it may do, when it was here, and what an owner can do about it.
#[component]
pub(crate) fn DeviceRow(id: DeviceId) -> impl IntoView {
    let app = App::here();
    let own = id.clone();
    let device =
        Memo::new(move |_| app.lists.devices.with(|all| all.iter().find(|one| one.id == own).cloned()));
    let act = RwSignal::new(Act::Nothing);
    let is_own = {
        let id = id.clone();
        Memo::new(move |_| app.device.get().as_ref() == Some(&id))
    };
    let read = move |of: fn(&Device) -> String| device.with(|one| one.as_ref().map(of).unwrap_or_default());
    let facts = move || {
        let (seen, paired) =
            device.with(|one| one.as_ref().map_or((0, 0), |one| (one.last_seen_at_ms, one.created_at_ms)));
        let age = age(app.clock_ms.get(), seen);
        let seen = if age == page::just_now() { words::seen_now().to_owned() } else { words::seen(age) };
        format!("{seen} · {}", words::paired_on(moment(paired)))
    };
    let role = Signal::derive(move || device.with(|one| one.as_ref().map_or(Role::Viewer, |one| one.role)));
    let (changed, named, removed) = (id.clone(), id.clone(), id.clone());
    let choose = Callback::new(move |role| {
        app.send(Command::Do(Deed::SetRole { device: changed.clone(), role }));
    });
    let rename = Callback::new(move |name| {
        app.send(Command::Do(Deed::NameDevice { device: named.clone(), name }));
        act.set(Act::Nothing);
    });
    let revoke = Callback::new(move |()| {
        app.send(Command::Do(Deed::Revoke(removed.clone())));
        act.set(Act::Nothing);
    });
    let below = move || match act.get() {
        Act::Nothing => ().into_any(),
        Act::Rename => {
            view! { <Rename name=untrack(|| read(|one| one.name.clone())) on_done=rename act/> }.into_any()
        }
        Act::Revoke => {
            let name = untrack(|| read(|one| literal(&one.name)));
            view! { <Revoke name is_own=is_own.get_untracked() on_yes=revoke act/> }.into_any()
        }
    };
    view! {
        <li class="card-row" data-testid="device" data-device-id=id.to_string() data-own=move || is_own.get().to_string()>
            <p class="card-name">{move || told(&read(|one| one.name.clone()))}
                <span class="tag" hidden=move || !is_own.get()>{words::this_device()}</span></p>
            <p class="hint">{facts}</p>
            <div class="buttons">
                <Roles role on_choose=choose/>
                <button class="button" data-testid="device-rename" on:click=move |_| act.set(Act::Rename)>{words::rename()}</button>
                <button class="button" data-testid="device-revoke" on:click=move |_| act.set(Act::Revoke)>{words::revoke()}</button>
            </div>
            {below}
        </li>
    }
    .into_any()
}

#[component]
fn Rename(name: String, on_done: Callback<String>, act: RwSignal<Act>) -> impl IntoView {
    let text = RwSignal::new(name);
    let save = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let name = text.get_untracked().trim().to_owned();
        if !name.is_empty() {
            on_done.run(name);
        }
    };
    request_animation_frame(|| focus("[data-testid=device-name]"));
    view! {
        <form class="inline-form" on:submit=save>
            <input class="field" data-testid="device-name" aria-label=words::name() maxlength="100" prop:value=text
                on:input:target=move |event| text.set(event.target().value())/>
            <div class="buttons">
                <button class="button" type="submit">{side::save()}</button>
                <button class="button" type="button" on:click=move |_| act.set(Act::Nothing)>{side::cancel()}</button>
            </div>
        </form>
    }
    .into_any()
}

#[component]
fn Revoke(name: String, is_own: bool, on_yes: Callback<()>, act: RwSignal<Act>) -> impl IntoView {
    request_animation_frame(|| focus("[data-testid=device-keep]"));
    view! {
        <div class="sure" role="alertdialog" aria-label=words::revoke()>
            <p>{words::revoke_sure(name)} " " {is_own.then(words::revoke_self)}</p>
            <div class="buttons">
                <button class="button" data-testid="device-keep" on:click=move |_| act.set(Act::Nothing)>{words::keep()}</button>
                <button class="button deny" data-testid="device-revoke-yes" on:click=move |_| on_yes.run(())>{words::revoke_yes()}</button>
            </div>
        </div>
    }
    .into_any()
}
