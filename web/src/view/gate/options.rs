use std::sync::Arc;

use leptos::prelude::*;
use portcullis_protocol::approval::OptionKind;
use portcullis_protocol::role::Role;
use portcullis_protocol::session::Choice;

use super::actions::Hand;
use super::arming::ArmingSignal;
use super::{CHORD_HINT, Reading, ToldView, only_by_chord};
use crate::state::arming::Allow;
use crate::state::ask::{AgentOption, Ask};
use crate::words::gate as words;

/// The agent's own choices, each with what it means in our words and its name in the agent's.
#[component]
pub(crate) fn Options(ask: Arc<Ask>, hand: Hand, arming: ArmingSignal) -> impl IntoView {
    let rows = ask.options.iter().cloned().map(|option| view! { <OptionRow option hand arming/> });
    view! { <div class="offers" data-testid="gate-options">{rows.collect_view()}</div> }
}

#[component]
fn OptionRow(option: AgentOption, hand: Hand, arming: ArmingSignal) -> impl IntoView {
    let AgentOption { id, name, kind } = option;
    let reading = Reading::new(arming, false);
    let too_long = name.is_too_long();
    let means = match &kind {
        OptionKind::AllowOnce => words::option_allow_once(),
        OptionKind::AllowAlways => words::option_allow_always(),
        OptionKind::RejectOnce => words::option_reject_once(),
        OptionKind::RejectAlways => words::option_reject_always(),
        OptionKind::Other(_) => words::option_other(),
    };
    let allows = kind.allows();
    // What an allow covers that lasts is known to the agent alone.
    let owner = kind != OptionKind::AllowAlways || hand.role().is_some_and(|role| role.covers(Role::Owner));
    let armed = move || !too_long && owner && reading.seen.get().is_whole() && arming.allow() == Allow::Armed;
    let open = move || match allows {
        Some(true) => armed(),
        Some(false) => true,
        None => false,
    };
    let only_chord = move |event: &web_sys::KeyboardEvent| {
        if allows != Some(false) {
            only_by_chord(event);
        }
    };
    let pick = move |_| {
        if untrack(open) && (allows == Some(false) || arming.is_armed()) {
            hand.decide(Choice::Pick { option_id: id.clone() });
        }
    };
    view! {
        <div class="offer" data-testid="gate-option-row">
            <div class="offer-rule" tabindex="0" node_ref=reading.outer on:scroll=move |_| reading.look()>
                <div node_ref=reading.inner><span class="exact-note">{words::the_agent_says()}</span><ToldView told=name arming/></div>
            </div>
            <p class="card-remark" hidden=owner>{words::owner_alone()}</p>
            <button class="button" data-testid="gate-option" data-kind=kind.as_str().to_owned() aria-describedby=CHORD_HINT
                on:keydown=move |event| only_chord(&event) on:keyup=move |event| only_chord(&event)
                disabled=move || !open() on:click=pick>{means}</button>
        </div>
    }
}
