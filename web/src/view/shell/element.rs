//! Small things that only the page itself can do.

use leptos::prelude::*;
use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::Closure;
use web_sys::{Element, HtmlElement, ResizeObserver};

use crate::state::exact::literal;
use crate::words::Language;

/// Moves the focus to the first element that matches.
pub(crate) fn focus(selector: &str) {
    if let Ok(Some(element)) = document().query_selector(selector)
        && let Some(element) = element.dyn_ref::<HtmlElement>()
    {
        let _ = element.focus();
    }
}

/// A short text from outside: what hides in it is named, and it reorders nothing around it.
pub(crate) fn told(text: &str) -> AnyView {
    view! { <bdi class="told">{literal(text)}</bdi> }.into_any()
}

/// A moment as people write it where they live: date and time, to the minute.
pub(crate) fn moment(ms: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
    let date = js_sys::Date::new(&(ms as f64).into());
    let options = js_sys::Object::new();
    for (name, value) in [("dateStyle", "medium"), ("timeStyle", "short")] {
        let _ = js_sys::Reflect::set(&options, &name.into(), &value.into());
    }
    date.to_locale_string(Language::spoken().tag(), &options).into()
}

/// Calls `then` whenever the size of `element` changes, until the component is gone.
pub(crate) fn watch_size(element: &Element, then: impl Fn() + 'static) {
    let callback = Closure::<dyn Fn()>::new(then);
    let Ok(observer) = ResizeObserver::new(callback.as_ref().unchecked_ref()) else { return };
    observer.observe(element);
    let kept = StoredValue::new_local((observer, callback));
    on_cleanup(move || kept.with_value(|(observer, _)| observer.disconnect()));
}
