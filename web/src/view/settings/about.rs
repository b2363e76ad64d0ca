use leptos::prelude::*;

use crate::words::settings as words;

/// Export, installation, and which version this is.
#[component]
pub(crate) fn About() -> impl IntoView {
    view! {
        <section aria-labelledby="set-export">
            <h2 id="set-export">{words::export()}</h2>
            <p class="hint">{words::export_how()}</p>
        </section>
        <section aria-labelledby="set-about">
            <h2 id="set-about">{words::about()}</h2>
            <p class="hint" data-testid="version">{words::version(env!("CARGO_PKG_VERSION"))}</p>
            <p class="hint">{words::install()}</p>
        </section>
    }
    .into_any()
}
