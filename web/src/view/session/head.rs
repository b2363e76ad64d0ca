use leptos::prelude::*;

use super::Menu;
use super::jumps::Jumps;
use crate::state::app::App;
use crate::state::command::Command;
use crate::state::route::Route;
use crate::text::words;
use crate::view::shell::{LinkMark, told};
use crate::words::session as said;

/// Title, place, and on phones the way back.
#[component]
pub(crate) fn Head() -> impl IntoView {
    let app = App::here();
    let current = Memo::new(move |_| app.current());
    let title = move || {
        let own = current
            .with(|info| info.as_ref().map(|info| info.title.clone()).filter(|title| !title.is_empty()));
        own.or_else(|| app.session.facts.with(|facts| facts.title.clone()))
            .unwrap_or_else(|| said::session().into())
    };
    let place = move || {
        let info = current.get()?;
        let machine = app.environment(&info).map(|one| one.machine_name);
        Some((machine, words::short_path(&info.directory)))
    };
    let back = move |event: leptos::ev::MouseEvent| {
        event.prevent_default();
        app.send(Command::Go(Route::Home));
    };
    view! {
        <header class="head">
            <a class="head-back" href="/" aria-label=said::all_sessions() on:click=back>"‹"</a>
            <h1 class="head-title">{move || told(&title())}</h1>
            <span class="head-place">{move || place().map(|(machine, directory)| view! {
                {machine.map(|machine| view! { {told(&machine)} " · " })}
                {told(&directory)}
            })}</span>
            <span class="head-link"><LinkMark/></span>
            <Jumps/>
            <Menu/>
        </header>
    }
}
