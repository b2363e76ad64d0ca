use leptos::prelude::*;

use crate::state::app::App;
use crate::state::command::Command;

/// What is typed at `place`: it comes back after a reload, a crash, or when it could not be sent, and what is changed is
/// kept. What a person types meanwhile is never overwritten.
pub(crate) fn use_draft(app: App, place: String) -> RwSignal<String> {
    let text = RwSignal::new(String::new());
    let here = place.clone();
    Effect::new(move |_| {
        let back = app.draft.with(|draft| draft.as_ref().filter(|(place, _)| *place == here).cloned());
        if let Some((_, typed)) = back {
            app.draft.set(None);
            if text.with_untracked(String::is_empty) {
                text.set(typed);
            }
        }
    });
    let kept = place.clone();
    Effect::new(move |before: Option<bool>| {
        let typed = text.get();
        // An empty field that was never anything else is no news.
        let is_news = before == Some(true) || !typed.is_empty();
        if is_news {
            app.send(Command::Typed { place: kept.clone(), text: typed });
        }
        is_news
    });
    app.send(Command::Draft(place));
    text
}
