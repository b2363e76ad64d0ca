use leptos::prelude::*;
use portcullis_protocol::id::SessionId;
use portcullis_protocol::role::Role;
use portcullis_protocol::wire::rest::SessionInfo;

use super::{Beside, beside_later};
use crate::state::app::{App, RowAct};
use crate::state::command::Command;
use crate::state::groups::Group;
use crate::state::route::Route;
use crate::text::words::{age, money, short_path};
use crate::view::shell::told;
use crate::words::side as words;

/// One session: title, place, age and cost, what waits, whether something is new, and what can be done to it.
#[component]
pub(crate) fn SessionRow(id: SessionId) -> impl IntoView {
    let app = App::here();
    let route = Route::Session(id.clone());
    let (path, here) = (route.path(), route.clone());
    let current = Memo::new(move |_| app.route.with(|route| *route == here));
    let own = id.clone();
    let info = Memo::new(move |_| app.info(&own));
    let read =
        move |of: fn(&SessionInfo) -> String| info.with(|info| info.as_ref().map(of).unwrap_or_default());
    let waiting = move || info.with(|info| info.as_ref().map_or(0, |info| info.pending_count));
    let group = move || info.with(|info| info.as_ref().map_or(Group::Idle, Group::of)).name();
    let is_new = Memo::new(move |_| {
        let news = |info: &SessionInfo| app.seen.with(|seen| seen.is_news(info));
        !current.get() && info.with(|info| info.as_ref().is_some_and(news))
    });
    let place = move || {
        let machine = info.with(|info| app.environment(info.as_ref()?)).map(|one| one.machine_name);
        let directory = read(|info| short_path(&info.directory));
        told(&machine.map_or_else(|| directory.clone(), |machine| format!("{machine} · {directory}")))
    };
    let facts = move || {
        info.with(|info| {
            let info = info.as_ref()?;
            let age = age(app.clock_ms.get(), info.updated_at);
            Some(match info.total_cost_usd.filter(|usd| *usd > 0.0) {
                Some(usd) => format!("{} · {age}", money(usd)),
                None => age,
            })
        })
    };
    let open = move |event: leptos::ev::MouseEvent| {
        if !(event.ctrl_key() || event.meta_key() || event.shift_key()) {
            event.prevent_default();
            app.send(Command::Go(route.clone()));
        }
    };
    let name = StoredValue::new(id.clone());
    let act = Memo::new(move |_| app.row.with(|row| row.clone().filter(|(id, _)| *id == name.get_value())));
    let toggle = move |_| {
        let next = act.get_untracked().is_none().then(|| (name.get_value(), RowAct::Menu));
        app.row.set(next);
    };
    view! {
        <li class="row-line">
            <a class="row" href=path data-testid="session-row" data-session-id=id.to_string() on:click=open
                aria-current=move || current.get().then_some("page") data-group=group
                data-new=move || if is_new.get() { "yes" } else { "no" }>
                <span class="row-title">{move || told(&read(title))}</span>
                <span class="row-count" hidden=move || waiting() == 0>{waiting} <span class="unseen">" "{words::waits_here()}</span></span>
                <i class="row-new" role="img" aria-label=words::unread() hidden=move || !is_new.get() || waiting() != 0></i>
                <span class="row-place">{place}</span>
                <span class="row-age">{facts}</span>
            </a>
            <button class="icon row-more" data-testid="row-more" aria-label=move || words::actions(read(title))
                aria-expanded=move || act.get().is_some().to_string() hidden=move || !app.may(Role::Operator)
                on:click=toggle>"⋯"</button>
            {move || act.get().map(|(_, act)| beside_later::view_or_word(Beside::Acts(info, act)))}
        </li>
    }
    .into_any()
}

fn title(info: &SessionInfo) -> String {
    if info.title.trim().is_empty() { words::untitled().into() } else { info.title.clone() }
}
