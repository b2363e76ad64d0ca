//! What an agent's server asks a person, and a dialog of the agent: labelled fields, and an answer of its own kind.

use std::sync::Arc;

use leptos::prelude::*;
use portcullis_protocol::approval::form::{Elicitation, FieldKind, FormField};
use portcullis_protocol::session::Choice;

use super::actions::Hand;
use super::arming::{ArmingSignal, why_not};
use super::{CHORD_HINT, ChordHint, only_by_chord};
use crate::state::arming::Allow;
use crate::state::ask::Ask;
use crate::state::desk::Desk;
use crate::state::elicit;
use crate::state::exact::literal;
use crate::text::links::{self, Link};
use crate::words::gate as words;

/// The form of an elicitation, or the address it wants opened, and Accept or Decline.
#[component]
pub(crate) fn ElicitForm(
    desk: Desk,
    ask: Arc<Ask>,
    form: Arc<Elicitation>,
    arming: ArmingSignal,
) -> impl IntoView {
    let typed = RwSignal::new(vec![String::new(); form.fields.len()]);
    let page = form.url.clone().map(|url| view! { <PageView url/> });
    let fields = form.fields.clone().into_iter().enumerate();
    let fields = fields.map(|(at, field)| view! { <FieldView at field typed/> }).collect_view();
    let accept = Signal::derive(move || {
        typed.with(|typed| elicit::content(&form, typed)).map(|content| Choice::Accept { content })
    });
    view! {
        <div class="questions">{page}{fields}</div>
        <Answers desk ask arming accept yes=words::accept() no=words::decline()/>
    }
}

/// A dialog this client cannot draw: its result is JSON, or there is none.
#[component]
pub(crate) fn DialogForm(desk: Desk, ask: Arc<Ask>, arming: ArmingSignal) -> impl IntoView {
    let typed = RwSignal::new(String::new());
    let accept = Signal::derive(move || {
        typed.with(|typed| elicit::result(typed)).map(|result| Choice::Complete { result })
    });
    let blank_or_fit = move || typed.with(|typed| typed.trim().is_empty()) || accept.get().is_some();
    view! {
        <div class="questions">
            <label class="question">
                <span>{words::result_as_json()}</span>
                <textarea class="field code-field" data-testid="elicit-field" rows="3" spellcheck="false" autocapitalize="off"
                    prop:value=typed on:input:target=move |event| typed.set(event.target().value())></textarea>
                <small hidden=blank_or_fit>{words::no_json()}</small>
            </label>
        </div>
        <Answers desk ask arming accept yes=words::complete() no=words::cancel()/>
    }
}

/// Yes, armed like every allow, and no.
#[component]
fn Answers(
    desk: Desk,
    ask: Arc<Ask>,
    arming: ArmingSignal,
    accept: Signal<Option<Choice>>,
    yes: &'static str,
    no: &'static str,
) -> impl IntoView {
    let hand = Hand::new(desk, &ask);
    let denial_only = ask.denial_only;
    let reason = move || denial_only.unwrap_or_else(|| why_not(arming.allow()));
    let allow = Memo::new(move |_| arming.allow());
    let on_accept = move |_| {
        if let (true, Some(choice)) = (arming.is_armed(), accept.get_untracked()) {
            hand.decide(choice);
        }
    };
    let on_decline = move |_| hand.decide(Choice::Deny { message: String::new(), interrupt: false });
    view! {
        <p class="card-blocked" hidden=move || reason().is_empty()>{reason}</p>
        <div class="buttons">
            <button class="button deny" data-testid="gate-decline" on:click=on_decline>{no}</button>
            <button class="button allow" data-testid="gate-accept" aria-describedby=CHORD_HINT
                on:keydown=move |event| only_by_chord(&event) on:keyup=move |event| only_by_chord(&event)
                disabled=move || allow.get() != Allow::Armed || accept.get().is_none() on:click=on_accept>{yes}</button>
        </div>
        <ChordHint/>
    }
}

/// The address word for word. It opens only when a person follows it, and only where it leads where it says.
#[component]
fn PageView(url: String) -> impl IntoView {
    let shown = literal(&url);
    let link = match links::judge(&url, &url) {
        Link::Safe { href, .. } => view! {
            <a href=href target="_blank" rel="noopener noreferrer nofollow">{shown}</a>
        }
        .into_any(),
        Link::Asks { .. } | Link::Text { .. } => view! { <code>{shown}</code> }.into_any(),
    };
    view! { <p class="elicit-page" data-testid="elicit-url">{words::wants_you_to_open()}<bdi>{link}</bdi></p> }
}

/// One field with its label, in the words of the server that asks.
#[component]
fn FieldView(at: usize, field: FormField, typed: RwSignal<Vec<String>>) -> impl IntoView {
    let value = move || typed.with(|typed| typed.get(at).cloned().unwrap_or_default());
    let change = move |text: String| {
        typed.update(|typed| typed.get_mut(at).into_iter().for_each(|one| one.clone_from(&text)))
    };
    let label = match &field.title {
        Some(title) => format!("{} ({})", literal(title), literal(&field.name)),
        None => literal(&field.name),
    };
    let about = field.description.as_deref().map(literal).unwrap_or_default();
    let required = field.required.then(|| view! { <b class="elicit-required">{words::required()}</b> });
    let input = match &field.kind {
        FieldKind::Choice(all) => options(all.clone(), change),
        FieldKind::Boolean => options(vec!["true".into(), "false".into()], change),
        FieldKind::Json => view! {
            <textarea class="field code-field" data-testid="elicit-field" rows="2" spellcheck="false" autocapitalize="off"
                placeholder="JSON" prop:value=value on:input:target=move |event| change(event.target().value())></textarea>
        }
        .into_any(),
        FieldKind::Text | FieldKind::Number | FieldKind::Integer => view! {
            <input class="field" data-testid="elicit-field" type="text" autocomplete="off" prop:value=value
                on:input:target=move |event| change(event.target().value())/>
        }
        .into_any(),
    };
    let wrong = move || {
        let unfit = typed.with(|typed| elicit::unfit(&field, typed.get(at).map_or("", String::as_str)));
        unfit.filter(|unfit| *unfit != elicit::Unfit::Missing).map(|unfit| unfit.to_string())
    };
    view! {
        <label class="question">
            <span>{label}{required}</span>
            <small hidden=about.is_empty()>{about.clone()}</small>
            {input}
            <small role="status">{wrong}</small>
        </label>
    }
}

fn options(all: Vec<String>, change: impl Fn(String) + 'static) -> AnyView {
    let options = all.into_iter().map(|one| view! { <option value=one.clone()>{literal(&one)}</option> });
    view! {
        <select class="field" data-testid="elicit-field" on:change:target=move |event| change(event.target().value())>
            <option value="">{words::not_answered()}</option>
            {options.collect_view()}
        </select>
    }
    .into_any()
}
