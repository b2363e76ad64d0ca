use leptos::prelude::*;
use leptos::reactive::graph::{Observer, Subscriber as _};

/// A value read from signals that outlive the row which reads it. A signal keeps everybody who ever read it listed,
/// and tells them all whenever it is set; this one takes its name off the list when its row leaves the page.
pub(crate) fn passing<T>(read: impl Fn() -> T + Send + Sync + 'static) -> Memo<T>
where
    T: PartialEq + Send + Sync + 'static,
{
    let row = Owner::current();
    Memo::new(move |before: Option<&T>| {
        // Only once: what is read later is read under the same name.
        if let (None, Some(row), Some(me)) = (before, &row, Observer::get()) {
            row.with(|| on_cleanup(move || me.clear_sources(&me)));
        }
        read()
    })
}
