use leptos::prelude::*;

use super::{Card, Strip};
use crate::state::app::App;
use crate::state::desk::{AskEntry, Desk};
use crate::view::later::later;
use crate::words::gate as words;

later! {
    /// The gate with everything that belongs to it.
    gate: fn gate_later() { view! { <Gate/> }.into_any() }
}

/// All requests of the open session: a strip to reach each, and the chosen one.
#[component]
pub fn Gate() -> impl IntoView {
    let desk = Desk::open(App::here());
    let chosen = move |asks: &[AskEntry]| {
        let selected = desk.selected.get();
        let found = asks.iter().find(|entry| Some(&entry.ask.request_id) == selected.as_ref());
        found.or(asks.first()).map(|entry| {
            let ask = &entry.ask;
            (ask.request_id.clone(), ask.digest.clone(), ask.base_file.clone())
        })
    };
    // The digest is part of the identity, and so is the file: a request with others is another card, which has to arm
    // again.
    let shown = Memo::new(move |_| desk.asks.with(|asks| chosen(asks)));
    let waits = Memo::new(move |_| {
        shown.get().is_some_and(|(id, ..)| {
            desk.asks.with(|asks| asks.iter().any(|entry| entry.ask.request_id == id && entry.waits()))
        })
    });
    let folded = RwSignal::new(false);
    view! {
        <section class="gate" data-testid="gate" role="region" aria-label=words::waits()
            data-waits=move || if waits.get() { "yes" } else { "no" }
            data-folded=move || if folded.get() { "yes" } else { "no" }>
            <Strip desk folded/>
            {move || shown.get().map(|(id, ..)| {
                let ask = desk.asks.with_untracked(|asks| {
                    asks.iter().find(|entry| entry.ask.request_id == id).map(|entry| entry.ask.clone())
                });
                ask.map(|ask| view! { <Card desk ask/> })
            })}
        </section>
    }
}
