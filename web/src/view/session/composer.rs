use leptos::prelude::*;
use portcullis_protocol::role::Role;
use portcullis_protocol::session::{LinkView, StopReason};
use portcullis_protocol::wire::client::Presence;
use portcullis_protocol::wire::worker::WorkStatus;

use super::PromptField;
use crate::state::app::App;
use crate::state::command::Command;
use crate::state::exact::literal;
use crate::text::words;
use crate::view::shell::{keep_draft, kept_draft};

/// What a person can say, and stop.
#[component]
pub fn Composer(draft: String) -> impl IntoView {
    let app = App::here();
    let text = RwSignal::new(kept_draft(&draft));
    Effect::new(move |_| text.with(|text| keep_draft(&draft, text)));
    let send = Callback::new(move |()| {
        app.session.following.set(true);
        app.send(Command::Prompt(text.get_untracked()));
        text.set(String::new());
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

/// What runs, quietly, and the way to stop it.
#[component]
fn Status() -> impl IntoView {
    let app = App::here();
    let status = Memo::new(move |_| {
        app.session.worker.with(|worker| match worker.state {
            Presence::Offline => None,
            Presence::Online | Presence::Draining => {
                Some(worker.worker_state.as_ref().map(|state| state.status).unwrap_or_default())
            }
        })
    });
    let said = move || match status.get() {
        None => "Machine offline",
        Some(WorkStatus::Idle) => "",
        Some(WorkStatus::Running) => "Working",
        Some(WorkStatus::RequiresAction) => "Waiting for you",
    };
    let runs = move || matches!(status.get(), Some(WorkStatus::Running | WorkStatus::RequiresAction));
    let mode = move || {
        let reported = app.session.worker.with(|worker| worker.worker_state.clone()).unwrap_or_default();
        let facts = app.session.facts.get();
        let parts = [facts.permission_mode.or(reported.permission_mode), facts.model.or(reported.model)];
        parts.into_iter().flatten().map(|part| literal(&part)).collect::<Vec<_>>().join(" · ")
    };
    let cost = move || app.session.facts.with(|facts| facts.total_cost_usd).map(words::money);
    view! {
        <p class="status" data-status=move || match status.get() {
            None => "offline",
            Some(WorkStatus::Idle) => "idle",
            Some(WorkStatus::Running) => "running",
            Some(WorkStatus::RequiresAction) => "waiting",
        }>
            <i class="dot" aria-hidden="true" hidden=move || said().is_empty()></i>
            <span class="status-said" role="status">{said}</span>
            <button class="button stop" data-testid="stop" hidden=move || !runs() on:click=move |_| app.send(Command::Interrupt)>
                "Stop"
            </button>
            <bdi class="status-mode">{mode}</bdi>
            <data class="status-cost">{cost}</data>
        </p>
    }
}
