//! Starts the client in the page. There is nothing to start natively.

#[cfg(target_arch = "wasm32")]
fn main() {
    use portcullis_web::state::app::App;
    use portcullis_web::state::route::Route;
    use portcullis_web::{link, view};

    view::install_crash_page();
    portcullis_web::state::prefs::speak();
    let owner = leptos::prelude::Owner::new();
    owner.set();
    let app = App::new(Route::Home);
    leptos::mount::mount_to_body(move || view::Page(view::PageProps { app }));
    link::start(app);
    // The signals of the page live as long as the page.
    std::mem::forget(owner);
}

#[cfg(not(target_arch = "wasm32"))]
fn main() {}
