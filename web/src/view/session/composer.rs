use leptos::prelude::*;
use portcullis_protocol::role::Role;
use portcullis_protocol::session::{LinkView, StopReason};
use portcullis_protocol::wire::client::Presence;
use portcullis_protocol::wire::worker::WorkStatus;

use super::{PromptField, use_draft};
use crate::state::app::App;
use crate::state::command::Command;
use crate::state::exact::literal;
use crate::state::pulse;
use crate::state::session::AskEntry;
use crate::text::words;
use crate::view::shell::wire;

/// What a person can say, and stop.
#[component]
pub fn Composer(draft: String) -> impl IntoView {
    let app = App::here();
    let text = use_draft(app, draft);
    let send = Callback::new(move |()| {
        app.session.following.set(true);
        let said = text.get_untracked();
        text.set(String::new());
        app.send(Command::Prompt(said));
    });
    let archived = move || app.session.link.get() == LinkView::Stopped(StopReason::Archived);
    let watches = move || app.session.role.get().is_some_and(|role| !role.covers(Role::Operator));
    view! {
        <div class="composer" hidden=move || archived() || watches()>
            <PromptField text on_send=send label="Message" rows=1 busy=false/>
        </div>
        <p class="composer-closed" hidden=move || !watches()>"This browser may watch. An owner can let it say something."</p>
        <Status/>
    }
}

/// Connection, bridge and agent in one quiet line, and the way to stop what runs.
#[component]
fn Status() -> impl IntoView {
    let app = App::here();
    let presence = Memo::new(move |_| app.session.worker.with(|worker| worker.state));
    let status = Memo::new(move |_| {
        app.session
            .worker
            .with(|worker| worker.worker_state.as_ref().map(|state| state.status).unwrap_or_default())
    });
    let asks = Memo::new(move |_| app.session.asks.with(|asks| asks.iter().any(AskEntry::waits)));
    let state = Memo::new(move |_| match (presence.get(), status.get()) {
        (Presence::Offline, _) => "offline",
        (Presence::Online | Presence::Draining, WorkStatus::Idle) => "idle",
        (Presence::Online | Presence::Draining, WorkStatus::RequiresAction) if asks.get() => "waiting",
        (Presence::Online | Presence::Draining, WorkStatus::Running | WorkStatus::RequiresAction) => {
            "running"
        }
    });
    let runs = move || matches!(state.get(), "running" | "waiting");
    let mode = move || {
        let reported = app.session.worker.with(|worker| worker.worker_state.clone()).unwrap_or_default();
        let facts = app.session.facts.get();
        let parts = [facts.permission_mode.or(reported.permission_mode), facts.model.or(reported.model)];
        parts.into_iter().flatten().map(|part| literal(&part)).collect::<Vec<_>>().join(" · ")
    };
    let cost = move || app.session.facts.with(|facts| facts.total_cost_usd).map(words::money);
    view! {
        <div class="status" data-status=state>
            <Pulse presence status asks/>
            <button class="button stop" data-testid="stop" hidden=move || !runs() on:click=move |_| app.send(Command::Interrupt)>
                "Stop"
            </button>
            <bdi class="status-mode">{mode}</bdi>
            <data class="status-cost">{cost}</data>
        </div>
    }
}

/// In words, so that no colour has to be known.
#[component]
fn Pulse(presence: Memo<Presence>, status: Memo<WorkStatus>, asks: Memo<bool>) -> impl IntoView {
    let app = App::here();
    let link = Memo::new(move |_| wire(app));
    let machine = Memo::new(move |_| {
        let current = app.current()?;
        app.environment(&current).map(|one| literal(&one.machine_name))
    });
    let bridge = Memo::new(move |_| {
        machine.with(|machine| pulse::bridge(link.get(), presence.get(), machine.as_deref()))
    });
    let agent = Memo::new(move |_| pulse::agent(link.get(), presence.get(), status.get(), asks.get()));
    view! {
        <span class="pulse" data-testid="pulse" role="status" aria-live="polite" data-link=move || link.get().name()>
            <i class="dot" aria-hidden="true"></i>
            <span>{move || link.get().words()}</span>
            <bdi class="pulse-part pulse-bridge" data-state=move || presence_name(presence.get()) hidden=move || bridge.with(String::is_empty)>{bridge}</bdi>
            <span class="pulse-part pulse-agent" hidden=move || agent.get().is_empty()>{agent}</span>
        </span>
    }
}

fn presence_name(presence: Presence) -> &'static str {
    match presence {
        Presence::Online => "online",
        Presence::Offline => "offline",
        Presence::Draining => "draining",
    }
}
