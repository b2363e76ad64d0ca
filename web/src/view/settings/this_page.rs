use leptos::prelude::*;

use super::{Choice, Switch};
use crate::state::app::{App, Notifying};
use crate::state::command::Command;
use crate::state::prefs::Pref;
use crate::words::{Language, settings as words};

/// How this page looks, speaks and calls.
#[component]
pub(crate) fn ThisPage() -> impl IntoView {
    let app = App::here();
    let themes =
        vec![words::theme_system(), words::theme_light(), words::theme_dark(), words::theme_contrast()];
    let languages = vec![words::language_browser(), Language::English.name(), Language::Chinese.name()];
    // What is drawn already stays as it was said.
    let again = Callback::new(move |()| app.send(Command::Reload));
    let ask = Callback::new(move |on| {
        if on {
            app.send(Command::AskToNotify);
        }
    });
    let trouble = move || match app.notifying.get() {
        Notifying::Missing => Some(words::notify_missing()),
        Notifying::Denied => Some(words::notify_denied()),
        Notifying::Unasked | Notifying::Granted => None,
    };
    view! {
        <section aria-labelledby="set-page">
            <h2 id="set-page">{words::this_page()}</h2>
            <Choice pref=Pref::Theme label=words::theme() names=themes/>
            <Choice pref=Pref::Language label=words::language() names=languages then=again/>
            <Choice pref=Pref::Density label=words::density() names=vec![words::density_dense(), words::density_roomy()]/>
            <Switch pref=Pref::Keys label=words::keys()/>
            <Switch pref=Pref::Sound label=words::sound()/>
            <Switch pref=Pref::Notify label=words::notify() then=ask/>
            <p class="hint" role="status" data-testid="notify-trouble" hidden=move || trouble().is_none()>{trouble}</p>
            <p class="hint">{words::kept_here()}</p>
        </section>
    }
    .into_any()
}
