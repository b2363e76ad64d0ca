use leptos::prelude::*;
use portcullis_protocol::role::Role;
use portcullis_protocol::session::transcript::ItemBody;
use portcullis_protocol::session::{LinkView, StopReason};
use portcullis_protocol::wire::client::Presence;
use portcullis_protocol::wire::prompt::{Priority, Said};
use portcullis_protocol::wire::worker::WorkStatus;

use super::completion::Completion;
use super::menus::{ModeMenu, ModelMenu, Usage};
use super::pictures::Pictures;
use super::prompt_field::Help;
use super::{PromptField, use_draft};
use crate::state::app::App;
use crate::state::command::Command;
use crate::state::desk::AskEntry;
use crate::state::exact::literal;
use crate::state::pulse;
use crate::view::shell::wire;
use crate::words::composer as words;

/// What a person can say, and stop.
#[component]
pub fn Composer(draft: String) -> impl IntoView {
    let app = App::here();
    let pictures = Pictures::new(app, draft.clone());
    let text = use_draft(app, draft);
    let priority = RwSignal::new(None::<Priority>);
    let help = Help {
        completion: Completion::new(app),
        pictures,
        before: Callback::new(move |()| said_before(app)),
    };
    let state = use_state(app);
    let runs = Memo::new(move |_| matches!(state.get(), "running" | "waiting"));
    let send = Callback::new(move |()| {
        app.session.following.set(true);
        let said = Said {
            text: text.get_untracked(),
            files: pictures.take(),
            priority: priority.get_untracked().filter(|_| runs.get_untracked()),
        };
        text.set(String::new());
        priority.set(None);
        app.send(Command::Prompt(said));
    });
    let archived = move || app.session.link.get() == LinkView::Stopped(StopReason::Archived);
    let watches = move || app.session.role.get().is_some_and(|role| !role.covers(Role::Operator));
    view! {
        <div class="composer" hidden=move || archived() || watches()>
            <PromptField text on_send=send label=words::message() rows=1 busy=false help/>
        </div>
        <p class="composer-closed" hidden=move || !watches()>{words::may_watch()}</p>
        <Status state runs priority/>
    }
}

/// What was said in this session, newest first.
fn said_before(app: App) -> Vec<String> {
    let rows = app.session.rows.get_untracked();
    let text = |key| {
        let item = app.session.item(key)?;
        item.with_untracked(|item| match &item.body {
            ItemBody::Prompt(prompt) => Some(prompt.text.clone()),
            ItemBody::Text { .. }
            | ItemBody::Thinking { .. }
            | ItemBody::Tool(_)
            | ItemBody::TurnEnd(_)
            | ItemBody::Notice(_) => None,
        })
    };
    rows.into_iter().rev().map(|row| row.key).filter_map(text).collect()
}

fn use_state(app: App) -> Memo<&'static str> {
    let presence = Memo::new(move |_| app.session.worker.with(|worker| worker.state));
    let asks = Memo::new(move |_| app.session.asks.with(|asks| asks.iter().any(AskEntry::waits)));
    Memo::new(move |_| match (presence.get(), work(app)) {
        (Presence::Offline, _) => "offline",
        (Presence::Online | Presence::Draining, WorkStatus::Idle) => "idle",
        (Presence::Online | Presence::Draining, WorkStatus::RequiresAction) if asks.get() => "waiting",
        (Presence::Online | Presence::Draining, WorkStatus::Running | WorkStatus::RequiresAction) => {
            "running"
        }
    })
}

fn work(app: App) -> WorkStatus {
    app.session
        .worker
        .with(|worker| worker.worker_state.as_ref().map(|state| state.status).unwrap_or_default())
}

/// Connection, bridge and agent in one quiet line, the way to stop what runs, and how the agent works.
#[component]
fn Status(
    state: Memo<&'static str>,
    runs: Memo<bool>,
    priority: RwSignal<Option<Priority>>,
) -> impl IntoView {
    let app = App::here();
    let choose = move |name: String| {
        let all = [Priority::Now, Priority::Later];
        priority.set(all.into_iter().find(|one| one.as_str() == name));
    };
    let chosen = move || priority.get().unwrap_or(Priority::Next).as_str();
    view! {
        <div class="status" data-status=state>
            <Pulse/>
            <button class="button stop" data-testid="stop" hidden=move || !runs.get() on:click=move |_| app.send(Command::Interrupt)>
                {words::stop()}
            </button>
            <select class="quiet" data-testid="priority" aria-label=words::when() title=words::when() hidden=move || !runs.get()
                prop:value=chosen on:change:target=move |event| choose(event.target().value())>
                {[Priority::Next, Priority::Now, Priority::Later].map(|one| view! { <option value=one.as_str()>{words::heard(one)}</option> }).collect_view()}
            </select>
            <span class="status-mode"><ModeMenu/><ModelMenu/></span>
            <Usage/>
        </div>
    }
}

/// In words, so that no colour has to be known.
#[component]
fn Pulse() -> impl IntoView {
    let app = App::here();
    let presence = Memo::new(move |_| app.session.worker.with(|worker| worker.state));
    let asks = Memo::new(move |_| app.session.asks.with(|asks| asks.iter().any(AskEntry::waits)));
    let link = Memo::new(move |_| wire(app));
    let machine = Memo::new(move |_| {
        let current = app.current()?;
        app.environment(&current).map(|one| literal(&one.machine_name))
    });
    let bridge = Memo::new(move |_| {
        machine.with(|machine| pulse::bridge(link.get(), presence.get(), machine.as_deref()))
    });
    let agent = Memo::new(move |_| {
        let standstill = app.session.worker.with(|worker| pulse::standstill(link.get(), worker));
        standstill.unwrap_or_else(|| pulse::agent(link.get(), presence.get(), work(app), asks.get()))
    });
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
