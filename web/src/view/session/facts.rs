use leptos::prelude::*;
use portcullis_protocol::wire::client::Presence;

use crate::state::app::App;
use crate::state::pulse::Wire;
use crate::text::words;
use crate::view::shell::{told, wire};

/// While nothing waits: where the session runs, with what, and what it cost.
#[component]
pub(crate) fn Facts() -> impl IntoView {
    let app = App::here();
    let rows = Memo::new(move |_| rows(app));
    view! {
        <section class="facts" aria-label="About this session">
            <p class="facts-calm">"Nothing waits for you here."</p>
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
        _ if wire(app) != Wire::Online => "not known while this page is not connected",
        Presence::Online => "attached",
        Presence::Offline => "offline: what you send is kept until it is back",
        Presence::Draining => "about to leave",
    };
    let share =
        |used: u64, window: u64| format!("{used} tokens, {} %", used.saturating_mul(100) / window.max(1));
    let context = facts.input_tokens.zip(facts.context_window).map(|(used, window)| share(used, window));
    let cost =
        facts.total_cost_usd.or(state.total_cost_usd).or(info.as_ref().and_then(|info| info.total_cost_usd));
    let directory = facts.directory.or(state.directory).or(info.as_ref().map(|info| info.directory.clone()));
    let all = [
        ("Machine", environment.map(|one| one.machine_name)),
        ("Worker", Some(presence.to_owned())),
        ("Directory", directory.filter(|path| !path.is_empty())),
        ("Agent", state.agent.or(info.and_then(|info| info.agent))),
        ("Model", facts.model.or(state.model)),
        ("Mode", facts.permission_mode.or(state.permission_mode)),
        ("Context", context),
        ("Cost", cost.map(words::money)),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}
