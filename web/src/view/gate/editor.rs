use std::sync::Arc;

use leptos::prelude::*;
use portcullis_protocol::RawJson;

use super::arming::ArmingSignal;
use super::exact::BodyView;
use super::{CHORD_HINT, Reading, only_by_chord};
use crate::state::arming::Allow;
use crate::state::edit::{Edit, EditError, Part};
use crate::words::gate as words;

/// The request as a text to change, and below it what that changes. The decision binds to the text of this difference.
#[component]
pub(crate) fn Editor(
    edit: Arc<Edit>,
    arming: ArmingSignal,
    on_allow: Callback<RawJson>,
    on_back: Callback<()>,
) -> impl IntoView {
    let text = RwSignal::new(edit.before.clone());
    let reading = Reading::new(arming, true);
    let label = match edit.part {
        Part::Command => words::command_edited(),
        Part::Whole => words::input_edited(),
    };
    let applied = {
        let edit = Arc::clone(&edit);
        Memo::new(move |_| text.with(|text| edit.apply(text)))
    };
    let blocked = move || applied.with(Result::is_err) || arming.allow() != Allow::Armed;
    let allow = move |_| {
        if let (Ok(input), true) = (applied.get_untracked(), arming.is_armed()) {
            on_allow.run(input);
        }
    };
    let change = move |value: String| {
        text.set(value);
        arming.moved();
        reading.forget();
    };
    view! {
        <div class="denial">
            <textarea class="field code-field" data-testid="gate-edit-text" rows="4" spellcheck="false" autocapitalize="off"
                aria-label=label prop:value=text on:input:target=move |event| change(event.target().value())></textarea>
            <p class="card-remark">{move || applied.get().err().map(|error| match error {
                EditError::Unchanged => words::unchanged(),
                EditError::NotJson => words::not_json(),
                EditError::Duplicate => words::duplicate(),
            })}</p>
            <div class="exact" data-testid="gate-difference" role="group" aria-label=words::what_you_changed() tabindex="0"
                node_ref=reading.outer on:scroll=move |_| reading.look() hidden=move || text.with(|text| *text == edit.before)>
                <div node_ref=reading.inner>{
                    let edit = Arc::clone(&edit);
                    move || view! { <BodyView body=text.with(|text| edit.difference(text)) arming/> }
                }</div>
            </div>
            <div class="buttons">
                <button class="button" on:click=move |_| on_back.run(())>{words::back()}</button>
                <button class="button allow" data-testid="gate-allow-edited" aria-describedby=CHORD_HINT
                    on:keydown=move |event| only_by_chord(&event) on:keyup=move |event| only_by_chord(&event)
                    disabled=blocked on:click=allow>{words::allow_as_edited()}</button>
            </div>
        </div>
    }
}
