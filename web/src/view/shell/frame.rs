use leptos::prelude::*;
use portcullis_protocol::session::LinkView;

use super::{Bar, around_later, overlays_later};
use crate::state::app::App;
use crate::state::exact::literal;
use crate::state::route::Route;
use crate::state::session::SessionSignals;
use crate::view::inbox::inbox_later;
use crate::view::session::session_later;
use crate::view::settings::settings_later;
use crate::view::side::Side;
use crate::view::start::{Home, new_later};

/// Sessions at the side, and the place the address names.
#[component]
pub(crate) fn Frame() -> impl IntoView {
    let app = App::here();
    let place = Memo::new(move |_| app.route.with(Route::name));
    let session = Memo::new(move |_| app.route.with(|route| route.session().cloned()));
    title(app);
    mark_seen(app);
    view! {
        <div class="app" data-place=place>
            <Side/>
            <Bar/>
            {move || match (place.get(), session.get()) {
                ("session", Some(id)) => session_later::view_or_word(id),
                ("new", _) => new_later::view_or_word(),
                ("inbox", _) => inbox_later::view_or_word(),
                ("settings", _) => settings_later::view_or_word(),
                _ => view! { <Home/> }.into_any(),
            }}
            {around_later::view(|_| ().into_any())}
            {overlays_later::view(|_| ().into_any())}
        </div>
    }
}

/// The open session is seen as far as it goes, while somebody can see it.
fn mark_seen(app: App) {
    Effect::new(move |_| {
        let online = app.session.link.get() == LinkView::Online;
        if let Some(session) = app.current().filter(|_| online && !document().hidden()) {
            app.saw(&session.id, session.head_seq);
        }
    });
}

/// The tab's title says what waits, for whoever looks at another tab.
fn title(app: App) {
    Effect::new(move |_| {
        let here = waiting(app.session);
        let everywhere: u32 =
            app.lists.sessions.with(|all| all.iter().map(|session| session.pending_count).sum());
        let count = everywhere.max(here);
        let name = app.current().map_or_else(
            || "Portcullis".to_owned(),
            |session| format!("{} · Portcullis", literal(&session.title)),
        );
        document().set_title(&if count > 0 { format!("({count}) {name}") } else { name });
    });
}

fn waiting(session: SessionSignals) -> u32 {
    session
        .asks
        .with(|asks| u32::try_from(asks.iter().filter(|entry| entry.waits()).count()).unwrap_or(u32::MAX))
}
