use leptos::prelude::*;

use super::{ChangeTable, OutputView};
use crate::state::tool::{Detail, Todo};
use crate::view::later::later;
use crate::view::markdown::{as_said, said_later};

later! {
    /// What a tool call opens to.
    rich: fn detail_later(detail: Detail) { view! { <DetailView detail/> }.into_any() }
}

#[component]
fn DetailView(detail: Detail) -> impl IntoView {
    match detail {
        Detail::Command { command, output } => view! {
            <div class="detail">
                <pre class="command" hidden=!command.contains('\n')><code>{command.clone()}</code></pre>
                <OutputView text=output/>
            </div>
        }
        .into_any(),
        Detail::Change(rows) => view! { <div class="detail"><ChangeTable rows/></div> }.into_any(),
        Detail::Todo(todos) => {
            view! { <ul class="todos">{todos.into_iter().map(todo).collect_view()}</ul> }.into_any()
        }
        Detail::Plan(plan) => {
            let said = Memo::new(move |_| (plan.clone(), false));
            view! { <div class="detail plan">{said_later::view(said, move |_| as_said(said))}</div> }
                .into_any()
        }
        Detail::Plain { input, output } => view! {
            <div class="detail">
                <pre class="plain" hidden=input.is_empty()><code>{input.clone()}</code></pre>
                <OutputView text=output/>
            </div>
        }
        .into_any(),
    }
}

fn todo(todo: Todo) -> impl IntoView {
    let words = match todo.status.as_str() {
        "completed" => "done: ",
        "in_progress" => "in progress: ",
        _ => "to do: ",
    };
    view! {
        <li class="todo" data-state=todo.status>
            <i class="mark" aria-hidden="true"></i>
            <span class="unseen">{words}</span>
            {todo.content}
        </li>
    }
}
