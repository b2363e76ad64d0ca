use std::sync::Arc;

use leptos::prelude::*;
use portcullis_protocol::session::Choice;
use web_sys::KeyboardEvent;

use super::card::ArmingSignal;
use super::{Answer, texts};
use crate::state::app::App;
use crate::state::arming::Allow;
use crate::state::ask::{Ask, Form};
use crate::state::command::Command;
use crate::view::shell::focus;

/// Deny, with a reason one keystroke away; the agent's offers one by one; allow once. Nothing has the focus by itself.
#[component]
pub(crate) fn Actions(ask: Arc<Ask>, arming: ArmingSignal, answers: RwSignal<Vec<Answer>>) -> impl IntoView {
    let app = App::here();
    let id = StoredValue::new(ask.request_id.clone());
    let decide = move |choice| app.send(Command::Decide { request_id: id.get_value(), choice });
    let allow = Memo::new(move |_| arming.allow());
    let denying = RwSignal::new(false);
    let open = move |_| {
        denying.set(true);
        request_animation_frame(|| focus("[data-testid=gate-deny-reason]"));
    };
    let why_not = ask.denial_only.unwrap_or_default();
    let reason = move || if why_not.is_empty() { allow.get().why_not() } else { why_not };
    let offers = ask.suggestions.iter().enumerate().map(|(index, offer)| {
        let grant = move |_| {
            if arming.is_armed() {
                decide(Choice::AllowWith { suggestion: index });
            }
        };
        view! {
            <button class="button offer" data-testid="gate-offer" disabled=move || allow.get() != Allow::Armed on:click=grant>
                "Allow, and " <code>{offer.literal.clone()}</code>
            </button>
        }
    });
    let offers = offers.collect_view();
    let label = match ask.form {
        Form::Permission => "Allow once",
        Form::Plan(_) => "Approve the plan",
        Form::Questions(_) => "Answer",
    };
    let complete = move || answers.with(|answers| answers.iter().all(Answer::is_given));
    let empty = ask.suggestions.is_empty();
    let once = move |_| {
        if arming.is_armed() && complete() {
            decide(match &ask.form {
                Form::Permission | Form::Plan(_) => Choice::Allow,
                Form::Questions(all) => Choice::Answer { input: ask.answered(&answers.with(|given| texts(all, given))) },
            });
        }
    };
    view! {
        <p class="card-blocked" hidden=move || reason().is_empty()>{reason}</p>
        <Denial denying on_deny=Callback::new(move |message| decide(Choice::Deny { message, interrupt: false }))/>
        <div class="buttons" hidden=move || denying.get()>
            <button class="button deny" data-testid="gate-deny" on:click=open>"Deny…"</button>
            <button class="button allow" data-testid="gate-allow"
                disabled=move || allow.get() != Allow::Armed || !complete() on:click=once>
                {label}
            </button>
        </div>
        <div class="offers" hidden=move || denying.get() || empty>{offers}</div>
    }
}

/// The reason is optional, and becomes what the agent reads.
#[component]
fn Denial(denying: RwSignal<bool>, on_deny: Callback<String>) -> impl IntoView {
    let reason = RwSignal::new(String::new());
    let send = move || on_deny.run(reason.get_untracked().trim().to_owned());
    let on_key = move |event: KeyboardEvent| match event.key().as_str() {
        "Enter" if !event.shift_key() && !event.is_composing() => {
            event.prevent_default();
            send();
        }
        "Escape" => {
            event.prevent_default();
            denying.set(false);
        }
        _ => {}
    };
    view! {
        <div class="denial" hidden=move || !denying.get()>
            <textarea class="field" data-testid="gate-deny-reason" rows="2" aria-label="Reason for the agent"
                placeholder="Reason for the agent, if you like" prop:value=reason
                on:input:target=move |event| reason.set(event.target().value()) on:keydown=on_key></textarea>
            <div class="buttons">
                <button class="button" on:click=move |_| denying.set(false)>"Back"</button>
                <button class="button deny" data-testid="gate-deny-send" on:click=move |_| send()>"Deny"</button>
            </div>
        </div>
    }
}
