use leptos::prelude::*;
use portcullis_protocol::role::Role;
use portcullis_protocol::wire::decisions::DecisionEntry;

use crate::state::app::App;
use crate::state::command::Command;
use crate::state::deed::Deed;
use crate::state::exact::literal;
use crate::state::grant::{Force, Grant};
use crate::state::route::Route;
use crate::text::words::short_path;
use crate::view::shell::{PlaceLink, focus, moment, told};
use crate::words::settings as words;

/// What was granted beyond single calls, one literal rule after the other, and how each is taken back.
#[component]
pub(crate) fn Rules() -> impl IntoView {
    let app = App::here();
    let list = app.lists.grants;
    Effect::new(move |_| {
        if app.may(Role::Approver) {
            app.send(Command::Decisions { granted: true, more: false });
        }
    });
    let rules = move || {
        let rows = list.get().rows;
        let each = |entry: DecisionEntry| {
            let grants: Vec<Grant> = entry.granted.iter().map(Grant::read).collect();
            grants.into_iter().enumerate().map(move |(at, grant)| (entry.clone(), at, grant))
        };
        rows.into_iter().flat_map(each).collect::<Vec<_>>()
    };
    let none = move || list.with(|list| list.loaded && list.rows.is_empty());
    let older = move |_| app.send(Command::Decisions { granted: true, more: true });
    view! {
        <section aria-labelledby="set-rules">
            <h2 id="set-rules">{words::rules()}</h2>
            <p class="hint">{words::rules_why()}</p>
            <p class="hint" hidden=move || app.may(Role::Approver)>{words::approvers_only()}</p>
            <p class="hint" hidden=move || !none()>{words::no_rules()}</p>
            <ul class="cards" data-testid="rules">
                <For each=rules key=|(entry, at, grant)| (entry.id, *at, grant.force(entry).words())
                    children=|(entry, _, grant)| view! { <Rule entry grant/> }.into_any()/>
            </ul>
            <button class="link" hidden=move || !list.with(|list| list.more) on:click=older>{words::older()}</button>
        </section>
    }
    .into_any()
}

#[component]
fn Rule(entry: DecisionEntry, grant: Grant) -> impl IntoView {
    let app = App::here();
    let force = grant.force(&entry);
    let sure = RwSignal::new(false);
    let session = entry.session_id.clone();
    let stop = move |_| {
        sure.set(false);
        app.send(Command::Do(Deed::Stop(session.clone())));
    };
    let when = moment(entry.decided_at_ms.unwrap_or(entry.asked_at_ms));
    let place = format!(
        "{} · {} · {when}",
        short_path(&entry.directory),
        words::by_device(literal(&entry.decided_by))
    );
    let ask = move || {
        let stop = stop.clone();
        request_animation_frame(|| focus("[data-testid=rule-keep]"));
        view! {
            <div class="sure" role="alertdialog" aria-label=words::take_back()>
                <p>{words::take_back_how()}</p>
                <div class="buttons">
                    <button class="button" data-testid="rule-keep" on:click=move |_| sure.set(false)>{words::keep()}</button>
                    <button class="button deny" data-testid="rule-stop" on:click=stop>{words::take_back_yes()}</button>
                </div>
            </div>
        }
        .into_any()
    };
    let alive = force == Force::Living;
    view! {
        <li class="card-row" data-testid="rule" data-force=if alive { "living" } else { "other" }>
            <p class="card-name"><code>{grant.literal}</code></p>
            <p class="hint">
                <PlaceLink route=Route::Session(entry.session_id) class="quiet" name="rule-session">{told(&entry.session_title)}</PlaceLink>
                " · " {place}
            </p>
            <p class="hint rule-force">{force.words()}</p>
            <button class="button" data-testid="rule-take-back" hidden=!alive on:click=move |_| sure.set(true)>{words::take_back()}</button>
            {move || sure.get().then(ask.clone())}
        </li>
    }
    .into_any()
}
