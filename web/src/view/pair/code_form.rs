use leptos::prelude::*;

use crate::state::app::App;
use crate::state::command::Command;
use crate::words::pair as words;

/// A code by hand, for whom the link is on another screen.
#[component]
pub(crate) fn CodeForm() -> impl IntoView {
    let app = App::here();
    let code = RwSignal::new(String::new());
    let empty = move || code.with(|code| code.trim().is_empty());
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if !empty() {
            app.send(Command::Pair(pasted(&code.get_untracked())));
        }
    };
    view! {
        <form class="code-form" on:submit=submit>
            <label for="pair-code">{words::code()}</label>
            <input id="pair-code" class="field" data-testid="pair-code" autocomplete="off" autocapitalize="off"
                spellcheck="false" prop:value=code on:input:target=move |event| code.set(event.target().value())/>
            <button class="button" type="submit" disabled=empty>{words::pair()}</button>
        </form>
    }
}

/// A whole link may be pasted too.
fn pasted(text: &str) -> String {
    text.trim().rsplit("pair=").next().unwrap_or_default().to_owned()
}
