use leptos::prelude::*;

use super::{Frame, overlays_later};
use crate::state::app::{App, Phase};
use crate::view::gate::gate_later;
use crate::view::inbox::inbox_later;
use crate::view::markdown::said_later;
use crate::view::pair::PairPage;
use crate::view::session::{detail_later, session_later};
use crate::view::start::new_later;

/// The whole page. `app` is known everywhere below it.
#[component]
pub fn Page(app: App) -> impl IntoView {
    provide_context(app);
    leptos::task::spawn_local(fetch_parts());
    let paired = Memo::new(move |_| app.phase.get() == Phase::Ready);
    move || if paired.get() { view! { <Frame/> }.into_any() } else { view! { <PairPage/> }.into_any() }
}

/// What the page starts without, in the order in which it is likely to be missed.
async fn fetch_parts() {
    session_later::fetch().await;
    said_later::fetch().await;
    detail_later::fetch().await;
    gate_later::fetch().await;
    inbox_later::fetch().await;
    overlays_later::fetch().await;
    new_later::fetch().await;
}
