use leptos::prelude::*;

use super::{ChangeTable, OutputView, PictureView};
use crate::state::tool::detail::{Detail, Todo};
use crate::text::links;
use crate::view::later::later;
use crate::view::markdown::{Code, as_said, link_view, said_later};
use crate::words::tool as said;

later! {
    /// What a tool call opens to.
    rich: fn detail_later(details: Vec<Detail>) { view! { <DetailView details/> }.into_any() }
}

#[component]
fn DetailView(details: Vec<Detail>) -> impl IntoView {
    view! { <div class="detail">{details.into_iter().map(part).collect_view()}</div> }
}

fn part(part: Detail) -> AnyView {
    match part {
        Detail::Source(text) => view! { <OutputView text class="command"/> }.into_any(),
        Detail::Output(text) => view! { <OutputView text class="output"/> }.into_any(),
        Detail::Lines { first, text } => view! { <Code text first/> }.into_any(),
        Detail::Change(rows) => view! { <ChangeTable rows/> }.into_any(),
        Detail::Todo(todos) => {
            view! { <ul class="todos">{todos.into_iter().map(todo).collect_view()}</ul> }.into_any()
        }
        Detail::Prose(text) => {
            let said = Memo::new(move |_| (text.clone(), false));
            view! { <div class="detail-prose">{said_later::view(said, move |_| as_said(said))}</div> }
                .into_any()
        }
        Detail::Answers(pairs) => {
            let pair = |(question, answer): (String, String)| {
                let answered = !answer.is_empty();
                let answer = if answered { answer } else { said::unanswered().to_owned() };
                view! { <dt dir="auto">{question}</dt><dd dir="auto" data-answered=answered.to_string()>{answer}</dd> }
            };
            view! { <dl class="answers">{pairs.into_iter().map(pair).collect_view()}</dl> }.into_any()
        }
        Detail::Links(pages) => {
            let link = |(title, url): (String, String)| {
                let target = links::judge(&url, &title);
                view! { <li>{link_view(&target, title.clone().into_any(), &title)}</li> }
            };
            view! { <ul class="links">{pages.into_iter().map(link).collect_view()}</ul> }.into_any()
        }
        Detail::Fields(fields) => {
            let field = |(name, value): (String, String)| {
                view! { <dt>{name}</dt><dd><OutputView text=value class="field-value"/></dd> }
            };
            view! { <dl class="fields">{fields.into_iter().map(field).collect_view()}</dl> }.into_any()
        }
        Detail::Remark(text) => view! { <p class="remark" dir="auto">{text}</p> }.into_any(),
        Detail::Label(text) => view! { <p class="label">{text}</p> }.into_any(),
        Detail::Picture(picture) => view! { <PictureView picture/> }.into_any(),
    }
}

fn todo(todo: Todo) -> impl IntoView {
    let words = match todo.status.as_str() {
        "completed" => said::status_done(),
        "in_progress" => said::status_doing(),
        _ => said::status_open(),
    };
    view! {
        <li class="todo" data-state=todo.status>
            <i class="mark" aria-hidden="true"></i>
            <span class="unseen">{words}</span>
            <bdi>{todo.content}</bdi>
        </li>
    }
}
