use std::sync::Arc;

use leptos::prelude::*;
use portcullis_protocol::role::Role;
use portcullis_protocol::session::Choice;

use super::arming::{ArmingSignal, why_not};
use super::{Answer, CHORD_HINT, ChordHint, Denial, Editor, Offers, Options, only_by_chord, texts};
use crate::state::app::App;
use crate::state::arming::Allow;
use crate::state::ask::{Ask, Form};
use crate::state::command::Command;
use crate::state::desk::Desk;
use crate::view::shell::focus;
use crate::words::gate as words;

/// What the buttons are at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Choosing,
    Denying,
    Editing,
}

/// Answers one request, and with it those that are just the same, if a person wants that.
#[derive(Clone, Copy)]
pub(crate) struct Hand {
    desk: Desk,
    shown: StoredValue<Arc<Ask>>,
    with_alike: RwSignal<bool>,
}

impl Hand {
    pub(super) fn new(desk: Desk, ask: &Arc<Ask>) -> Self {
        Self { desk, shown: StoredValue::new(Arc::clone(ask)), with_alike: RwSignal::new(false) }
    }

    /// The requests that are just the same and wait too.
    fn alike(self) -> Vec<Arc<Ask>> {
        let shown = self.shown.get_value();
        self.desk.asks.with(|asks| {
            let others =
                asks.iter().filter(|entry| entry.waits() && entry.ask.request_id != shown.request_id);
            others.filter(|entry| entry.ask.is_like(&shown)).map(|entry| Arc::clone(&entry.ask)).collect()
        })
    }

    /// What this device may do, as far as it is known.
    pub(super) fn role(self) -> Option<Role> {
        self.desk.role.get_untracked().or(App::here().role.get_untracked())
    }

    /// Each decision names the digest of its own request.
    pub(super) fn decide(self, choice: Choice) {
        let app = App::here();
        let alike = if self.with_alike.get_untracked() { untrack(|| self.alike()) } else { Vec::new() };
        for ask in std::iter::once(self.shown.get_value()).chain(alike) {
            app.send(Command::Decide {
                session: self.desk.session.get_untracked(),
                request_id: ask.request_id.clone(),
                digest: ask.digest.clone(),
                choice: choice.clone(),
            });
        }
    }
}

/// Deny, with a reason one keystroke away; edit; the agent's offers one by one; allow once. Nothing has the focus by
/// itself.
#[component]
pub(crate) fn Actions(
    desk: Desk,
    ask: Arc<Ask>,
    arming: ArmingSignal,
    answers: RwSignal<Vec<Answer>>,
) -> impl IntoView {
    let hand = Hand::new(desk, &ask);
    let mode = RwSignal::new(Mode::Choosing);
    let back = Callback::new(move |()| mode.set(Mode::Choosing));
    let denial_only = ask.denial_only;
    let reason = move || denial_only.unwrap_or_else(|| why_not(arming.allow()));
    let edit = StoredValue::new(ask.edit().map(Arc::new));
    let offers = StoredValue::new(ask.suggestions.clone());
    let alike = Memo::new(move |_| hand.alike().len());
    let choices = move || {
        let ask = Arc::clone(&ask);
        let on_grant = Callback::new(move |suggestion| hand.decide(Choice::AllowWith { suggestion }));
        view! {
            <label class="alike" data-testid="gate-alike" hidden=move || alike.get() == 0>
                <input type="checkbox" prop:checked=hand.with_alike
                    on:change:target=move |event| hand.with_alike.set(event.target().checked())/>
                <span>{move || words::alike(alike.get())}</span>
            </label>
            {(!ask.options.is_empty()).then(|| view! { <Options ask=Arc::clone(&ask) hand arming/> })}
            <Choices ask hand arming answers mode editable=edit.with_value(Option::is_some)/>
            <Offers offers=offers.get_value() arming on_grant/>
        }
    };
    view! {
        <p class="card-blocked" hidden=move || reason().is_empty()>{reason}</p>
        {move || match (mode.get(), edit.get_value()) {
            (Mode::Denying, _) => {
                let on_deny =
                    Callback::new(move |message| hand.decide(Choice::Deny { message, interrupt: false }));
                view! { <Denial on_deny on_back=back/> }.into_any()
            }
            (Mode::Editing, Some(edit)) => {
                let on_allow = Callback::new(move |input| hand.decide(Choice::AllowEdited { input }));
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
    hand: Hand,
    arming: ArmingSignal,
    answers: RwSignal<Vec<Answer>>,
    mode: RwSignal<Mode>,
    editable: bool,
) -> impl IntoView {
    let allow = Memo::new(move |_| arming.allow());
    let label = match ask.form {
        Form::Permission | Form::Elicitation(_) | Form::Dialog => words::allow_once(),
        Form::Plan(_) => words::approve_the_plan(),
        Form::Questions(_) => words::answer(),
    };
    let has_options = !ask.options.is_empty();
    let complete = move || answers.with(|answers| answers.iter().all(Answer::is_given));
    let once = move |_| {
        if !arming.is_armed() || !complete() {
            return;
        }
        hand.decide(match &ask.form {
            Form::Permission | Form::Plan(_) | Form::Elicitation(_) | Form::Dialog => Choice::Allow,
            Form::Questions(all) => {
                Choice::Answer { input: ask.answered(&answers.with(|given| texts(all, given))) }
            }
        });
    };
    let go = move |to: Mode, field: &'static str| {
        mode.set(to);
        request_animation_frame(move || focus(field));
    };
    view! {
        <div class="buttons">
            <button class="button deny" data-testid="gate-deny"
                on:click=move |_| go(Mode::Denying, "[data-testid=gate-deny-reason]")>{words::deny_more()}</button>
            <button class="button edit" data-testid="gate-edit" hidden=!editable
                on:click=move |_| go(Mode::Editing, "[data-testid=gate-edit-text]")>{words::edit_more()}</button>
            <button class="button allow" data-testid="gate-allow" aria-describedby=CHORD_HINT hidden=has_options
                on:keydown=move |event| only_by_chord(&event) on:keyup=move |event| only_by_chord(&event)
                disabled=move || allow.get() != Allow::Armed || !complete() on:click=once>{label}</button>
        </div>
    }
}
