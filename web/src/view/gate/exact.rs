use std::ops::Range;
use std::sync::Arc;

use leptos::prelude::*;

use super::arming::ArmingSignal;
use super::{Reading, spans};
use crate::state::ask::Ask;
use crate::state::exact::{Body, Field};
use crate::words::gate as words;

/// The exact text, field by field. The middle of what is long is folded; opening one fold opens all.
#[component]
pub(crate) fn ExactView(ask: Arc<Ask>, required: bool, arming: ArmingSignal) -> impl IntoView {
    let reading = Reading::new(arming, required);
    let fields = ask.exact.fields.clone();
    let only = fields.len() == 1;
    view! {
        <div class="exact" data-testid="gate-exact" tabindex="0" role="group" aria-label=words::exactly_this()
            node_ref=reading.outer on:scroll=move |_| reading.look()>
            <div node_ref=reading.inner>
                {fields.into_iter().map(|field| view! { <FieldView field only arming/> }).collect_view()}
            </div>
        </div>
        <button class="button unfold" data-testid="gate-unfold" hidden=move || !ask.needs_reading || arming.is_unfolded()
            on:click=move |_| arming.unfold()>
            {words::show_all()}
        </button>
    }
}

#[component]
fn FieldView(field: Field, only: bool, arming: ArmingSignal) -> impl IntoView {
    let Field { name, remark, body } = field;
    let note = remark.then(|| view! { <span class="exact-note">{words::agents_words()}</span> });
    let name = crate::state::exact::literal(&name);
    view! {
        <div class="exact-field">
            <p class="exact-name" hidden=only && name == "command">{name.clone()}{note}</p>
            <BodyView body arming/>
        </div>
    }
}

/// One field's text or change.
#[component]
pub(crate) fn BodyView(body: Body, arming: ArmingSignal) -> impl IntoView {
    match body {
        Body::Text(text) => {
            let rows = text.lines.iter().map(|line| Row {
                number: line.number as u64,
                sign: None,
                content: spans(&line.spans, line.broken),
            });
            view! { <Rows rows=rows.collect() fold=text.fold.clone() arming/> }
        }
        Body::Change { rows, fold } => {
            let rows = rows.iter().map(|row| Row {
                number: row.number,
                sign: Some((row.sign.name(), row.sign.mark())),
                content: spans(&row.spans, row.broken),
            });
            view! { <Rows rows=rows.collect() fold arming/> }
        }
    }
}

struct Row {
    number: u64,
    sign: Option<(&'static str, &'static str)>,
    content: AnyView,
}

#[component]
fn Rows(rows: Vec<Row>, fold: Option<Range<usize>>, arming: ArmingSignal) -> impl IntoView {
    let fold = fold.unwrap_or(0..0);
    let folded = fold.len();
    let single = rows.len() == 1;
    let drawn = rows.into_iter().enumerate().map(|(at, row)| {
        let inside = fold.contains(&at);
        let gap = (folded > 0 && at == fold.start).then(|| {
            view! { <p class="exact-gap" hidden=move || arming.is_unfolded()>{words::lines_folded(folded)}</p> }
        });
        let (name, mark) = row.sign.unwrap_or(("same", ""));
        view! {
            {gap}
            <p class="exact-line" data-sign=name data-single=single hidden=move || inside && !arming.is_unfolded()>
                <span class="exact-number" aria-hidden="true">{(!single).then_some(row.number)}</span>
                <span class="exact-sign">{mark}</span>
                <code class="exact-text">{row.content}</code>
            </p>
        }
    });
    drawn.collect_view()
}
