use leptos::prelude::*;

use super::Frame;
use crate::state::app::{App, Phase};
use crate::view::pair::PairPage;

/// The whole page. `app` is known everywhere below it.
#[component]
pub fn Page(app: App) -> impl IntoView {
    provide_context(app);
    let paired = Memo::new(move |_| app.phase.get() == Phase::Ready);
    move || if paired.get() { view! { <Frame/> }.into_any() } else { view! { <PairPage/> }.into_any() }
}
