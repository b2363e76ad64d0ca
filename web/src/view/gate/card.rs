use std::sync::Arc;

use leptos::html::Div;
use leptos::prelude::*;
use portcullis_protocol::Tick;
use portcullis_protocol::role::Role;

use super::{Actions, Answer, ExactView, PlanForm, QuestionForm, Ticks};
use crate::state::app::App;
use crate::state::arming::{Allow, Arming};
use crate::state::ask::{Ask, Form};
use crate::state::session::AskEntry;
use crate::text::words;
use crate::view::shell::watch_size;

/// One request, from "what" to the buttons. Once it is answered only the ticks are left.
#[component]
pub(crate) fn Card(ask: Arc<Ask>) -> impl IntoView {
    let app = App::here();
    let id = ask.request_id.clone();
    let entry = Memo::new(move |_| {
        app.session.asks.with(|asks| asks.iter().find(|entry| entry.ask.request_id == id).cloned())
    });
    let waits = Memo::new(move |_| entry.with(|entry| entry.as_ref().is_some_and(AskEntry::waits)));
    let arming = use_arming(&ask, app);
    let body = NodeRef::<Div>::new();
    Effect::new(move |_| {
        if let Some(body) = body.get() {
            watch_size(&body, move || arming.moved());
        }
    });
    let asked = Arc::clone(&ask);
    view! {
        <div class="card" node_ref=body>
            <h3 class="card-what">{ask.what.clone()}</h3>
            <p class="card-where">{where_line(app, &ask)}</p>
            {move || waits.get().then(|| view! { <Open ask=Arc::clone(&asked) arming/> })}
            <Ticks entry/>
        </div>
    }
}

/// What is shown and asked while it waits.
#[component]
fn Open(ask: Arc<Ask>, arming: ArmingSignal) -> impl IntoView {
    let answers = RwSignal::new(match &ask.form {
        Form::Questions(questions) => vec![Answer::default(); questions.len()],
        Form::Permission | Form::Plan(_) => Vec::new(),
    });
    let exact = view! { <ExactView ask=Arc::clone(&ask) arming/> };
    let shown = match &ask.form {
        Form::Permission => exact.into_any(),
        Form::Plan(plan) => view! { <PlanForm plan=plan.clone()/>{exact} }.into_any(),
        Form::Questions(questions) => view! {
            <QuestionForm questions=questions.clone() answers/>
            <details class="as-asked" open=ask.exact.needs_reading><summary>"Exactly as it was asked"</summary>{exact}</details>
        }
        .into_any(),
    };
    let hints = ask.hints.iter().map(|hint| view! { <li>{hint.clone()}</li> }).collect_view();
    let remark = ask.remark.clone().map(|remark| {
        view! { <p class="card-remark"><span>"The agent says: "</span>{remark}</p> }
    });
    view! {
        {shown}
        {remark}
        <ul class="card-hints" hidden=ask.hints.is_empty()>{hints}</ul>
        <Actions ask=Arc::clone(&ask) arming answers/>
    }
}

/// Where and who, from the server's record.
fn where_line(app: App, ask: &Ask) -> impl Fn() -> String + Send + Sync + use<> {
    let (sub_agent, asked_at_ms, tool) = (ask.sub_agent.clone(), ask.asked_at_ms, ask.tool.clone());
    move || {
        let info = app.current();
        let machine = info.as_ref().and_then(|info| app.environment(info)).map(|one| one.machine_name);
        let directory = info.map(|info| info.directory).filter(|path| !path.is_empty());
        let who = sub_agent
            .as_ref()
            .map_or_else(|| "asked by the agent".to_owned(), |id| format!("asked by the sub-agent {id}"));
        let age = (asked_at_ms > 0).then(|| match words::age(app.clock_ms.get(), asked_at_ms).as_str() {
            "now" => "just now".to_owned(),
            age => format!("{age} ago"),
        });
        let parts = [machine, directory, Some(tool.clone()), Some(who), age];
        parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
    }
}

/// The arming of one card as signals.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ArmingSignal {
    state: RwSignal<Arming>,
    beat: RwSignal<u32>,
}

impl ArmingSignal {
    /// Whether "allow" may be pressed, for drawing the button.
    pub(crate) fn allow(self) -> Allow {
        self.beat.track();
        self.state.get().allow(now())
    }

    /// The same at the very click.
    pub(crate) fn is_armed(self) -> bool {
        self.state.get_untracked().allow(now()) == Allow::Armed
    }

    pub(crate) fn is_unfolded(self) -> bool {
        self.state.get().is_unfolded()
    }

    pub(crate) fn moved(self) {
        self.state.update(|state| state.moved(now()));
        self.settle();
    }

    pub(crate) fn unfold(self) {
        self.state.update(|state| state.unfold(now()));
        self.settle();
    }

    pub(crate) fn reach_end(self) {
        let before = self.state.get_untracked();
        let mut after = before;
        after.reach_end();
        if after != before {
            self.state.set(after);
        }
    }

    /// Looks again once the panel has stood still long enough.
    fn settle(self) {
        let wait = self.state.get_untracked().settles_at().since(now()) + 1;
        set_timeout(
            move || {
                self.beat.try_update(|beat| *beat = beat.wrapping_add(1));
            },
            std::time::Duration::from_millis(wait),
        );
    }
}

fn use_arming(ask: &Ask, app: App) -> ArmingSignal {
    let permitted = app
        .session
        .role
        .get_untracked()
        .or(app.role.get_untracked())
        .is_some_and(|role| role.covers(Role::Approver));
    let too_long = ask.exact.too_long || ask.denial_only.is_some();
    let state = Arming::new(now(), ask.exact.needs_reading, too_long).with_place(is_framed(), permitted);
    let arming = ArmingSignal { state: RwSignal::new(state), beat: RwSignal::new(0) };
    arming.settle();
    arming
}

/// Whether the page is inside another one, where nobody can know what a click was meant for.
fn is_framed() -> bool {
    let top = window().top().ok().flatten();
    top.is_none_or(|top| !js_sys::Object::is(&top, &window()))
}

fn now() -> Tick {
    let ms = window().performance().map_or(0.0, |performance| performance.now());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a browser's clock is positive and far below 2^53"
    )]
    let whole = ms.max(0.0) as u64;
    Tick(whole)
}
