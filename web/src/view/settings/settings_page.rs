use leptos::prelude::*;

use super::{About, Decisions, Devices, Rules, ThisPage};
use crate::state::route::Route;
use crate::view::later::later;
use crate::view::shell::PlaceLink;
use crate::words::{settings as words, start};

later! {
    /// The settings.
    rest: fn settings_later() { view! { <Settings/> }.into_any() }
}

/// All settings, one below the other.
#[component]
pub fn Settings() -> impl IntoView {
    view! {
        <main class="page">
            <div class="settings" data-testid="settings-page">
                <header class="settings-head">
                    <PlaceLink route=Route::Home class="head-back page-back" name="back">
                        <span aria-hidden="true">"‹"</span><span class="unseen">{start::back()}</span>
                    </PlaceLink>
                    <h1>{words::settings()}</h1>
                </header>
                <ThisPage/>
                <Devices/>
                <Rules/>
                <Decisions/>
                <About/>
            </div>
        </main>
    }
    .into_any()
}
