use leptos::prelude::*;

use super::CodeForm;
use crate::state::app::{App, Key, Phase};
use crate::state::command::Command;
use crate::state::storage::StorageTrouble;
use crate::view::later::later;
use crate::view::shell::CopyLine;
use crate::words::pair as words;

/// What lets an owner in again who has no device left.
const RESET: &str = "portcullis pair --local-reset";

later! {
    /// Before this browser is known.
    work: fn pair_later() { view! { <PairPage/> }.into_any() }
}

/// One sentence about where pairing stands, and the one thing to do about it.
#[component]
pub(crate) fn PairPage() -> impl IntoView {
    let app = App::here();
    let retry = move |_| app.send(Command::Retry);
    let remove_key = move |_| app.send(Command::RemoveKey);
    let sign_in = move |_| app.send(Command::SignIn);
    view! {
        <main class="alone">
            <div class="brand"><span class="brand-mark" aria-hidden="true"></span>"Portcullis"</div>
            <div data-testid="pair-status" role="status" class="pair-status">
                <h1>{move || heading(&app.phase.get())}</h1>
                <p>{move || explanation(&app.phase.get())}</p>
            </div>
            {move || match app.phase.get() {
                Phase::Unpaired(_) | Phase::LoggedOut(Key::Gone) => {
                    view! {
                        <CodeForm/>
                        <p class="hint">{words::fresh_link()}</p>
                        <CopyLine text="portcullis pair"/>
                    }
                    .into_any()
                }
                Phase::LoggedOut(Key::Kept) => {
                    view! {
                        <button class="button" data-testid="sign-in" on:click=sign_in>{words::sign_in()}</button>
                        <p class="hint">{words::remove_key_why()}</p>
                        <CopyLine text=RESET/>
                        <button class="button deny" data-testid="remove-key" on:click=remove_key>{words::remove_key()}</button>
                    }
                    .into_any()
                }
                Phase::LoggedOut(Key::Removed) => {
                    view! { <CopyLine text=RESET/><CodeForm/> }.into_any()
                }
                Phase::Confirming { code } => view! { <output class="confirm-code">{code}</output> }.into_any(),
                Phase::Unreachable => view! { <button class="button" on:click=retry>{words::try_now()}</button> }.into_any(),
                Phase::Starting | Phase::Pairing | Phase::Blocked | Phase::Unsupported(_) | Phase::Ready => {
                    ().into_any()
                }
            }}
        </main>
    }
}

fn heading(phase: &Phase) -> &'static str {
    match phase {
        Phase::Starting | Phase::Ready => words::starting(),
        Phase::Pairing => words::pairing(),
        Phase::Unpaired(None) => words::unpaired(),
        Phase::Unpaired(Some(_)) => words::failed(),
        Phase::Confirming { .. } => words::confirming(),
        Phase::Unreachable => words::unreachable(),
        Phase::Unsupported(_) => words::unsupported(),
        Phase::Blocked => words::blocked(),
        Phase::LoggedOut(_) => words::logged_out(),
    }
}

fn explanation(phase: &Phase) -> String {
    let text = match phase {
        Phase::Starting | Phase::Ready => words::starting_why(),
        Phase::Pairing => words::pairing_why(),
        Phase::Unpaired(None) => words::unpaired_why(),
        Phase::Unpaired(Some(reason)) if reason.ends_with('。') => reason,
        Phase::Unpaired(Some(reason)) => return format!("{}.", reason.trim_end_matches('.')),
        Phase::Confirming { .. } => words::confirming_why(),
        Phase::Unreachable => words::unreachable_why(),
        Phase::Unsupported(reason) => reason,
        Phase::Blocked => StorageTrouble::Blocked.words(),
        Phase::LoggedOut(Key::Kept) => words::logged_out_keeps_key(),
        Phase::LoggedOut(Key::Gone) => words::logged_out_no_key(),
        Phase::LoggedOut(Key::Removed) => words::logged_out_removed(),
    };
    text.to_owned()
}
