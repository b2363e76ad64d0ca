//! How the agent works, as quiet menus of the browser's own: what the role and the machine's policy allow, and nothing
//! that is not known.

use leptos::prelude::*;
use portcullis_protocol::role::{PermissionMode, Role, requirement};

use crate::state::app::App;
use crate::state::command::Command;
use crate::state::exact::literal;
use crate::text::words as numbers;
use crate::words::composer as words;

/// The permission mode: stricter ones for who approves, laxer ones for the owner, as far as the machine allows.
#[component]
pub(crate) fn ModeMenu() -> impl IntoView {
    let app = App::here();
    let current = Memo::new(move |_| {
        let reported = app.session.worker.with(|worker| worker.worker_state.clone()).unwrap_or_default();
        app.session.facts.with(|facts| facts.permission_mode.clone()).or(reported.permission_mode)
    });
    let modes = Memo::new(move |_| current.get().map(|current| reachable(app, &current)).unwrap_or_default());
    let names = move || modes.get().into_iter().map(|mode| (mode.clone(), name(&mode))).collect();
    view! {
        <Menu label=words::mode() testid="mode" current choices=Signal::derive(names)
            choose=Callback::new(move |mode| app.send(Command::SetMode(mode)))/>
    }
}

/// The model, out of those the agent named.
#[component]
pub(crate) fn ModelMenu() -> impl IntoView {
    let app = App::here();
    let current = Memo::new(move |_| {
        let reported = app.session.worker.with(|worker| worker.worker_state.clone()).unwrap_or_default();
        app.session.facts.with(|facts| facts.model.clone()).or(reported.model)
    });
    let speaks = move || app.session.role.get().is_some_and(|role| role.covers(Role::Operator));
    let names = move || {
        let mut choices: Vec<(String, String)> = app.offers.with(|offers| {
            let offers = offers.models.iter().filter(|_| speaks());
            let named =
                |name: &str, value: &str| if name.is_empty() { literal(value) } else { literal(name) };
            offers.map(|one| (one.value.clone(), named(&one.name, &one.value))).collect()
        });
        if let Some(current) = current.get()
            && !choices.iter().any(|(value, _)| *value == current)
        {
            choices.insert(0, (current.clone(), literal(&current)));
        }
        choices
    };
    view! {
        <Menu label=words::model() testid="model" current choices=Signal::derive(names)
            choose=Callback::new(move |model| app.send(Command::SetModel(model)))/>
    }
}

/// A menu that shows what is so, not what was asked for: the agent may refuse.
#[component]
fn Menu(
    label: &'static str,
    testid: &'static str,
    current: Memo<Option<String>>,
    choices: Signal<Vec<(String, String)>>,
    choose: Callback<String>,
) -> impl IntoView {
    let choices = Memo::new(move |_| choices.get());
    let chosen = move || current.get().unwrap_or_default();
    let options = move || {
        choices
            .get()
            .into_iter()
            .map(|(value, name)| {
                let at = value.clone();
                let selected = move || current.with(|current| current.as_ref() == Some(&at));
                view! { <option value=value prop:selected=selected>{name}</option> }
            })
            .collect_view()
    };
    let change = move |event: leptos::ev::Targeted<leptos::ev::Event, web_sys::HtmlSelectElement>| {
        let wanted = event.target().value();
        event.target().set_value(&current.get_untracked().unwrap_or_default());
        choose.run(wanted);
    };
    view! {
        <select class="quiet" data-testid=testid data-value=chosen aria-label=label title=label
            disabled=move || choices.with(|all| all.len() < 2) hidden=move || current.with(Option::is_none)
            on:change:target=change>{options}</select>
    }
}

/// Context used, tokens of the last turn, and money, as far as the agent said.
#[component]
pub(crate) fn Usage() -> impl IntoView {
    let (facts, worker) = (App::here().session.facts, App::here().session.worker);
    let said = Memo::new(move |_| {
        // The bridge counts on over every process of the session; an agent begins anew.
        let counted =
            worker.with(|worker| worker.worker_state.as_ref().and_then(|state| state.total_cost_usd));
        facts.with(|facts| {
            let (input, output) = (facts.input_tokens.unwrap_or(0), facts.output_tokens.unwrap_or(0));
            let percent = facts.context_window.filter(|size| *size > 0).map(|size| input * 100 / size);
            let parts = [
                percent.filter(|_| input > 0).map(words::context),
                counted.or(facts.total_cost_usd).map(numbers::money),
            ];
            let tokens = (input + output > 0).then(|| words::tokens(short(input), short(output)));
            (parts.into_iter().flatten().collect::<Vec<_>>().join(" · "), tokens.unwrap_or_default())
        })
    });
    view! { <data class="status-cost" data-testid="usage" title=move || said.get().1>{move || said.get().0}</data> }
}

fn reachable(app: App, current: &str) -> Vec<String> {
    let role = app.session.role.get().unwrap_or(Role::Viewer);
    let known = PermissionMode::parse(current);
    let offered = app.current().and_then(|info| app.environment(&info)).map(|one| one.permission_modes);
    let mut modes: Vec<String> = PermissionMode::ALL
        .into_iter()
        .filter(|mode| {
            let needs = requirement("set_permission_mode", Some(mode.as_str()), known);
            let allowed = offered.as_ref().is_some_and(|all| all.iter().any(|one| one == mode.as_str()));
            needs.is_some_and(|needs| role.covers(needs.least) && (!needs.needs_policy || allowed))
        })
        .map(|mode| mode.as_str().to_owned())
        .collect();
    if !modes.iter().any(|mode| mode == current) {
        modes.insert(0, current.to_owned());
    }
    modes
}

fn name(mode: &str) -> String {
    let name = match PermissionMode::parse(mode) {
        Some(PermissionMode::Plan) => words::mode_plan(),
        Some(PermissionMode::DontAsk) => words::mode_dont_ask(),
        Some(PermissionMode::Default) => words::mode_default(),
        Some(PermissionMode::AcceptEdits) => words::mode_accept_edits(),
        Some(PermissionMode::Auto) => words::mode_auto(),
        Some(PermissionMode::BypassPermissions) => words::mode_bypass(),
        None => return literal(mode),
    };
    name.to_owned()
}

/// A count of tokens, short: "950", "12k".
fn short(tokens: u64) -> String {
    if tokens < 10_000 { tokens.to_string() } else { format!("{}k", tokens / 1_000) }
}
