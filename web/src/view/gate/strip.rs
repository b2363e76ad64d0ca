use leptos::prelude::*;

use crate::state::app::App;

/// "1 of 3", oldest first, all reachable; on phones also the handle that folds the sheet.
#[component]
pub(crate) fn Strip(folded: RwSignal<bool>) -> impl IntoView {
    let session = App::here().session;
    let ids = Memo::new(move |_| {
        session.asks.with(|asks| {
            asks.iter().map(|entry| (entry.ask.request_id.clone(), entry.waits())).collect::<Vec<_>>()
        })
    });
    let at = move || {
        let selected = session.selected.get();
        ids.with(|ids| ids.iter().position(|(id, _)| Some(id) == selected.as_ref()).unwrap_or(0))
    };
    let count = move || ids.with(Vec::len);
    let go = move |by: usize| {
        let next = ids.with(|ids| ids.get((at() + by) % ids.len().max(1)).map(|(id, _)| id.clone()));
        session.selected.set(next);
    };
    let heading = move || {
        let (at, selected_waits) = (at(), ids.with(|ids| ids.get(at()).is_some_and(|(_, waits)| *waits)));
        let before = ids.with(|ids| ids.iter().take(at).filter(|(_, waits)| *waits).count());
        match (selected_waits, ids.with(|ids| ids.iter().filter(|(_, waits)| *waits).count())) {
            (false, 0) => "No longer waiting".to_owned(),
            (false, 1) => "One more waits for you".to_owned(),
            (false, many) => format!("{many} more wait for you"),
            (true, 1) => "Waits for you".to_owned(),
            (true, many) => format!("Waits for you: {} of {many}", before + 1),
        }
    };
    view! {
        <header class="strip">
            <h2 class="strip-title">{heading}</h2>
            <div class="strip-steps" hidden=move || count() < 2>
                <button class="icon" aria-label="Previous request" on:click=move |_| go(count() - 1)>"‹"</button>
                <button class="icon" aria-label="Next request" on:click=move |_| go(1)>"›"</button>
            </div>
            <button class="icon strip-fold" aria-label=move || if folded.get() { "Show the request" } else { "Fold the request" }
                on:click=move |_| folded.update(|folded| *folded = !*folded)>
                {move || if folded.get() { "⌃" } else { "⌄" }}
            </button>
        </header>
    }
}
