use leptos::prelude::*;
use web_sys::KeyboardEvent;

use crate::words::gate as words;

/// The reason is optional, and becomes what the agent reads.
#[component]
pub(crate) fn Denial(on_deny: Callback<String>, on_back: Callback<()>) -> impl IntoView {
    let reason = RwSignal::new(String::new());
    let send = move || on_deny.run(reason.get_untracked().trim().to_owned());
    let on_key = move |event: KeyboardEvent| match event.key().as_str() {
        "Enter" if !event.shift_key() && !event.is_composing() => {
            event.prevent_default();
            send();
        }
        "Escape" => {
            event.prevent_default();
            on_back.run(());
        }
        _ => {}
    };
    view! {
        <div class="denial">
            <textarea class="field" data-testid="gate-deny-reason" rows="2" aria-label=words::reason_label()
                placeholder=words::reason_hint() prop:value=reason
                on:input:target=move |event| reason.set(event.target().value()) on:keydown=on_key></textarea>
            <div class="buttons">
                <button class="button" on:click=move |_| on_back.run(())>{words::back()}</button>
                <button class="button deny" data-testid="gate-deny-send" on:click=move |_| send()>{words::deny()}</button>
            </div>
        </div>
    }
}
