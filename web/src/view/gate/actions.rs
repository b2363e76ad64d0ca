use std::sync::Arc;

use leptos::prelude::*;
use portcullis_protocol::session::Choice;

use super::arming::ArmingSignal;
use super::{Answer, CHORD_HINT, ChordHint, Denial, Editor, Offers, only_by_chord, texts};
use crate::state::app::App;
use crate::state::arming::Allow;
use crate::state::ask::{Ask, Form};
use crate::state::command::Command;
use crate::view::shell::focus;

/// What the buttons are at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Choosing,
    Denying,
    Editing,
}

/// Deny, with a reason one keystroke away; edit; the agent's offers one by one; allow once. Nothing has the focus by
/// itself.
#[component]
pub(crate) fn Actions(ask: Arc<Ask>, arming: ArmingSignal, answers: RwSignal<Vec<Answer>>) -> impl IntoView {
    let app = App::here();
    let shown = StoredValue::new((ask.request_id.clone(), ask.digest.clone()));
    let decide = move |choice| {
        let (request_id, digest) = shown.get_value();
        app.send(Command::Decide { request_id, digest, choice });
    };
    let mode = RwSignal::new(Mode::Choosing);
    let back = Callback::new(move |()| mode.set(Mode::Choosing));
    let why_not = ask.denial_only.unwrap_or_default();
    let reason = move || if why_not.is_empty() { arming.allow().why_not() } else { why_not };
    let edit = StoredValue::new(ask.edit().map(Arc::new));
    let offers = StoredValue::new(ask.suggestions.clone());
    let choices = move || {
        let ask = Arc::clone(&ask);
        let on_grant = Callback::new(move |suggestion| decide(Choice::AllowWith { suggestion }));
        view! {
            <Choices ask arming answers mode editable=edit.with_value(Option::is_some)/>
            <Offers offers=offers.get_value() arming on_grant/>
        }
    };
    view! {
        <p class="card-blocked" hidden=move || reason().is_empty()>{reason}</p>
        {move || match (mode.get(), edit.get_value()) {
            (Mode::Denying, _) => {
                let on_deny = Callback::new(move |message| decide(Choice::Deny { message, interrupt: false }));
                view! { <Denial on_deny on_back=back/> }.into_any()
            }
            (Mode::Editing, Some(edit)) => {
                let on_allow = Callback::new(move |input| decide(Choice::AllowEdited { input }));
                view! { <Editor edit arming on_allow on_back=back/> }.into_any()
            }
            (Mode::Choosing | Mode::Editing, _) => choices().into_any(),
        }}
        <ChordHint/>
    }
}

/// The row of buttons everybody looks for.
#[component]
fn Choices(
    ask: Arc<Ask>,
    arming: ArmingSignal,
    answers: RwSignal<Vec<Answer>>,
    mode: RwSignal<Mode>,
    editable: bool,
) -> impl IntoView {
    let app = App::here();
    let allow = Memo::new(move |_| arming.allow());
    let label = match ask.form {
        Form::Permission | Form::Elicitation(_) | Form::Dialog => "Allow once",
        Form::Plan(_) => "Approve the plan",
        Form::Questions(_) => "Answer",
    };
    let complete = move || answers.with(|answers| answers.iter().all(Answer::is_given));
    let once = move |_| {
        if !arming.is_armed() || !complete() {
            return;
        }
        let choice = match &ask.form {
            Form::Permission | Form::Plan(_) | Form::Elicitation(_) | Form::Dialog => Choice::Allow,
            Form::Questions(all) => {
                Choice::Answer { input: ask.answered(&answers.with(|given| texts(all, given))) }
            }
        };
        let (request_id, digest) = (ask.request_id.clone(), ask.digest.clone());
        app.send(Command::Decide { request_id, digest, choice });
    };
    let go = move |to: Mode, field: &'static str| {
        mode.set(to);
        request_animation_frame(move || focus(field));
    };
    view! {
        <div class="buttons">
            <button class="button deny" data-testid="gate-deny"
                on:click=move |_| go(Mode::Denying, "[data-testid=gate-deny-reason]")>"Deny…"</button>
            <button class="button edit" data-testid="gate-edit" hidden=!editable
                on:click=move |_| go(Mode::Editing, "[data-testid=gate-edit-text]")>"Edit…"</button>
            <button class="button allow" data-testid="gate-allow" aria-describedby=CHORD_HINT
                on:keydown=move |event| only_by_chord(&event) on:keyup=move |event| only_by_chord(&event)
                disabled=move || allow.get() != Allow::Armed || !complete() on:click=once>{label}</button>
        </div>
    }
}
