use leptos::prelude::*;
use portcullis_protocol::id::SessionId;

use super::{Composer, Facts, Head, Queue, Transcript};
use crate::state::app::App;
use crate::view::gate::gate_later;
use crate::view::later::later;

later! {
    /// Everything about one session.
    session: fn session_later(id: SessionId) { view! { <SessionPlace id/> }.into_any() }
}

later! {
    /// What can be said to it, and what is on its way there: it is read first.
    rich: fn foot_later(id: SessionId) { view! { <Queue/><Composer draft=id.to_string()/> }.into_any() }
}

/// Everything about one session.
#[component]
fn SessionPlace(id: SessionId) -> impl IntoView {
    let app = App::here();
    let asks = Memo::new(move |_| app.session.asks.with(|asks| !asks.is_empty()));
    view! {
        <main class="session">
            <Head/>
            <Transcript/>
            <section class="rail" aria-label=crate::words::session::waits_here() data-waits=move || if asks.get() { "yes" } else { "no" }>
                {move || if asks.get() { gate_later::view_or_word() } else { view! { <Facts/> }.into_any() }}
            </section>
            <footer class="foot">
                {foot_later::view_or_word(id)}
            </footer>
        </main>
    }
}
