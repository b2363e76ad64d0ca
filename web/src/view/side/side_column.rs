use leptos::prelude::*;
use portcullis_protocol::role::Role;

use super::{Beside, SessionGroup, beside};
use crate::state::app::App;
use crate::state::command::Command;
use crate::state::groups::{self, Group};
use crate::state::route::Route;
use crate::view::shell::{CopyLine, LinkMark, PlaceLink};
use crate::words::{inbox, side as words};

const LISTED: [Group; 3] = [Group::Waiting, Group::Running, Group::Idle];

/// The left column; on phones the first screen.
#[component]
pub fn Side() -> impl IntoView {
    let app = App::here();
    let filter = RwSignal::new(String::new());
    let sessions = Memo::new(move |_| app.sessions());
    let loaded = move || app.lists.loaded.get();
    let none = move || loaded() && sessions.with(Vec::is_empty);
    let nothing_fits = move || {
        let machines = app.lists.environments.get();
        let fits = |group| {
            sessions
                .with(|all| filter.with(|filter| groups::members(all, &machines, group, filter).is_empty()))
        };
        !none() && loaded() && LISTED.into_iter().all(fits)
    };
    let waiting = move || sessions.with(|all| all.iter().map(|one| one.pending_count).sum::<u32>());
    let new = move |_| app.send(Command::Go(Route::New));
    view! {
        <nav class="side" aria-label=words::sessions()>
            <header class="side-head">
                <div class="brand"><span class="brand-mark" aria-hidden="true"></span>"Portcullis"</div>
                <button class="button" data-testid="new-session" on:click=new hidden=move || !app.may(Role::Operator)>
                    {words::new_session()}
                </button>
            </header>
            <PlaceLink route=Route::Inbox class="side-inbox" name="inbox-link">
                <span>{inbox::title()}</span>
                <span class="side-inbox-count" hidden=move || waiting() == 0>{waiting} <span class="unseen">{inbox::waiting()}</span></span>
            </PlaceLink>
            {beside(Beside::Newcomers)}
            <input class="field side-filter" type="search" data-testid="session-filter" aria-label=words::search()
                placeholder=words::search() prop:value=filter enterkeyhint="search"
                on:input:target=move |event| filter.set(event.target().value())
                on:keydown=move |event| if event.key() == "Escape" { filter.set(String::new()) }
                hidden=move || none() && !app.lists.archived.with(|list| list.loaded)/>
            <div class="side-list" data-testid="session-list">
                {LISTED.map(|group| view! { <SessionGroup group sessions filter/> }.into_any())}
                <p class="side-empty" hidden=move || !none()>{words::no_session()}</p>
                <p class="side-empty" role="status" hidden=move || !nothing_fits()>{words::nothing_found()}</p>
                <p class="side-empty" hidden=move || !app.lists.more.get()>{words::only_latest()}</p>
                {beside(Beside::Archived(filter))}
            </div>
            <section class="side-machines" aria-label=words::machines()>
                {beside(Beside::Machines)}
                <div class="side-empty" hidden=move || !loaded() || !app.lists.environments.with(Vec::is_empty)>
                    <p>{words::no_machine()}</p>
                    <CopyLine text="portcullis up"/>
                </div>
            </section>
            {beside(Beside::LogOut)}
            <footer class="side-foot">
                <LinkMark/>
                <PlaceLink route=Route::Settings class="link" name="settings">{words::settings()}</PlaceLink>
                <button class="link" data-testid="logout" on:click=move |_| app.send(Command::AskToLeave)>{words::log_out()}</button>
            </footer>
        </nav>
    }
    .into_any()
}
