use leptos::prelude::*;
use portcullis_protocol::session::{LinkView, StopReason};

use crate::state::app::App;
use crate::state::command::Command;
use crate::state::pulse::countdown;

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
    let now = move |_| app.send(Command::Reconnect);
    view! {
        <div class="bar" hidden=move || trouble.with(Option::is_none)>
            <span role="status" aria-live="polite">{move || trouble.get().map(|(text, _)| text)}</span>
            <span class="bar-count" data-testid="link-countdown" aria-hidden="true">{counting}</span>
            <Show when=move || trouble.get().is_some_and(|(_, again)| again)>
                <button class="bar-now" data-testid="link-now" aria-label="Connect now" on:click=now>"Now"</button>
            </Show>
        </div>
    }
}

/// What to say, and whether trying again makes sense.
fn trouble(app: App) -> Option<(String, bool)> {
    let lists = app.lists.error.get();
    if app.route.with(|route| route.session().is_none()) {
        return lists.map(|text| (text, false));
    }
    match app.session.link.get() {
        LinkView::Online => None,
        // A first connection is no trouble; the mark beside the title says that it is made.
        LinkView::Connecting => None,
        LinkView::Waiting { .. } if !app.network.get() => {
            Some(("This device is offline. What you write is kept.".into(), true))
        }
        LinkView::Waiting { tries: 0..3, .. } => {
            Some(("Not connected. What you write is kept.".into(), true))
        }
        LinkView::Waiting { .. } => {
            Some(("Not connected: the server does not answer. What you write is kept.".into(), true))
        }
        LinkView::Stopped(StopReason::NotStarted) => None,
        LinkView::Stopped(StopReason::SessionMissing) => {
            Some(("The server does not have this session.".into(), true))
        }
        LinkView::Stopped(StopReason::Refused) => Some(("The server refused this browser.".into(), true)),
        LinkView::Stopped(StopReason::Outdated) => {
            Some(("This page is older than the server. Reload it.".into(), false))
        }
        LinkView::Stopped(StopReason::Archived) => {
            Some(("This session is archived: it can be read, not continued.".into(), false))
        }
    }
}
