use leptos::prelude::*;
use portcullis_protocol::session::Click;
use portcullis_protocol::wire::client::{PermissionState, Presence};

use crate::state::app::App;
use crate::state::ask::Form;
use crate::state::exact::literal;
use crate::state::session::AskEntry;

/// After the click: the server has it, the agent has it, the agent went on. Or why it came to nothing.
#[component]
pub(crate) fn Ticks(entry: Memo<Option<AskEntry>>) -> impl IntoView {
    let worker = App::here().session.worker;
    let reached = Memo::new(move |_| entry.with(|entry| entry.as_ref().map_or(0, step_of)));
    let name = move || match reached.get() {
        0 => None,
        1 => Some("accepted"),
        2 => Some("delivered"),
        _ => Some("settled"),
    };
    let said = move || {
        entry.with(|entry| {
            entry.as_ref().map(|entry| said(entry, worker.with(|worker| worker.state))).unwrap_or_default()
        })
    };
    let over = move || {
        entry.with(|entry| entry.as_ref().is_some_and(|entry| entry.state.is_final() && step_of(entry) == 0))
    };
    let shown = move || {
        entry.with(|entry| {
            entry
                .as_ref()
                .is_some_and(|entry| entry.state != PermissionState::Pending || entry.click != Click::None)
        })
    };
    let late = Memo::new(move |_| entry.with(|entry| entry.as_ref().is_some_and(|entry| entry.late)));
    let warning = move || late.get().then(|| lateness(worker.with(|worker| worker.state)));
    let step = move |number: u8, name: &'static str, words: &'static str| {
        let mark = move || if reached.get() < number { "no" } else { "yes" };
        view! {
            <li class="tick" data-tick=name data-reached=mark>
                <i class="mark" aria-hidden="true"></i>{words}
                <span class="unseen">{move || if reached.get() < number { ": not yet" } else { ": yes" }}</span>
            </li>
        }
    };
    view! {
        <div class="outcome" role="status" hidden=move || !shown()>
            <p class="outcome-said">{said}</p>
            <ol class="ticks" data-testid="gate-ticks" data-tick=name hidden=over>
                {step(1, "accepted", "accepted")}
                {step(2, "delivered", "delivered")}
                {step(3, "settled", "the agent went on")}
            </ol>
            <Show when=move || late.get()>
                <p class="late" data-testid="gate-late" role="alert">{warning}</p>
            </Show>
        </div>
    }
}

/// What keeps the second tick waiting, and what can be done.
fn lateness(worker: Presence) -> &'static str {
    match worker {
        Presence::Online => {
            "The agent has not got this yet, though its bridge is connected. It is delivered as soon as the bridge takes it. If this stays, look at that machine, or stop the agent."
        }
        Presence::Offline | Presence::Draining => {
            "The agent has not got this yet: its bridge is offline. The decision is kept and delivered when the bridge is back. If it does not come back, start it again on that machine."
        }
    }
}

fn step_of(entry: &AskEntry) -> u8 {
    match entry.state {
        PermissionState::Settled => 3,
        PermissionState::Delivered => 2,
        PermissionState::Decided => 1,
        PermissionState::Pending => u8::from(matches!(entry.click, Click::Accepted { .. })),
        PermissionState::Cancelled
        | PermissionState::Orphaned
        | PermissionState::Refused
        | PermissionState::Expired => 0,
    }
}

fn said(entry: &AskEntry, worker: Presence) -> String {
    let because = |text: &str, otherwise: &str| {
        format!("{text}: {}.", literal(entry.reason.as_deref().unwrap_or(otherwise).trim_end_matches('.')))
    };
    match (entry.state, &entry.click) {
        (PermissionState::Cancelled, _) => because("Too late, it did not run", "the agent withdrew it"),
        (PermissionState::Orphaned, _) => {
            because("Too late, it did not run", "the process that asked is gone")
        }
        (PermissionState::Refused, _) => because("It did not run", "the bridge refused the decision"),
        (PermissionState::Expired, _) => "Nobody decided in time. It did not run.".into(),
        (PermissionState::Pending, Click::Failed { message }) => literal(message),
        (PermissionState::Pending, Click::None) => String::new(),
        (PermissionState::Pending, Click::Sending { allow, slow: false }) => {
            format!("{}, sending.", verdict(entry, *allow))
        }
        (PermissionState::Pending, Click::Sending { allow, slow: true }) => {
            format!("{}, but the server has not answered yet.", verdict(entry, *allow))
        }
        (PermissionState::Pending | PermissionState::Decided, _) if worker == Presence::Offline => {
            format!("{}, not delivered yet: the machine is offline.", decided(entry))
        }
        (
            PermissionState::Pending
            | PermissionState::Decided
            | PermissionState::Delivered
            | PermissionState::Settled,
            _,
        ) => {
            format!("{}.", decided(entry))
        }
    }
}

fn decided(entry: &AskEntry) -> String {
    match (&entry.click, entry.behavior.as_deref(), &entry.decided_by) {
        (Click::Accepted { allow }, _, _) => verdict(entry, *allow).to_owned(),
        (_, Some(behavior), Some(by)) => {
            format!("{} by {}", verdict(entry, is_yes(behavior)), literal(by))
        }
        (_, Some(behavior), None) => verdict(entry, is_yes(behavior)).to_owned(),
        (_, None, _) => "Decided".to_owned(),
    }
}

fn verdict(entry: &AskEntry, allow: bool) -> &'static str {
    match (allow, &entry.ask.form) {
        (true, Form::Permission) => "Allowed",
        (true, Form::Questions(_)) => "Answered",
        (true, Form::Plan(_)) => "Approved",
        (true, Form::Elicitation(_)) => "Accepted",
        (true, Form::Dialog) => "Completed",
        (false, Form::Elicitation(_)) => "Declined",
        (false, Form::Dialog) => "Cancelled",
        (false, Form::Permission | Form::Questions(_) | Form::Plan(_)) => "Denied",
    }
}

fn is_yes(behavior: &str) -> bool {
    matches!(behavior, "allow" | "accept" | "completed")
}
