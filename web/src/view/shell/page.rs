use leptos::prelude::*;

use super::{Frame, around_later, overlays_later};
use crate::state::app::{App, Phase};
use crate::state::part::Arrival;
use crate::view::gate::gate_later;
use crate::view::inbox::inbox_later;
use crate::view::later::told;
use crate::view::markdown::said_later;
use crate::view::pair::pair_later;
use crate::view::session::{detail_later, foot_later, session_later};
use crate::view::side::beside_later;
use crate::view::start::new_later;

/// The whole page. `app` is known everywhere below it.
#[component]
pub fn Page(app: App) -> impl IntoView {
    provide_context(app);
    leptos::task::spawn_local(fetch_parts(app));
    let paired = Memo::new(move |_| app.phase.get() == Phase::Ready);
    Effect::new(move |_| {
        if app.phase.with(|phase| !matches!(phase, Phase::Starting | Phase::Ready)) {
            leptos::task::spawn_local(pair_later::fetch());
        }
    });
    move || if paired.get() { view! { <Frame/> }.into_any() } else { pair_later::view(outside) }
}

/// Before it is known whether this browser is, and as long as there is no more to say.
fn outside(arrival: Arrival) -> AnyView {
    view! {
        <main class="alone">
            <p class="brand"><span class="brand-mark" aria-hidden="true"></span>"Portcullis"</p>
            {told(arrival, || leptos::task::spawn_local(pair_later::fetch()))}
        </main>
    }
    .into_any()
}

/// What the page starts without, in the order in which it is likely to be missed.
async fn fetch_parts(app: App) {
    // A session that the address names does not wait for the rest of the list.
    let names_session = app.route.with_untracked(|route| route.session().is_some());
    if !names_session {
        around_later::fetch().await;
        beside_later::fetch().await;
    }
    session_later::fetch().await;
    foot_later::fetch().await;
    said_later::fetch().await;
    detail_later::fetch().await;
    around_later::fetch().await;
    beside_later::fetch().await;
    gate_later::fetch().await;
    inbox_later::fetch().await;
    overlays_later::fetch().await;
    new_later::fetch().await;
    pair_later::fetch().await;
}
