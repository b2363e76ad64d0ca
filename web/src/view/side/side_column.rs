use leptos::prelude::*;

use super::{EnvironmentCard, LogOut, SessionGroup, WaitingDevices};
use crate::state::app::App;
use crate::state::command::Command;
use crate::state::groups::Group;
use crate::state::route::Route;
use crate::view::shell::LinkMark;

/// The left column; on phones the first screen.
#[component]
pub(crate) fn Side() -> impl IntoView {
    let app = App::here();
    let filter = RwSignal::new(String::new());
    let none = move || app.lists.loaded.get() && app.lists.sessions.with(Vec::is_empty);
    let environments = move || app.lists.environments.get();
    let new = move |_| app.send(Command::Go(Route::New));
    view! {
        <nav class="side" aria-label="Sessions">
            <header class="side-head">
                <p class="brand"><span class="brand-mark" aria-hidden="true"></span>"Portcullis"</p>
                <button class="button" data-testid="new-session" on:click=new>"New session"</button>
            </header>
            <WaitingDevices/>
            <input class="field side-filter" type="search" data-testid="session-filter" aria-label="Filter sessions"
                placeholder="Filter" prop:value=filter on:input:target=move |event| filter.set(event.target().value())
                hidden=move || app.lists.sessions.with(|all| all.len() < 6)/>
            <div class="side-list" data-testid="session-list">
                {Group::ALL.map(|group| view! { <SessionGroup group filter/> })}
                <p class="side-empty" hidden=move || !none()>"No session yet. Start one and say what is to be done."</p>
            </div>
            <section class="side-machines" aria-label="Machines">
                <For each=environments key=|one| (one.id.clone(), one.online, one.branch.clone()) children=|environment| {
                    view! { <EnvironmentCard environment/> }
                }/>
                <p class="side-empty" hidden=move || !app.lists.loaded.get() || !app.lists.environments.with(Vec::is_empty)>
                    "No machine is connected. In your project, run " <code>"portcullis up"</code> "."
                </p>
            </section>
            <LogOut/>
            <footer class="side-foot">
                <LinkMark/>
                <button class="link" data-testid="logout" on:click=move |_| app.send(Command::AskToLeave)>"Log out"</button>
            </footer>
        </nav>
    }
}
