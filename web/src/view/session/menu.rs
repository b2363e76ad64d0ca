use leptos::prelude::*;

use super::jumps;
use crate::state::app::App;
use crate::state::command::Command;
use crate::state::session::Export;
use crate::text::export::Format;
use crate::words::session as words;

/// What can be done with the whole session: go to what counts, look for words in it, save it to a file.
#[component]
pub(crate) fn Menu() -> impl IntoView {
    let app = App::here();
    let export = app.session.export;
    let going = move || export.with(|export| matches!(export, Export::Going { .. }));
    let said = move || match export.get() {
        Export::No => String::new(),
        Export::Going { done, all } => words::export_going(done, all),
    };
    // The one that opens the search stands in the log, with the field.
    let find = move |_| {
        if let Ok(Some(opener)) = document().query_selector("[data-testid=search-open]") {
            let _ =
                wasm_bindgen::JsCast::dyn_into::<web_sys::HtmlElement>(opener).map(|opener| opener.click());
        }
    };
    let as_format = move |format: Format| {
        view! {
            <button class="menu-item" data-testid="export" data-format=format.ending()
                on:click=move |_| app.send(Command::Export(Some(format)))>{words::export_as(format.name())}</button>
        }
    };
    view! {
        <span class="head-menu">
            <span class="head-export" role="status" hidden=move || !going()>
                {said}
                <button class="link" data-testid="export-stop" on:click=move |_| app.send(Command::Export(None))>{words::export_stop()}</button>
            </span>
            <button class="head-more" data-testid="session-menu" popovertarget="session-menu" aria-label=words::menu()>"⋯"</button>
            <div class="menu" id="session-menu" popover="auto">
                <button class="menu-item" popovertarget="session-menu" hidden=move || !jumps::has_answer(app)
                    on:click=move |_| jumps::last_answer(app)>{words::answer_last()}</button>
                <button class="menu-item" popovertarget="session-menu" hidden=move || !jumps::waits(app)
                    on:click=move |_| jumps::next_request(app)>{words::request_next()}</button>
                <button class="menu-item" popovertarget="session-menu" on:click=find>{words::find()}</button>
                {Format::ALL.map(as_format).collect_view()}
            </div>
        </span>
    }
}
