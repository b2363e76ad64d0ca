use leptos::prelude::*;
use portcullis_protocol::session::Part;

use crate::state::app::App;
use crate::state::command::Command;
use crate::words::session as words;

/// Where in the whole session one is, by the number of the event and not by what happens to be loaded: dragged, and
/// moved by the arrow keys, it goes to any event.
#[component]
pub(crate) fn Rail() -> impl IntoView {
    let app = App::here();
    let session = app.session;
    let head = Memo::new(move |_| session.part.with(|part| part.head_seq));
    // While it is dragged it shows where it would go.
    let dragged = RwSignal::new(None::<u64>);
    let at = move || {
        let at_end = session.following.get();
        let seen = session.view.with(|view| view.0);
        dragged.get().unwrap_or(if at_end { head.get() } else { seen.max(1) })
    };
    let share = move |seq: u64| seq as f64 / head.get().max(1) as f64;
    let shown = move |of: fn((u64, u64), Part) -> u64| {
        share(of(session.view.get(), session.part.get())).clamp(0.0, 1.0).to_string()
    };
    let go = move |seq: u64| {
        dragged.set(None);
        if seq >= head.get_untracked() {
            session.following.set(true);
            app.send(Command::Latest);
        } else {
            app.send(Command::Visit(seq));
        }
    };
    let value = |event: &web_sys::Event| event_target_value(event).parse::<u64>().ok();
    // Nothing to go to: nothing is loaded, or all of the log is, and all of that is in view.
    let whole = move || session.part.with(|part| part.first_seq <= 1 && part.last_seq >= part.head_seq);
    let idle = move || {
        head.get() < 2 || session.part.with(|part| part.first_seq == 0) || session.fits.get() && whole()
    };
    view! {
        <div class="rail-seq" hidden=idle
            style=("--from", move || shown(|(first, _), _| first)) style=("--to", move || shown(|(first, last), _| last.max(first)))
            style=("--loaded-from", move || shown(|_, part| part.first_seq)) style=("--loaded-to", move || shown(|_, part| part.last_seq))>
            <i class="rail-loaded" aria-hidden="true"></i>
            <i class="rail-view" aria-hidden="true"></i>
            <input class="rail-input" data-testid="rail" type="range" min="1" max=move || head.get().to_string()
                step="1" prop:value=move || at().to_string()
                aria-label=words::rail() aria-valuetext=move || words::rail_at(at(), head.get())
                on:input=move |event| dragged.set(value(&event))
                on:change=move |event| { value(&event).map(go); }/>
            <output class="rail-at" hidden=move || dragged.get().is_none()>{move || words::rail_at(at(), head.get())}</output>
        </div>
    }
}
