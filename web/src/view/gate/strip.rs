use leptos::prelude::*;

use crate::state::desk::Desk;
use crate::words::gate as words;

/// "1 of 3", oldest first, all reachable; on phones also the handle that folds the sheet.
#[component]
pub(crate) fn Strip(desk: Desk, folded: RwSignal<bool>) -> impl IntoView {
    let ids = Memo::new(move |_| {
        desk.asks.with(|asks| {
            asks.iter().map(|entry| (entry.ask.request_id.clone(), entry.waits())).collect::<Vec<_>>()
        })
    });
    let at = move || {
        let selected = desk.selected.get();
        ids.with(|ids| ids.iter().position(|(id, _)| Some(id) == selected.as_ref()).unwrap_or(0))
    };
    let count = move || ids.with(Vec::len);
    let go = move |by: usize| {
        let next = ids.with(|ids| ids.get((at() + by) % ids.len().max(1)).map(|(id, _)| id.clone()));
        desk.selected.set(next);
    };
    let heading = move || {
        let (at, selected_waits) = (at(), ids.with(|ids| ids.get(at()).is_some_and(|(_, waits)| *waits)));
        let before = ids.with(|ids| ids.iter().take(at).filter(|(_, waits)| *waits).count());
        match (selected_waits, ids.with(|ids| ids.iter().filter(|(_, waits)| *waits).count())) {
            (false, 0) => words::waits_no_longer().to_owned(),
            (false, many) => words::more_wait(many),
            (true, 1) => words::waits().to_owned(),
            (true, many) => words::waits_among(before + 1, many),
        }
    };
    let fold = move || if folded.get() { words::show_the_request() } else { words::fold_the_request() };
    view! {
        <header class="strip">
            <h2 class="strip-title">{heading}</h2>
            <div class="strip-steps" hidden=move || count() < 2>
                <button class="icon" aria-label=words::previous_request() on:click=move |_| go(count() - 1)>"‹"</button>
                <button class="icon" data-testid="gate-next" aria-label=words::next_request() on:click=move |_| go(1)>"›"</button>
            </div>
            <button class="icon strip-fold" aria-label=fold on:click=move |_| folded.update(|folded| *folded = !*folded)>
                {move || if folded.get() { "⌃" } else { "⌄" }}
            </button>
        </header>
    }
}
