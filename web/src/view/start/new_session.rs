use leptos::prelude::*;
use portcullis_protocol::id::EnvironmentId;
use portcullis_protocol::wire::rest::{CreateSession, Environment};

use crate::state::app::{App, Starting};
use crate::state::command::Command;
use crate::state::exact::literal;
use crate::state::route::Route;
use crate::view::later::later;
use crate::view::session::{PromptField, use_draft};
use crate::view::shell::focus;

later! {
    /// The form that starts a session.
    rest: fn new_later() { view! { <NewSession/> }.into_any() }
}

/// A new session: the first prompt, and only if wanted where it runs and what it is called.
#[component]
fn NewSession() -> impl IntoView {
    let app = App::here();
    let (title, prompt) = (RwSignal::new(String::new()), use_draft(app, Route::New.name().to_owned()));
    let chosen = RwSignal::new(None::<EnvironmentId>);
    let online = Memo::new(move |_| {
        app.lists.environments.with(|all| all.iter().filter(|one| one.online).cloned().collect::<Vec<_>>())
    });
    app.starting.set(Starting::No);
    let start = Callback::new(move |()| {
        let filled = |text: String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let Some(first) = filled(prompt.get_untracked()) else { return };
        app.send(Command::Start(Box::new(CreateSession {
            environment_id: chosen
                .get_untracked()
                .or_else(|| online.get_untracked().first().map(|one| one.id.clone())),
            title: filled(title.get_untracked()),
            prompt: Some(first),
            ..CreateSession::default()
        })));
    });
    let back = move |event: leptos::ev::MouseEvent| {
        event.prevent_default();
        app.send(Command::Go(Route::Home));
    };
    request_animation_frame(|| focus("[data-testid=composer-input]"));
    let trouble = move || match app.starting.get() {
        Starting::Failed(message) => Some(message),
        Starting::No | Starting::Busy if app.lists.loaded.get() && online.with(Vec::is_empty) => {
            Some("No machine is online. In your project, run portcullis up.".to_owned())
        }
        Starting::No | Starting::Busy => None,
    };
    view! {
        <main class="page">
            <div class="new-session">
                <a class="head-back page-back" href="/" aria-label="All sessions" on:click=back>"‹"</a>
                <h1>"What is to be done?"</h1>
                <PromptField text=prompt on_send=start label="First prompt" rows=4
                    busy=Signal::derive(move || app.starting.get() == Starting::Busy)/>
                <p class="problem" role="alert" hidden=move || trouble().is_none()>{trouble}</p>
                <Machines online chosen/>
                <label class="labelled">
                    <span>"Title"</span>
                    <input class="field" data-testid="new-session-title" placeholder="Made from the prompt"
                        prop:value=title on:input:target=move |event| title.set(event.target().value())/>
                </label>
            </div>
        </main>
    }
}

/// Which machine; a choice only where there is one.
#[component]
fn Machines(online: Memo<Vec<Environment>>, chosen: RwSignal<Option<EnvironmentId>>) -> impl IntoView {
    let choose = move |id: String| chosen.set(EnvironmentId::parse(id).ok());
    let option = |one: Environment| {
        let label = format!("{} · {}", literal(&one.machine_name), literal(&one.directory));
        view! { <option value=one.id.to_string()>{label}</option> }
    };
    view! {
        <label class="labelled" hidden=move || online.with(|all| all.len() < 2)>
            <span>"Machine"</span>
            <select class="field" on:change:target=move |event| choose(event.target().value())>
                <For each=move || online.get() key=|one| one.id.clone() children=option/>
            </select>
        </label>
        <p class="new-place" hidden=move || online.with(|all| all.len() != 1)>
            {move || online.with(|all| all.first().map(|one| format!("Runs on {} in {}", literal(&one.machine_name), literal(&one.directory))))}
        </p>
    }
}
