use leptos::prelude::*;

use crate::state::change::{self, Pair};
use crate::text::diff::{Row, Sign};
use crate::words::tool as words;

/// Rows drawn at first; the rest waits for a click.
const ROWS_SHOWN: usize = 200;
/// Where the choice between the two forms is kept, on this device.
const KEPT_AS: &str = "portcullis.diff";

/// A change, line by line or side by side, with signs for those who do not see colours.
#[component]
pub(crate) fn ChangeTable(rows: Vec<Row>) -> impl IntoView {
    let all = RwSignal::new(rows.len() <= ROWS_SHOWN);
    let hidden = rows.len().saturating_sub(ROWS_SHOWN);
    let split = RwSignal::new(is_split());
    let rows = StoredValue::new(rows);
    let shown = move || if all.get() { usize::MAX } else { ROWS_SHOWN };
    let drawn = move || {
        rows.with_value(|rows| {
            let rows = &rows[..rows.len().min(shown())];
            if split.get() {
                change::pairs(rows).iter().map(beside).collect_view().into_any()
            } else {
                let spans = change::changed_within(rows);
                rows.iter().zip(spans).map(|(row, span)| line(row, span)).collect_view().into_any()
            }
        })
    };
    let other = move || if split.get() { words::unified() } else { words::side_by_side() };
    let turn = move |_| {
        split.update(|split| *split = !*split);
        keep(split.get_untracked());
    };
    view! {
        <button class="link change-form" data-testid="diff-form" on:click=turn>{other}</button>
        <table class="change" dir="ltr" data-split=move || split.get().to_string()>
            <thead class="unseen"><tr>{move || headings(split.get())}</tr></thead>
            <tbody>{drawn}</tbody>
        </table>
        <Show when=move || !all.get()>
            <button class="link" on:click=move |_| all.set(true)>{words::show_lines(hidden)}</button>
        </Show>
    }
}

/// What the columns are, for who does not see them.
fn headings(split: bool) -> AnyView {
    let all: &[&str] = match split {
        true => {
            &[words::line(), words::sign(), words::before(), words::line(), words::sign(), words::after()]
        }
        false => &[words::line(), words::sign(), words::text()],
    };
    all.iter().map(|heading| view! { <th scope="col">{*heading}</th> }).collect_view().into_any()
}

fn is_split() -> bool {
    let storage = window().local_storage().ok().flatten();
    storage.and_then(|storage| storage.get_item(KEPT_AS).ok().flatten()).as_deref() == Some("split")
}

fn keep(split: bool) {
    if let Ok(Some(storage)) = window().local_storage() {
        let _ = storage.set_item(KEPT_AS, if split { "split" } else { "unified" });
    }
}

/// The part of a line that is not as before is marked, where most of the line is.
fn text(row: &Row, span: Option<(usize, usize)>) -> AnyView {
    match span.and_then(|(from, to)| Some((row.text.get(..from)?, row.text.get(from..to)?, row.text.get(to..)?))) {
        Some((before, changed, after)) => {
            view! { {before.to_owned()}<mark class="change-part">{changed.to_owned()}</mark>{after.to_owned()} }.into_any()
        }
        None => row.text.clone().into_any(),
    }
}

fn line(row: &Row, span: Option<(usize, usize)>) -> impl IntoView + use<> {
    view! {
        <tr class="change-row" data-sign=row.sign.name()>
            <td class="change-number">{row.number}</td>
            <td class="change-sign">{row.sign.mark()}</td>
            <td class="change-text">{text(row, span)}</td>
        </tr>
    }
}

fn beside(pair: &Pair<'_>) -> impl IntoView + use<> {
    let side = |row: Option<&Row>, span| {
        match row {
        Some(row) => view! {
            <td class="change-number" data-sign=row.sign.name()>{row.number}</td>
            <td class="change-sign" data-sign=row.sign.name()>{row.sign.mark()}</td>
            <td class="change-text" data-sign=row.sign.name()>{text(row, span)}</td>
        }
        .into_any(),
        None => view! { <td class="change-number"></td><td class="change-sign"></td><td class="change-text"></td> }.into_any(),
    }
    };
    let same = pair.old.is_some_and(|row| row.sign == Sign::Same);
    view! {
        <tr class="change-row" data-sign=if same { "same" } else { "pair" }>
            {side(pair.old, pair.old_span)}{side(pair.new, pair.new_span)}
        </tr>
    }
}
