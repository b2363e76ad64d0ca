use leptos::prelude::*;

use crate::state::app::App;
use crate::state::groups::Group;

/// Beside the list while no session is open: one sentence about what waits.
#[component]
pub(crate) fn Home() -> impl IntoView {
    let app = App::here();
    let waiting = Memo::new(move |_| {
        app.lists.sessions.with(|all| all.iter().filter(|one| Group::of(one) == Group::Waiting).count())
    });
    let some_wait = move || waiting.get() != 0;
    view! {
        <main class="page page-calm">
            <p class="calm" data-waits=some_wait>
                {move || match waiting.get() {
                    0 => "Nothing waits for you.".to_owned(),
                    1 => "One session waits for you.".to_owned(),
                    many => format!("{many} sessions wait for you."),
                }}
            </p>
            <p class="calm-hint">"Choose a session, or start one with " <kbd>"c"</kbd> ". " <kbd>"?"</kbd> " shows the other keys."</p>
        </main>
    }
}
