use leptos::prelude::*;
use portcullis_protocol::role::Role;
use portcullis_protocol::session::{LinkView, StopReason};
use portcullis_protocol::wire::rest::SessionStatus;

use crate::state::app::App;
use crate::state::command::Command;
use crate::state::deed::Deed;
use crate::state::pulse::countdown;
use crate::words::{page as words, side};

/// A thin bar that says what is wrong with the connection, when it will be tried again, and lets nobody wait for it.
#[component]
pub fn Bar() -> impl IntoView {
    let app = App::here();
    let trouble = Memo::new(move |_| trouble(app));
    // Apart from the words, or a screen reader would read every second of it.
    let counting = move || match app.session.link.get() {
        LinkView::Waiting { until, .. } if app.route.with(|route| route.session().is_some()) => {
            countdown(until.0, app.tick.get().0)
        }
        LinkView::Waiting { .. } | LinkView::Connecting | LinkView::Online | LinkView::Stopped(_) => {
            String::new()
        }
    };
    // Whoever took it out of the archive, here or elsewhere: the list knows it first.
    Effect::new(move |before: Option<bool>| {
        let goes_on = app.current().is_some_and(|info| info.status != SessionStatus::Archived);
        let stopped = app.session.link.get_untracked() == LinkView::Stopped(StopReason::Archived);
        if before == Some(false) && goes_on && stopped {
            app.send(Command::Reconnect);
        }
        goes_on
    });
    let now = move |_| app.send(Command::Reconnect);
    let unarchive = move |_| {
        if let Some(id) = app.route.with_untracked(|route| route.session().cloned()) {
            app.send(Command::Do(Deed::Unarchive(id)));
        }
    };
    let reload = move |_| app.send(Command::Reload);
    let remedy = move || trouble.get().map_or(Remedy::None, |(_, remedy)| remedy);
    view! {
        <section class="bar" aria-label=words::connection() hidden=move || trouble.with(Option::is_none)>
            <span role="status" aria-live="polite">{move || trouble.get().map(|(text, _)| text)}</span>
            <span class="bar-count" data-testid="link-countdown" aria-hidden="true">{counting}</span>
            {move || match remedy() {
                Remedy::None => ().into_any(),
                Remedy::Connect => view! {
                    <button class="bar-now" data-testid="link-now" aria-label=words::connect_now() on:click=now>{words::now()}</button>
                }.into_any(),
                Remedy::Unarchive => view! {
                    <button class="bar-now" data-testid="unarchive" on:click=unarchive>{side::unarchive()}</button>
                }.into_any(),
                Remedy::Reload => view! {
                    <button class="bar-now" data-testid="reload" on:click=reload>{words::reload()}</button>
                }.into_any(),
            }}
        </section>
    }
    .into_any()
}

/// What a person can do about it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Remedy {
    None,
    Connect,
    Unarchive,
    Reload,
}

/// What to say, and what helps. A lost connection comes before a newer version: nothing can be loaded without one.
fn trouble(app: App) -> Option<(String, Remedy)> {
    let link = match app.route.with(|route| route.session().is_some()) {
        true => link_trouble(app),
        false => app.lists.error.get().map(|text| (text, Remedy::None)),
    };
    link.or_else(|| app.outdated.get().then(|| (words::update_ready().to_owned(), Remedy::Reload)))
}

fn link_trouble(app: App) -> Option<(String, Remedy)> {
    let (text, remedy) = match app.session.link.get() {
        // A first connection is no trouble; the mark beside the title says that it is made.
        LinkView::Online | LinkView::Connecting | LinkView::Stopped(StopReason::NotStarted) => return None,
        LinkView::Waiting { .. } if !app.network.get() => (words::device_offline(), Remedy::Connect),
        LinkView::Waiting { tries: 0..3, .. } => (words::not_connected(), Remedy::Connect),
        LinkView::Waiting { .. } => (words::no_answer(), Remedy::Connect),
        LinkView::Stopped(StopReason::SessionMissing) => (words::session_missing(), Remedy::Connect),
        LinkView::Stopped(StopReason::Refused) => (words::refused(), Remedy::Connect),
        LinkView::Stopped(StopReason::Outdated) => (words::outdated(), Remedy::Reload),
        LinkView::Stopped(StopReason::Archived) if app.may(Role::Operator) => {
            (words::session_archived(), Remedy::Unarchive)
        }
        LinkView::Stopped(StopReason::Archived) => (words::session_archived(), Remedy::None),
    };
    Some((text.to_owned(), remedy))
}
