use leptos::prelude::*;
use web_sys::KeyboardEvent;

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
            <textarea class="field" data-testid="gate-deny-reason" rows="2" aria-label="Reason for the agent"
                placeholder="Reason for the agent, if you like" prop:value=reason
                on:input:target=move |event| reason.set(event.target().value()) on:keydown=on_key></textarea>
            <div class="buttons">
                <button class="button" on:click=move |_| on_back.run(())>"Back"</button>
                <button class="button deny" data-testid="gate-deny-send" on:click=move |_| send()>"Deny"</button>
            </div>
        </div>
    }
}
