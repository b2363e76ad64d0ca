use std::sync::Arc;

use leptos::html::Div;
use leptos::prelude::*;
use portcullis_protocol::approval::BaseFile;
use portcullis_protocol::wire::client::Presence;

use super::arming::{ArmingSignal, use_arming};
use super::{Actions, Answer, DialogForm, ElicitForm, ExactView, PlanForm, QuestionForm, Ticks, ToldView};
use crate::state::app::App;
use crate::state::ask::{Ask, Form};
use crate::state::desk::{AskEntry, Desk};
use crate::state::pulse::Wire;
use crate::text::words as numbers;
use crate::view::shell::{told, watch_size};
use crate::words::gate as words;

/// One request, from "what" to the buttons. Once it is answered only the ticks are left.
#[component]
pub(crate) fn Card(desk: Desk, ask: Arc<Ask>) -> impl IntoView {
    let app = App::here();
    let id = ask.request_id.clone();
    let entry = Memo::new(move |_| {
        desk.asks.with(|asks| asks.iter().find(|entry| entry.ask.request_id == id).cloned())
    });
    let waits = Memo::new(move |_| entry.with(|entry| entry.as_ref().is_some_and(AskEntry::waits)));
    let arming = use_arming(&ask, desk);
    let body = NodeRef::<Div>::new();
    Effect::new(move |_| {
        if let Some(body) = body.get() {
            watch_size(&body, move || arming.moved());
        }
    });
    let asked = Arc::clone(&ask);
    view! {
        <div class="card" node_ref=body tabindex="-1">
            <h3 class="card-what"><ToldView told=ask.what.clone() arming/></h3>
            <p class="card-where">{where_line(app, desk, &ask)}</p>
            {move || waits.get().then(|| view! { <Open desk ask=Arc::clone(&asked) arming/> })}
            <Ticks desk entry/>
        </div>
    }
}

/// What is shown and asked while it waits.
#[component]
fn Open(desk: Desk, ask: Arc<Ask>, arming: ArmingSignal) -> impl IntoView {
    let answers = RwSignal::new(match &ask.form {
        Form::Questions(questions) => vec![Answer::default(); questions.len()],
        Form::Permission | Form::Plan(_) | Form::Elicitation(_) | Form::Dialog => Vec::new(),
    });
    // Answers are seen in their form, the text behind it only where it is long.
    let required = ask.needs_reading || !matches!(ask.form, Form::Questions(_));
    let exact = view! { <ExactView ask=Arc::clone(&ask) required arming/> };
    let shown = match &ask.form {
        Form::Permission | Form::Elicitation(_) | Form::Dialog => exact.into_any(),
        Form::Plan(plan) => view! { <PlanForm plan=plan.clone() arming/>{exact} }.into_any(),
        Form::Questions(questions) => view! {
            <QuestionForm questions=questions.clone() answers/>
            <details class="as-asked" open=ask.needs_reading><summary>{words::exactly_as_asked()}</summary>{exact}</details>
        }
        .into_any(),
    };
    let hints = ask.hints.iter().map(|hint| view! { <li><ToldView told=hint.clone() arming/></li> });
    let hints = hints.collect_view();
    let remark = ask.remark.clone().map(|remark| {
        view! { <p class="card-remark"><span>{words::the_agent_says()}</span><ToldView told=remark arming/></p> }
    });
    let actions = match &ask.form {
        Form::Permission | Form::Plan(_) | Form::Questions(_) => {
            view! { <Actions desk ask=Arc::clone(&ask) arming answers/> }.into_any()
        }
        Form::Elicitation(form) => {
            view! { <ElicitForm desk ask=Arc::clone(&ask) form=Arc::clone(form) arming/> }.into_any()
        }
        Form::Dialog => view! { <DialogForm desk ask=Arc::clone(&ask) arming/> }.into_any(),
    };
    view! {
        <Away desk/>
        {shown}
        {remark}
        <ul class="card-hints" hidden=ask.hints.is_empty()>{hints}</ul>
        {actions}
    }
}

/// Said before the click: who will not hear of it at once.
#[component]
fn Away(desk: Desk) -> impl IntoView {
    let app = App::here();
    let said = Memo::new(move |_| {
        let presence = desk.worker.with(|worker| worker.state);
        away(Wire::of(desk.link.get(), app.network.get()), presence)
    });
    view! { <p class="card-away" data-testid="gate-offline" role="status" hidden=move || said.get().is_empty()>{said}</p> }
}

fn away(wire: Wire, bridge: Presence) -> &'static str {
    match (wire, bridge) {
        (Wire::Waiting | Wire::Offline | Wire::Stopped, _) => words::page_is_away(),
        (Wire::Online | Wire::Connecting, Presence::Offline) => words::bridge_is_away(),
        (Wire::Online | Wire::Connecting, Presence::Online | Presence::Draining) => "",
    }
}

/// Where and who, from the server's record.
fn where_line(app: App, desk: Desk, ask: &Ask) -> impl Fn() -> AnyView + Send + Sync + use<> {
    let (sub_agent, asked_at_ms, tool) = (ask.sub_agent.clone(), ask.asked_at_ms, ask.tool.clone());
    let file = ask.base_file.as_ref().map(file_line);
    move || {
        let info = desk.session.get().and_then(|id| app.info(&id));
        let machine = info.as_ref().and_then(|info| app.environment(info)).map(|one| one.machine_name);
        let directory = info.map(|info| info.directory);
        let who =
            sub_agent.as_ref().map_or_else(|| words::by_the_agent().to_owned(), words::by_the_sub_agent);
        let age = (asked_at_ms > 0).then(|| match numbers::age(app.clock_ms.get(), asked_at_ms).as_str() {
            "now" => words::just_now().to_owned(),
            age => words::ago(age),
        });
        let parts = [machine, directory, Some(tool.clone()), file.clone(), Some(who), age];
        let parts = parts.into_iter().flatten().filter(|part| !part.is_empty()).enumerate();
        let parts = parts.map(|(at, part)| view! { {(at > 0).then_some(" · ")}{told(&part)} });
        parts.collect_view().into_any()
    }
}

/// What stood in the place of the file when this was asked.
fn file_line(base: &BaseFile) -> String {
    match base {
        BaseFile::New => words::on_no_file().to_owned(),
        BaseFile::Known { bytes, .. } => {
            words::on_file(numbers::bytes(usize::try_from(*bytes).unwrap_or(usize::MAX)))
        }
    }
}
