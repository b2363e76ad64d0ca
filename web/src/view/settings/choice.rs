use leptos::prelude::*;

use crate::state::prefs::Pref;

/// One of a few values, kept in this browser.
#[component]
pub(crate) fn Choice(
    pref: Pref,
    label: &'static str,
    /// In the order of [`Pref::values`].
    names: Vec<&'static str>,
    #[prop(optional)] then: Option<Callback<()>>,
) -> impl IntoView {
    let now = pref.get();
    let options = pref.values().iter().zip(names).map(|(value, name)| {
        view! { <option value=*value selected=*value == now>{name}</option> }.into_any()
    });
    let choose = move |value: String| {
        pref.set(&value);
        if let Some(then) = then {
            then.run(());
        }
    };
    view! {
        <label class="labelled">
            <span>{label}</span>
            <select class="field" data-testid=pref.key() on:change:target=move |event| choose(event.target().value())>
                {options.collect_view()}
            </select>
        </label>
    }
    .into_any()
}

/// On or off, kept in this browser.
#[component]
pub(crate) fn Switch(
    pref: Pref,
    label: &'static str,
    #[prop(optional)] then: Option<Callback<bool>>,
) -> impl IntoView {
    // The default comes first, and what may be switched off is on by default.
    let off_by_default = pref.values().contains(&"on");
    let is_on = (pref.get() != "") == off_by_default;
    let switch = move |on: bool| {
        pref.set(if on == off_by_default { if on { "on" } else { "off" } } else { "" });
        if let Some(then) = then {
            then.run(on);
        }
    };
    view! {
        <label class="switch">
            <input type="checkbox" data-testid=pref.key() prop:checked=is_on
                on:change:target=move |event| switch(event.target().checked())/>
            <span>{label}</span>
        </label>
    }
    .into_any()
}
