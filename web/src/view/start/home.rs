use leptos::prelude::*;

use crate::state::app::App;
use crate::state::groups::Group;
use crate::words::start as words;

/// Beside the list while no session is open: one sentence about what waits.
#[component]
pub(crate) fn Home() -> impl IntoView {
    let app = App::here();
    let waiting = Memo::new(move |_| {
        app.lists.sessions.with(|all| all.iter().filter(|one| Group::of(one) == Group::Waiting).count())
    });
    let said = move || match waiting.get() {
        0 => words::nothing_waits().to_owned(),
        some => words::sessions_wait(some),
    };
    view! {
        <main class="page page-calm">
            <h1 class="calm" data-waits=move || (waiting.get() != 0).then_some("")>{said}</h1>
            <p class="calm-hint">
                {words::hint_before()} " " <kbd>"c"</kbd> " " {words::hint_between()} " " <kbd>"?"</kbd> " " {words::hint_after()}
            </p>
        </main>
    }
    .into_any()
}
