use leptos::prelude::*;
use portcullis_protocol::role::{PermissionMode, Role};
use portcullis_protocol::wire::rest::Environment;

use super::new_session::Wanted;
use crate::state::app::App;
use crate::words::start as words;

/// With what a session runs, folded: most leave it to the machine. Only what its bridge offers can be chosen.
#[component]
pub(crate) fn Options(machine: Memo<Option<Environment>>, wanted: Wanted) -> impl IntoView {
    let app = App::here();
    let agents = Memo::new(move |_| machine.with(|one| one.as_ref().map(|one| one.agents.clone())));
    let modes = Memo::new(move |_| machine.with(|one| one.as_ref().map(|one| one.permission_modes.clone())));
    let models = Memo::new(move |_| {
        let mut models: Vec<String> =
            app.lists.sessions.with(|all| all.iter().filter_map(|one| one.model.clone()).collect());
        models.sort();
        models.dedup();
        models
    });
    let is_owner = move || app.may(Role::Owner);
    let mode = move |name: String| {
        let laxer =
            PermissionMode::parse(&name).is_none_or(|mode| !mode.is_no_laxer_than(PermissionMode::Default));
        let label = words::mode_words(&name);
        view! { <option value=name disabled=move || laxer && !is_owner()>{label}</option> }.into_any()
    };
    let agent = |name: String| view! { <option value=name.clone()>{name.clone()}</option> }.into_any();
    let any = || view! { <option value="">{words::as_machine_says()}</option> }.into_any();
    view! {
        <details class="new-options" data-testid="new-session-options">
            <summary>{words::more()}</summary>
            <label class="labelled" hidden=move || agents.get().unwrap_or_default().is_empty()>
                <span>{words::agent()}</span>
                <select class="field" data-testid="new-session-agent" prop:value=wanted.agent
                    on:change:target=move |event| wanted.agent.set(event.target().value())>
                    {any()}
                    <For each=move || agents.get().unwrap_or_default() key=Clone::clone children=agent/>
                </select>
            </label>
            <label class="labelled">
                <span>{words::model()}</span>
                <input class="field" data-testid="new-session-model" list="new-models" placeholder=words::model_hint()
                    autocapitalize="off" autocomplete="off" spellcheck="false" prop:value=wanted.model
                    on:input:target=move |event| wanted.model.set(event.target().value())/>
            </label>
            <datalist id="new-models">
                <For each=move || models.get() key=Clone::clone children=|name| view! { <option value=name></option> }.into_any()/>
            </datalist>
            <label class="labelled" hidden=move || modes.get().unwrap_or_default().is_empty()>
                <span>{words::mode()}</span>
                <select class="field" data-testid="new-session-mode" prop:value=wanted.mode
                    on:change:target=move |event| wanted.mode.set(event.target().value())>
                    {any()}
                    <For each=move || modes.get().unwrap_or_default() key=Clone::clone children=mode/>
                </select>
            </label>
            <p class="hint" hidden=is_owner>{words::mode_owner()}</p>
            <label class="labelled">
                <span>{words::title()}</span>
                <input class="field" data-testid="new-session-title" placeholder=words::title_hint() maxlength="200"
                    prop:value=wanted.title on:input:target=move |event| wanted.title.set(event.target().value())/>
            </label>
        </details>
    }
    .into_any()
}
