use leptos::prelude::*;

use super::CodeForm;
use crate::state::app::{App, Phase};
use crate::state::command::Command;
use crate::state::storage::StorageTrouble;

/// One sentence about where pairing stands, and the one thing to do about it.
#[component]
pub(crate) fn PairPage() -> impl IntoView {
    let app = App::here();
    let retry = move |_| app.send(Command::Retry);
    let sign_in = move |_| app.send(Command::SignIn);
    view! {
        <main class="alone">
            <p class="brand"><span class="brand-mark" aria-hidden="true"></span>"Portcullis"</p>
            <div data-testid="pair-status" role="status" class="pair-status">
                <h1>{move || heading(&app.phase.get())}</h1>
                <p>{move || explanation(&app.phase.get())}</p>
            </div>
            {move || match app.phase.get() {
                Phase::Unpaired(_) | Phase::LoggedOut { keeps_key: false } => view! { <CodeForm/> }.into_any(),
                Phase::LoggedOut { keeps_key: true } => {
                    view! { <button class="button" data-testid="sign-in" on:click=sign_in>"Sign in again"</button> }.into_any()
                }
                Phase::Confirming { code } => view! { <output class="confirm-code">{code}</output> }.into_any(),
                Phase::Unreachable => view! { <button class="button" on:click=retry>"Try now"</button> }.into_any(),
                Phase::Starting | Phase::Pairing | Phase::Blocked | Phase::Unsupported(_) | Phase::Ready => {
                    ().into_any()
                }
            }}
        </main>
    }
}

fn heading(phase: &Phase) -> &'static str {
    match phase {
        Phase::Starting | Phase::Ready => "Starting",
        Phase::Pairing => "Pairing this browser",
        Phase::Unpaired(None) => "This browser is not paired yet.",
        Phase::Unpaired(Some(_)) => "This browser could not be paired.",
        Phase::Confirming { .. } => "Waiting for the owner.",
        Phase::Unreachable => "The server does not answer.",
        Phase::Unsupported(_) => "This browser cannot be paired.",
        Phase::Blocked => "Another tab is in the way.",
        Phase::LoggedOut { .. } => "You are logged out.",
    }
}

fn explanation(phase: &Phase) -> String {
    match phase {
        Phase::Starting | Phase::Ready => "Looking for this browser's key.".into(),
        Phase::Pairing => "Exchanging the code for a key that never leaves this browser.".into(),
        Phase::Unpaired(None) => {
            "Open the link that portcullis printed when it started, or enter the pairing code from it.".into()
        }
        Phase::Unpaired(Some(reason)) => format!("{}.", reason.trim_end_matches('.')),
        Phase::Confirming { .. } => {
            "Another browser that is already paired shows a request with this code. Compare both, then confirm there.".into()
        }
        Phase::Unreachable => "It is asked again and again. Is portcullis still running?".into(),
        Phase::Unsupported(reason) => reason.clone(),
        Phase::Blocked => StorageTrouble::Blocked.to_string(),
        Phase::LoggedOut { keeps_key: true } => {
            "What was written here and not sent is gone from this browser. It stays paired, because it may be the only owner's: whoever uses it can sign in again.".into()
        }
        Phase::LoggedOut { keeps_key: false } => {
            "What was written here and not sent is gone from this browser, and so is its key. To come back, pair it with a fresh link.".into()
        }
    }
}
