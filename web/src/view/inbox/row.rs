use leptos::prelude::*;
use portcullis_protocol::id::SessionId;

use super::Asked;
use crate::state::app::App;
use crate::state::ask::{Ask, Form};
use crate::state::command::Command;
use crate::state::exact::Body;
use crate::state::route::Route;
use crate::text::words as numbers;
use crate::view::gate::{Ticks, spans};
use crate::view::shell::told;
use crate::words::{gate, inbox as words};

/// A request that waits behind the one that is offered: what, where, how long, and what stands out first.
#[component]
pub(crate) fn Row(asked: Asked, chosen: Callback<()>) -> impl IntoView {
    let app = App::here();
    let ask = asked.entry.ask;
    let asked_at_ms = ask.asked_at_ms;
    let age = move || (asked_at_ms > 0).then(|| numbers::age(app.clock_ms.get(), asked_at_ms));
    view! {
        <li>
            <button class="inbox-row" data-testid="inbox-row" on:click=move |_| chosen.run(())>
                <span class="inbox-what">{told(&ask.what.head)}</span>
                <span class="inbox-where">{place(app, &asked.key.session)}</span>
                <time class="inbox-age">{age}</time>
                <code class="inbox-glance">{glance(&ask)}</code>
                {ask.hints.first().map(|hint| view! { <span class="inbox-hint">{told(&hint.head)}</span> })}
            </button>
        </li>
    }
}

/// A request that was answered: how far the answer has come.
#[component]
pub(crate) fn Answered(asked: Asked) -> impl IntoView {
    let app = App::here();
    let desk = asked.desk(app);
    let (what, session) = (asked.entry.ask.what.head.clone(), asked.key.session.clone());
    let id = asked.key.request_id;
    desk.map(|desk| {
        let entry = Memo::new(move |_| {
            desk.asks.with(|asks| asks.iter().find(|entry| entry.ask.request_id == id).cloned())
        });
        view! {
            <li class="inbox-answered" data-testid="inbox-answered">
                <p><span class="inbox-what">{told(&what)}</span> <span class="inbox-where">{place(app, &session)}</span></p>
                <Ticks desk entry/>
            </li>
        }
    })
}

/// A link that opens a session, under its title.
#[component]
pub(crate) fn OpenSession(id: SessionId) -> impl IntoView {
    let app = App::here();
    let route = Route::Session(id.clone());
    let open = {
        let route = route.clone();
        move |event: leptos::ev::MouseEvent| {
            if !(event.ctrl_key() || event.meta_key() || event.shift_key()) {
                event.prevent_default();
                app.send(Command::Go(route.clone()));
            }
        }
    };
    let title = move || {
        let title = app.info(&id).map(|info| info.title).filter(|title| !title.trim().is_empty());
        told(&title.unwrap_or_else(|| words::untitled().to_owned()))
    };
    view! { <a class="inbox-session" data-testid="inbox-open" href=route.path() on:click=open title=words::open_session()>{title}</a> }
}

/// Title, machine and directory of a session, from the server's record.
fn place(app: App, session: &SessionId) -> impl Fn() -> AnyView + Send + Sync + use<> {
    let session = session.clone();
    move || {
        let Some(info) = app.info(&session) else { return ().into_any() };
        let machine = app.environment(&info).map(|one| one.machine_name);
        let title = Some(info.title.clone()).filter(|title| !title.trim().is_empty());
        let title = title.unwrap_or_else(|| words::untitled().to_owned());
        let parts = [Some(title), machine, Some(numbers::short_path(&info.directory))];
        let parts = parts.into_iter().flatten().filter(|part| !part.is_empty()).enumerate();
        let parts = parts.map(|(at, part)| view! { {(at > 0).then_some(" · ")}{told(&part)} });
        parts.collect_view().into_any()
    }
}

/// The first line of what would run, to tell one row from another; what is decided on is the card.
fn glance(ask: &Ask) -> Option<AnyView> {
    if let Form::Questions(questions) = &ask.form {
        return questions.first().map(|question| told(&question.question));
    }
    match &ask.exact.fields.first()?.body {
        Body::Text(text) => text.lines.first().map(|line| spans(&line.spans, line.broken)),
        Body::Change { rows, .. } => rows.first().map(|row| spans(&row.spans, row.broken)),
    }
}

/// What a row says to who does not see it beside others.
#[must_use]
pub(super) fn announcement(what: &str) -> String {
    format!("{}: {what}", gate::waits())
}
