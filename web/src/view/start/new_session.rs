use leptos::prelude::*;
use portcullis_protocol::id::EnvironmentId;
use portcullis_protocol::role::Role;
use portcullis_protocol::wire::rest::{CreateSession, Environment};

use super::Options;
use crate::state::app::{App, Starting};
use crate::state::command::Command;
use crate::state::exact::literal;
use crate::state::groups::recent;
use crate::state::route::Route;
use crate::view::later::later;
use crate::view::session::{PromptField, use_draft};
use crate::view::shell::{PlaceLink, focus};
use crate::words::start as words;

/// What is typed and chosen for a new session; an empty one is left to the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub machine: RwSignal<Option<EnvironmentId>>,
    pub directory: RwSignal<String>,
    pub title: RwSignal<String>,
    pub agent: RwSignal<String>,
    pub model: RwSignal<String>,
    pub mode: RwSignal<String>,
}

impl Wanted {
    fn new() -> Self {
        let empty = || RwSignal::new(String::new());
        let (directory, title, agent, model, mode) = (empty(), empty(), empty(), empty(), empty());
        Self { machine: RwSignal::new(None), directory, title, agent, model, mode }
    }

    fn create(&self, machine: Option<EnvironmentId>, prompt: String) -> CreateSession {
        let filled = |text: RwSignal<String>| {
            Some(text.get_untracked().trim().to_owned()).filter(|text| !text.is_empty())
        };
        CreateSession {
            environment_id: machine,
            directory: filled(self.directory),
            title: filled(self.title),
            agent: filled(self.agent),
            model: filled(self.model),
            permission_mode: filled(self.mode),
            prompt: Some(prompt),
        }
    }
}

later! {
    /// The form that starts a session.
    rest: fn new_later() { view! { <NewSession/> }.into_any() }
}

/// A new session: the first prompt, where it runs, and only if wanted with what.
#[component]
pub fn NewSession() -> impl IntoView {
    let app = App::here();
    let (wanted, prompt) = (Wanted::new(), use_draft(app, Route::New.name().to_owned()));
    // The chosen machine as long as it is there, else the first that is.
    let machine = Memo::new(move |_| {
        app.lists.environments.with(|all| {
            let chosen = all.iter().find(|one| Some(&one.id) == wanted.machine.get().as_ref());
            chosen.or_else(|| all.iter().find(|one| one.online)).cloned()
        })
    });
    app.starting.set(Starting::No);
    let start = Callback::new(move |()| {
        let first = prompt.get_untracked().trim().to_owned();
        if !first.is_empty() {
            let machine = machine.get_untracked().map(|one| one.id);
            app.send(Command::Start(Box::new(wanted.create(machine, first))));
        }
    });
    request_animation_frame(|| focus("[data-testid=composer-input]"));
    let trouble = move || match app.starting.get() {
        Starting::Failed(message) => Some(message),
        _ if app.role.get().is_some() && !app.may(Role::Operator) => Some(words::may_not().to_owned()),
        Starting::No | Starting::Busy if app.lists.loaded.get() && machine.with(Option::is_none) => {
            Some(words::no_machine().to_owned())
        }
        Starting::No | Starting::Busy => None,
    };
    view! {
        <main class="page">
            <div class="new-session">
                <PlaceLink route=Route::Home class="head-back page-back" name="back">
                    <span aria-hidden="true">"‹"</span><span class="unseen">{words::back()}</span>
                </PlaceLink>
                <h1>{words::what_to_do()}</h1>
                <PromptField text=prompt on_send=start label=words::first_prompt() rows=4
                    busy=Signal::derive(move || app.starting.get() == Starting::Busy)/>
                <p class="problem" role="alert" hidden=move || trouble().is_none()>{trouble}</p>
                <Machines machine wanted/>
                <Directory machine wanted/>
                <Options machine wanted/>
            </div>
        </main>
    }
    .into_any()
}

/// Which machine; a choice only where there is one.
#[component]
fn Machines(machine: Memo<Option<Environment>>, wanted: Wanted) -> impl IntoView {
    let app = App::here();
    let choose = move |id: String| {
        wanted.machine.set(EnvironmentId::parse(id).ok());
        // What was chosen of another machine means nothing here.
        for text in [wanted.directory, wanted.agent, wanted.model, wanted.mode] {
            text.set(String::new());
        }
    };
    let option = move |one: Environment| {
        let offline = if one.online { String::new() } else { format!(" ({})", words::offline()) };
        let label = format!("{} · {}{offline}", literal(&one.machine_name), literal(&one.directory));
        let id = one.id.clone();
        let selected = move || machine.with(|chosen| chosen.as_ref().is_some_and(|chosen| chosen.id == id));
        view! { <option value=one.id.to_string() disabled=!one.online selected=selected>{label}</option> }
            .into_any()
    };
    view! {
        <label class="labelled" hidden=move || app.lists.environments.with(|all| all.len() < 2)>
            <span>{words::machine()}</span>
            <select class="field" data-testid="new-session-machine" on:change:target=move |event| choose(event.target().value())>
                <For each=move || app.lists.environments.get() key=|one| (one.id.clone(), one.online) children=option/>
            </select>
        </label>
    }
    .into_any()
}

/// A path on that machine: one where something ran before, or any other.
#[component]
fn Directory(machine: Memo<Option<Environment>>, wanted: Wanted) -> impl IntoView {
    let app = App::here();
    let known = Memo::new(move |_| {
        let machine = machine.get();
        machine.map(|machine| app.lists.sessions.with(|all| recent(all, &machine))).unwrap_or_default()
    });
    let own = move || known.with(|known| known.first().map(|own| literal(own))).unwrap_or_default();
    view! {
        <label class="labelled">
            <span>{words::directory()}</span>
            <input class="field mono" data-testid="new-session-directory" list="new-directories" placeholder=own
                title=words::directory_hint() autocapitalize="off" autocomplete="off" spellcheck="false"
                prop:value=wanted.directory on:input:target=move |event| wanted.directory.set(event.target().value())/>
        </label>
        <datalist id="new-directories">
            <For each=move || known.get() key=Clone::clone children=|path| view! { <option value=path></option> }.into_any()/>
        </datalist>
    }
    .into_any()
}
