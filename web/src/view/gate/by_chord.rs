//! Buttons that allow take no plain key: who presses Enter or Space where the focus happens to be has not read anything.
//! The chord is heard by the page's keys; a click that is no key, as a screen reader makes it, stays a click.

use leptos::prelude::*;
use web_sys::KeyboardEvent;

/// Id of the sentence that names the chord.
pub(crate) const CHORD_HINT: &str = "gate-chord";

/// For `keydown` and `keyup` (where a space clicks in some browsers) of a button that allows.
pub(crate) fn only_by_chord(event: &KeyboardEvent) {
    let chord = event.key() == "Enter" && (event.ctrl_key() || event.meta_key());
    if matches!(event.key().as_str(), "Enter" | " ") && !chord {
        event.prevent_default();
    }
}

/// Says the chord to who uses keys.
#[component]
pub(crate) fn ChordHint() -> impl IntoView {
    view! { <p class="chord-hint" id=CHORD_HINT>{crate::words::gate::by_chord()}</p> }
}
