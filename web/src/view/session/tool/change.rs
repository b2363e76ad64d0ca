use leptos::prelude::*;

use crate::text::diff::Row;

/// Rows drawn at first; the rest waits for a click.
const ROWS_SHOWN: usize = 200;

/// A change, line by line, with signs for those who do not see colours.
#[component]
pub(crate) fn ChangeTable(rows: Vec<Row>) -> impl IntoView {
    let all = RwSignal::new(rows.len() <= ROWS_SHOWN);
    let hidden = rows.len().saturating_sub(ROWS_SHOWN);
    let rows = StoredValue::new(rows);
    let drawn = move || {
        let shown = if all.get() { usize::MAX } else { ROWS_SHOWN };
        rows.with_value(|rows| rows.iter().take(shown).map(line).collect_view())
    };
    view! {
        <table class="change"><tbody>{drawn}</tbody></table>
        <button class="link" hidden=move || all.get() on:click=move |_| all.set(true)>
            "Show " {hidden} " more lines"
        </button>
    }
}

fn line(row: &Row) -> impl IntoView + use<> {
    view! {
        <tr class="change-row" data-sign=row.sign.name()>
            <td class="change-number">{row.number}</td>
            <td class="change-sign">{row.sign.mark()}</td>
            <td class="change-text">{row.text.clone()}</td>
        </tr>
    }
}
