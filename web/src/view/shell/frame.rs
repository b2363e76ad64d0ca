use leptos::prelude::*;

use super::{Announcer, Bar, Overlays, install_keys};
use crate::state::app::App;
use crate::state::exact::literal;
use crate::state::route::Route;
use crate::state::session::SessionSignals;
use crate::view::inbox::Inbox;
use crate::view::session::SessionPlace;
use crate::view::side::Side;
use crate::view::start::{Home, NewSession};

/// Sessions at the side, and the place the address names.
#[component]
pub(crate) fn Frame() -> impl IntoView {
    let app = App::here();
    let place = Memo::new(move |_| app.route.with(Route::name));
    let session = Memo::new(move |_| app.route.with(|route| route.session().cloned()));
    install_keys(app);
    title(app);
    view! {
        <div class="app" data-place=place>
            <Side/>
            <Bar/>
            {move || match (place.get(), session.get()) {
                ("session", Some(id)) => view! { <SessionPlace id/> }.into_any(),
                ("new", _) => view! { <NewSession/> }.into_any(),
                ("inbox", _) => view! { <Inbox/> }.into_any(),
                _ => view! { <Home/> }.into_any(),
            }}
            <Announcer/>
            <Overlays/>
        </div>
    }
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
