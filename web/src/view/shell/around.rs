use leptos::prelude::*;

use super::{Announcer, install_keys};
use crate::state::app::App;
use crate::view::later::later;

later! {
    /// What is around every place: keys, and what is said to those who do not see.
    work: fn around_later() {
        install_keys(App::here());
        view! { <Announcer/> }.into_any()
    }
}
