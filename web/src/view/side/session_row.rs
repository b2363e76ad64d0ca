use leptos::prelude::*;
use portcullis_protocol::id::SessionId;
use portcullis_protocol::wire::rest::SessionInfo;

use crate::state::app::App;
use crate::state::command::Command;
use crate::state::groups::Group;
use crate::state::route::Route;
use crate::text::words;
use crate::view::shell::told;

/// One session: title, place, age, and a count if something waits.
#[component]
pub(crate) fn SessionRow(id: SessionId) -> impl IntoView {
    let app = App::here();
    let route = Route::Session(id.clone());
    let (path, here) = (route.path(), route.clone());
    let current = Memo::new(move |_| app.route.get() == here);
    let own = id.clone();
    let info =
        Memo::new(move |_| app.lists.sessions.with(|all| all.iter().find(|one| one.id == own).cloned()));
    let read =
        move |of: fn(&SessionInfo) -> String| info.with(|info| info.as_ref().map(of).unwrap_or_default());
    let waiting = move || info.with(|info| info.as_ref().map_or(0, |info| info.pending_count));
    let age =
        move || info.with(|info| info.as_ref().map(|info| words::age(app.clock_ms.get(), info.updated_at)));
    let open = move |event: leptos::ev::MouseEvent| {
        if !(event.ctrl_key() || event.meta_key() || event.shift_key()) {
            event.prevent_default();
            app.send(Command::Go(route.clone()));
        }
    };
    view! {
        <li>
            <a class="row" href=path data-testid="session-row" data-session-id=id.to_string() on:click=open
                aria-current=move || current.get().then_some("page")
                data-group=move || info.with(|info| info.as_ref().map_or("idle", |info| Group::of(info).name()))>
                <span class="row-title">{move || told(&read(title))}</span>
                <span class="row-count" hidden=move || waiting() == 0>{waiting} <span class="unseen">" waiting for you"</span></span>
                <span class="row-place">{move || told(&read(|info| words::short_path(&info.directory)))}</span>
                <time class="row-age">{age}</time>
            </a>
        </li>
    }
}

fn title(info: &SessionInfo) -> String {
    if info.title.trim().is_empty() { "Untitled".into() } else { info.title.clone() }
}
