use leptos::prelude::*;
use portcullis_protocol::role::Role;
use portcullis_protocol::wire::decisions::DecisionEntry;

use crate::state::app::App;
use crate::state::command::Command;
use crate::state::exact::literal;
use crate::state::grant::{Grant, asked, outcome};
use crate::state::route::Route;
use crate::view::shell::{PlaceLink, moment, told};
use crate::words::settings as words;

/// Who decided what on which bytes, newest first.
#[component]
pub(crate) fn Decisions() -> impl IntoView {
    let app = App::here();
    let list = app.lists.decisions;
    Effect::new(move |_| {
        if app.may(Role::Approver) {
            app.send(Command::Decisions { granted: false, more: false });
        }
    });
    let none = move || list.with(|list| list.loaded && list.rows.is_empty());
    let older = move |_| app.send(Command::Decisions { granted: false, more: true });
    view! {
        <section aria-labelledby="set-decisions">
            <h2 id="set-decisions">{words::decisions()}</h2>
            <p class="hint">{words::decisions_why()}</p>
            <p class="hint" hidden=move || app.may(Role::Approver)>{words::approvers_only()}</p>
            <p class="hint" hidden=move || !none()>{words::no_decisions()}</p>
            <div class="cards" data-testid="decisions">
                <For each=move || list.get().rows key=|entry| (entry.id, entry.state as u8)
                    children=|entry| view! { <Decision entry/> }.into_any()/>
            </div>
            <button class="link" hidden=move || !list.with(|list| list.more) on:click=older>{words::older()}</button>
        </section>
    }
    .into_any()
}

/// One line; the bytes are drawn when somebody opens it.
#[component]
fn Decision(entry: DecisionEntry) -> impl IntoView {
    let open = RwSignal::new(false);
    let verdict = match entry.behavior.as_str() {
        "allow" if entry.edited_input.is_some() => words::allowed_edited().to_owned(),
        "allow" => words::allowed().to_owned(),
        "deny" => words::denied().to_owned(),
        other => words::answered(literal(other)),
    };
    let when = moment(entry.decided_at_ms.unwrap_or(entry.asked_at_ms));
    let who = words::by_device(literal(&entry.decided_by));
    let (behavior, what) = (literal(&entry.behavior), asked(&entry.request));
    let entry = StoredValue::new(entry);
    view! {
        <details class="decision" data-testid="decision" data-behavior=behavior
            on:toggle:target=move |event| open.set(event.target().has_attribute("open"))>
            <summary>
                <span class="decision-verdict">{verdict}</span> " "
                <code class="decision-what">{what}</code>
                <span class="hint">{who} " · " {when}</span>
            </summary>
            {move || open.get().then(|| entry.with_value(detail))}
        </details>
    }
    .into_any()
}

fn detail(entry: &DecisionEntry) -> AnyView {
    let text = |name: &'static str, text: &str| {
        let text = literal(text);
        view! { <dt>{name}</dt><dd><pre class="source">{text}</pre></dd> }.into_any()
    };
    let outcome = match &entry.reason {
        Some(reason) => format!("{} ({})", outcome(entry.state), literal(reason)),
        None => outcome(entry.state).to_owned(),
    };
    let edited = entry.edited_input.as_ref().map(|input| text(words::edited_to(), input.as_str()));
    let said = entry.message.as_ref().map(|message| text(words::said(), message));
    let granted: Vec<String> = entry.granted.iter().map(|raw| Grant::read(raw).literal).collect();
    let granted = (!granted.is_empty()).then(|| text(words::granted_too(), &granted.join("\n")));
    let session = Route::Session(entry.session_id.clone());
    let (digest, title) = (entry.digest.clone(), told(&entry.session_title));
    let asked = text(words::asked(), entry.request.as_str());
    view! {
        <dl class="decision-detail">
            {asked} {edited} {said} {granted}
            <dt>{words::outcome()}</dt><dd>{outcome}</dd>
            <dt>{words::digest()}</dt><dd><code class="digest">{digest}</code></dd>
        </dl>
        <p><PlaceLink route=session class="quiet" name="decision-session">{words::open_session()} ": " {title}</PlaceLink></p>
    }
    .into_any()
}
