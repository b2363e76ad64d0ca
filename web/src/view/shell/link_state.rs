use leptos::prelude::*;

use crate::state::app::App;
use crate::state::pulse::Wire;

/// How the page is connected: the session's socket where one is open, else the server's lists.
pub(crate) fn wire(app: App) -> Wire {
    if app.route.with(|route| route.session().is_some()) {
        return Wire::of(app.session.link.get(), app.network.get());
    }
    match (app.lists.error.with(Option::is_some), app.lists.loaded.get()) {
        (true, _) if !app.network.get() => Wire::Offline,
        (true, _) => Wire::Waiting,
        (false, true) => Wire::Online,
        (false, false) => Wire::Connecting,
    }
}

/// A dot and a word.
#[component]
pub(crate) fn LinkMark() -> impl IntoView {
    let app = App::here();
    let state = Memo::new(move |_| wire(app));
    view! {
        <span class="link-mark" data-testid="link-state" data-state=move || state.get().name()>
            <i class="dot" aria-hidden="true"></i>
            <span class="link-word">{move || state.get().words()}</span>
        </span>
    }
}
