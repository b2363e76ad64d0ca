use leptos::prelude::*;
use portcullis_protocol::approval::base::MOVED_ON;
use portcullis_protocol::session::Click;
use portcullis_protocol::wire::client::{PermissionState, Presence};

use crate::state::ask::Form;
use crate::state::desk::{AskEntry, Desk};
use crate::state::exact::literal;
use crate::words::gate as words;

/// After the click: the server has it, the agent has it, the agent went on. Or why it came to nothing.
#[component]
pub(crate) fn Ticks(desk: Desk, entry: Memo<Option<AskEntry>>) -> impl IntoView {
    let worker = desk.worker;
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
    let step = move |number: u8, name: &'static str, label: &'static str| {
        let mark = move || if reached.get() < number { "no" } else { "yes" };
        view! {
            <li class="tick" data-tick=name data-reached=mark>
                <i class="mark" aria-hidden="true"></i>{label}
                <span class="unseen">{move || if reached.get() < number { words::not_yet() } else { words::done() }}</span>
            </li>
        }
    };
    view! {
        <div class="outcome" role="status" hidden=move || !shown()>
            <p class="outcome-said">{said}</p>
            <ol class="ticks" data-testid="gate-ticks" data-tick=name hidden=over>
                {step(1, "accepted", words::accepted())}
                {step(2, "delivered", words::delivered())}
                {step(3, "settled", words::went_on())}
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
        Presence::Online => words::late_online(),
        Presence::Offline | Presence::Draining => words::late_offline(),
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
    let reason =
        |otherwise: &str| literal(entry.reason.as_deref().unwrap_or(otherwise).trim_end_matches('.'));
    // Nothing was ever going to run where a question was taken back before anybody said yes.
    let allowed = matches!(entry.click, Click::Sending { allow: true, .. } | Click::Accepted { allow: true })
        || entry.behavior.as_deref().is_some_and(is_yes);
    match (entry.state, &entry.click) {
        (PermissionState::Cancelled, _) if allowed => {
            words::withdrawn_too_late(reason(words::agent_withdrew()))
        }
        (PermissionState::Cancelled, _) => match &entry.reason {
            Some(_) => words::withdrawn_because(reason("")),
            None => words::withdrawn().to_owned(),
        },
        (PermissionState::Orphaned, _) if allowed => words::withdrawn_too_late(reason(words::process_gone())),
        (PermissionState::Orphaned, _) => words::withdrawn_because(reason(words::process_gone())),
        (PermissionState::Refused, _) if moved_on(entry) => words::file_moved_on().to_owned(),
        (PermissionState::Refused, _) => words::did_not_run(reason(words::bridge_refused())),
        (PermissionState::Expired, _) => words::nobody_decided().into(),
        (PermissionState::Pending, Click::Failed { message }) => {
            words::machine(message).map_or_else(|| literal(message), str::to_owned)
        }
        (PermissionState::Pending, Click::None) => String::new(),
        (PermissionState::Pending, Click::Sending { allow, slow: false }) => {
            words::sending(verdict(entry, *allow))
        }
        (PermissionState::Pending, Click::Sending { allow, slow: true }) => {
            words::sending_slowly(verdict(entry, *allow))
        }
        (PermissionState::Pending | PermissionState::Decided, _) if worker == Presence::Offline => {
            words::not_delivered(decided(entry))
        }
        (
            PermissionState::Pending
            | PermissionState::Decided
            | PermissionState::Delivered
            | PermissionState::Settled,
            _,
        ) => words::sentence(decided(entry)),
    }
}

/// Whether the bridge refused it because the file is another one than was shown.
fn moved_on(entry: &AskEntry) -> bool {
    entry.reason.as_deref().is_some_and(|reason| reason.starts_with(MOVED_ON))
}

fn decided(entry: &AskEntry) -> String {
    match (&entry.click, entry.behavior.as_deref(), &entry.decided_by) {
        (Click::Accepted { allow }, _, _) => verdict(entry, *allow).to_owned(),
        (_, Some(behavior), Some(by)) => words::decided_by(verdict(entry, is_yes(behavior)), literal(by)),
        (_, Some(behavior), None) => verdict(entry, is_yes(behavior)).to_owned(),
        (_, None, _) => words::decided().to_owned(),
    }
}

fn verdict(entry: &AskEntry, allow: bool) -> &'static str {
    match (allow, &entry.ask.form) {
        (true, Form::Permission) => words::allowed(),
        (true, Form::Questions(_)) => words::answered(),
        (true, Form::Plan(_)) => words::approved(),
        (true, Form::Elicitation(_)) => words::was_accepted(),
        (true, Form::Dialog) => words::completed(),
        (false, Form::Elicitation(_)) => words::declined(),
        (false, Form::Dialog) => words::cancelled(),
        (false, Form::Permission | Form::Questions(_) | Form::Plan(_)) => words::denied(),
    }
}

fn is_yes(behavior: &str) -> bool {
    matches!(behavior, "allow" | "accept" | "completed")
}
