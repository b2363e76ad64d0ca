use leptos::prelude::*;
use portcullis_protocol::session::transcript::PromptState;
use portcullis_protocol::wire::prompt::Priority;

use crate::state::app::App;
use crate::state::command::Command;
use crate::state::delivery::Way;
use crate::state::pulse::Wire;
use crate::state::session::Queued;
use crate::view::shell::wire;
use crate::words::composer as words;
use crate::words::notices::notice;

/// Messages that no agent has started, each with where it is.
#[component]
pub fn Queue() -> impl IntoView {
    let app = App::here();
    let queue = app.session.queue;
    view! {
        <section class="queue" aria-label=words::not_started() hidden=move || queue.with(Vec::is_empty)>
            <Unsent/>
            <ul>
                <For each=move || queue.get()
                    key=|queued| (queued.prompt.uuid.clone(), queued.prompt.state.as_str(), queued.slow, queued.lasting, queued.moving)
                    children=|queued| view! { <QueuedRow queued/> }/>
            </ul>
        </section>
    }
}

/// How many are not with the server, said once; the rows say why.
#[component]
fn Unsent() -> impl IntoView {
    let app = App::here();
    let count = Memo::new(move |_| {
        app.session.queue.with(|queue| queue.iter().filter(|one| one.is_unsent()).count())
    });
    let waits = Memo::new(move |_| {
        app.session.queue.with(|queue| queue.iter().any(|one| one.prompt.state == PromptState::Waiting))
    });
    let away = move || waits.get() && !matches!(wire(app), Wire::Online | Wire::Stopped);
    let said = move || words::not_sent_yet(count.get());
    view! {
        <p class="unsent" data-testid="unsent" data-count=count role="status" hidden=move || count.get() == 0>
            <span>{said}</span>
            <button class="link" hidden=move || !away() on:click=move |_| app.send(Command::Reconnect)>{words::try_now()}</button>
        </p>
    }
}

#[component]
fn QueuedRow(queued: Queued) -> impl IntoView {
    let app = App::here();
    let Queued { prompt, error, lasting, slow, moving } = queued;
    let (state, uuid, text, attachments) = (prompt.state, prompt.uuid, prompt.text, prompt.attachments);
    let now = prompt.priority.unwrap_or(Priority::Next);
    let named = uuid.clone();
    let choose = move |event: web_sys::Event| {
        let chosen = Priority::of(&event_target_value(&event)).filter(|chosen| *chosen != now);
        if let Some(priority) = chosen {
            app.send(Command::SetPriority { prompt: named.clone(), priority });
        }
    };
    let with_agent = state == PromptState::Delivered;
    let presence = move || app.session.worker.with(|worker| worker.state);
    let where_it_is = move || {
        let way = Way { state, lasting, slow, wire: wire(app), bridge: presence() };
        match &error {
            Some(error) => words::refused_because(notice(error).trim_end_matches(['.', '。'])),
            None if moving => words::moving().to_owned(),
            None => way.words(),
        }
    };
    let discard = (words::discard(), Command::Discard(uuid.clone()));
    let offers = match state {
        PromptState::Refused => vec![(words::send_again(), Command::Again(uuid)), discard],
        PromptState::Waiting => vec![discard],
        PromptState::Delivered if moving => Vec::new(),
        PromptState::Delivered => vec![(words::take_back(), Command::TakeBack(uuid))],
        PromptState::Sent
        | PromptState::Stored
        | PromptState::Running
        | PromptState::Answered
        | PromptState::Cancelled
        | PromptState::Unknown => Vec::new(),
    };
    let offers = offers.into_iter().map(|(label, command)| {
        view! { <button class="link" on:click=move |_| app.send(command.clone())>{label}</button> }
    });
    view! {
        <li class="queued" data-testid="queued" data-state=state.as_str()>
            <span class="queued-text">{text}</span>
            {(attachments > 0).then(|| view! { <span class="queued-state">{words::with_files(attachments)}</span> })}
            <span class="queued-state" data-testid="prompt-state" data-state=state.as_str()>{where_it_is}</span>
            {with_agent.then(|| view! { <When now disabled=moving on_choose=choose/> })}
            {offers.collect_view()}
        </li>
    }
}

/// When the agent hears of it.
#[component]
fn When(now: Priority, disabled: bool, on_choose: impl Fn(web_sys::Event) + 'static) -> impl IntoView {
    let option = |priority: Priority| {
        view! { <option value=priority.as_str() selected=priority == now>{words::heard(priority)}</option> }
    };
    view! {
        <select class="quiet" data-testid="queued-priority" aria-label=words::when() title=words::when() disabled=disabled
            on:change=on_choose>
            {Priority::ALL.map(option).collect_view()}
        </select>
    }
}
