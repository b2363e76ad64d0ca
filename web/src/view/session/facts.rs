use leptos::prelude::*;
use portcullis_protocol::wire::client::Presence;

use crate::state::app::App;
use crate::state::pulse::Wire;
use crate::text::words;
use crate::view::shell::{told, wire};
use crate::words::session as said;

/// While nothing waits: where the session runs, with what, and what it cost.
#[component]
pub(crate) fn Facts() -> impl IntoView {
    let app = App::here();
    let rows = Memo::new(move |_| rows(app));
    view! {
        <section class="facts" aria-label=said::about()>
            <p class="facts-calm">{said::nothing_waits()}</p>
            <dl>
                <For each=move || rows.get() key=Clone::clone children=|(name, value)| {
                    view! { <div class="fact"><dt>{name}</dt><dd>{told(&value)}</dd></div> }
                }/>
            </dl>
        </section>
    }
}

fn rows(app: App) -> Vec<(&'static str, String)> {
    let (facts, worker, info) = (app.session.facts.get(), app.session.worker.get(), app.current());
    let state = worker.worker_state.unwrap_or_default();
    let environment = info.as_ref().and_then(|info| app.environment(info));
    let presence = match worker.state {
        _ if wire(app) != Wire::Online => said::worker_unknown(),
        Presence::Online => said::worker_attached(),
        Presence::Offline => said::worker_offline(),
        Presence::Draining => said::worker_leaving(),
    };
    let share = |used: u64, window: u64| {
        said::context_share(words::short_number(used), used.saturating_mul(100) / window.max(1))
    };
    let context = facts.input_tokens.zip(facts.context_window).map(|(used, window)| share(used, window));
    // The bridge counts on over every process of the session; an agent begins anew.
    let cost =
        state.total_cost_usd.or(facts.total_cost_usd).or(info.as_ref().and_then(|info| info.total_cost_usd));
    let directory = facts.directory.or(state.directory).or(info.as_ref().map(|info| info.directory.clone()));
    let all = [
        (said::machine(), environment.map(|one| one.machine_name)),
        (said::worker(), Some(presence.to_owned())),
        (said::directory(), directory.filter(|path| !path.is_empty())),
        (said::agent_name(), state.agent.or(info.and_then(|info| info.agent))),
        (said::model(), facts.model.or(state.model)),
        (said::mode(), facts.permission_mode.or(state.permission_mode)),
        (said::context(), context),
        (said::cost(), cost.map(words::money)),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}
