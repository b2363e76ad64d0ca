use leptos::prelude::*;
use portcullis_protocol::session::{LinkView, StopReason};

use crate::state::app::App;

/// How the page is connected: the session's socket where one is open, else the server's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServerState {
    Online,
    Connecting,
    Waiting,
    Stopped,
}

impl ServerState {
    fn of(app: App) -> Self {
        if app.route.with(|route| route.session().is_none()) {
            return match (app.lists.error.with(Option::is_some), app.lists.loaded.get()) {
                (true, _) => Self::Waiting,
                (false, true) => Self::Online,
                (false, false) => Self::Connecting,
            };
        }
        match app.session.link.get() {
            LinkView::Online => Self::Online,
            LinkView::Connecting | LinkView::Stopped(StopReason::NotStarted) => Self::Connecting,
            LinkView::Waiting { .. } => Self::Waiting,
            LinkView::Stopped(_) => Self::Stopped,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Connecting => "connecting",
            Self::Waiting => "waiting",
            Self::Stopped => "stopped",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Online => "Connected",
            Self::Connecting => "Connecting",
            Self::Waiting => "Not connected",
            Self::Stopped => "Stopped",
        }
    }
}

/// A dot and a word.
#[component]
pub(crate) fn LinkMark() -> impl IntoView {
    let app = App::here();
    let state = Memo::new(move |_| ServerState::of(app));
    view! {
        <span class="link-mark" data-testid="link-state" data-state=move || state.get().name()>
            <i class="dot" aria-hidden="true"></i>
            <span class="link-word">{move || state.get().words()}</span>
        </span>
    }
}
