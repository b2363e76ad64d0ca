use leptos::prelude::*;

use crate::state::app::App;
use crate::state::command::Command;
use crate::state::route::Route;

/// A link to another place of this page. Who wants it in a tab of its own gets it there.
#[component]
pub(crate) fn PlaceLink(
    route: Route,
    class: &'static str,
    name: &'static str,
    children: Children,
) -> impl IntoView {
    let app = App::here();
    let (path, here) = (route.path(), route.clone());
    let current = move || app.route.with(|route| *route == here).then_some("page");
    let go = move |event: leptos::ev::MouseEvent| {
        if !(event.ctrl_key() || event.meta_key() || event.shift_key()) {
            event.prevent_default();
            app.send(Command::Go(route.clone()));
        }
    };
    view! {
        <a class=class href=path data-testid=name aria-current=current on:click=go>{children()}</a>
    }
    .into_any()
}
