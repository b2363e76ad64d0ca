use leptos::prelude::*;
use portcullis_protocol::role::Role;

use crate::words::settings as words;

const PEOPLE: [Role; 4] = [Role::Viewer, Role::Operator, Role::Approver, Role::Owner];

/// What a person's device may do, to choose. A machine stays one: it has calls of its own and no others.
#[component]
pub(crate) fn Roles(role: Signal<Role>, on_choose: Callback<Role>) -> impl IntoView {
    if role.get_untracked() == Role::Bridge {
        return view! { <span class="device-role">{name(Role::Bridge)}</span> }.into_any();
    }
    let options = PEOPLE.map(|one| {
        view! { <option value=word(one) selected=move || role.get() == one>{name(one)}</option> }.into_any()
    });
    let choose = move |value: String| {
        if let Some(role) = PEOPLE.into_iter().find(|role| word(*role) == value) {
            on_choose.run(role);
        }
    };
    view! {
        <select class="field" data-testid="role" aria-label=words::role() on:change:target=move |event| choose(event.target().value())>
            {options}
        </select>
    }
    .into_any()
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Operator => "operator",
        Role::Approver => "approver",
        Role::Owner => "owner",
        Role::Bridge => "bridge",
    }
}

fn name(role: Role) -> &'static str {
    match role {
        Role::Viewer => words::role_viewer(),
        Role::Operator => words::role_operator(),
        Role::Approver => words::role_approver(),
        Role::Owner => words::role_owner(),
        Role::Bridge => words::role_bridge(),
    }
}
