use leptos::prelude::*;

use crate::state::app::{App, Leaving};
use crate::state::command::Command;
use crate::view::shell::focus;
use crate::words::side as words;

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
    let lost = move || words::lost(unsent.get().unwrap_or_default());
    let warning = move || {
        view! {
            <section class="leave" data-testid="logout-warning" role="alertdialog" aria-label=words::log_out()>
                <p>{lost}</p>
                <div class="buttons">
                    <button class="button" data-testid="logout-stay" on:click=move |_| app.leaving.set(Leaving::No)>
                        {words::log_out_stay()}
                    </button>
                    <button class="button deny" data-testid="logout-anyway" on:click=move |_| app.send(Command::LogOut)>
                        {words::log_out_anyway()}
                    </button>
                </div>
            </section>
        }
        .into_any()
    };
    view! {
        <p class="side-unsent" data-testid="unsent-elsewhere" role="status" hidden=move || elsewhere() == 0>
            {move || words::unsent_elsewhere(elsewhere())}
        </p>
        {move || unsent.get().is_some().then(warning)}
    }
    .into_any()
}
