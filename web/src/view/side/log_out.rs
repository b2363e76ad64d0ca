use leptos::prelude::*;

use crate::state::app::{App, Leaving};
use crate::state::command::Command;
use crate::text::words;
use crate::view::shell::focus;

/// What would be lost by logging out, while something would; and what waits in sessions that are not open.
#[component]
pub fn LogOut() -> impl IntoView {
    let app = App::here();
    let elsewhere = move || app.unsent_elsewhere.get();
    let unsent = Memo::new(move |_| match app.leaving.get() {
        Leaving::Asked { unsent } if unsent > 0 => Some(unsent),
        Leaving::Asked { .. } | Leaving::No => None,
    });
    Effect::new(move |_| match app.leaving.get() {
        Leaving::Asked { unsent: 0 } => app.send(Command::LogOut),
        Leaving::Asked { .. } => request_animation_frame(|| focus("[data-testid=logout-stay]")),
        Leaving::No => {}
    });
    let lost = move || {
        let count = words::count(unsent.get().unwrap_or_default(), "message was", "messages were");
        format!("{count} not sent. Logging out throws that away, and every draft.")
    };
    view! {
        <p class="side-unsent" data-testid="unsent-elsewhere" role="status" hidden=move || elsewhere() == 0>
            {move || words::count(elsewhere(), "message in another session is", "messages in other sessions are")} " not sent yet."
        </p>
        <Show when=move || unsent.get().is_some()>
            <section class="leave" data-testid="logout-warning" role="alertdialog" aria-label="Log out">
                <p>{lost}</p>
                <div class="buttons">
                    <button class="button" data-testid="logout-stay" on:click=move |_| app.leaving.set(Leaving::No)>"Stay"</button>
                    <button class="button deny" data-testid="logout-anyway" on:click=move |_| app.send(Command::LogOut)>"Log out anyway"</button>
                </div>
            </section>
        </Show>
    }
}
