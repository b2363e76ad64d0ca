use leptos::prelude::*;

use crate::state::ask::Question;
use crate::state::exact::literal;
use crate::words::gate as words;

/// What was chosen and typed for one question.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answer {
    chosen: Vec<usize>,
    other: String,
}

impl Answer {
    pub(crate) fn is_given(&self) -> bool {
        !self.chosen.is_empty() || !self.other.trim().is_empty()
    }
}

/// The agent's questions as a form. Everything the agent wrote is shown as its text, hidden characters named.
#[component]
pub(crate) fn QuestionForm(questions: Vec<Question>, answers: RwSignal<Vec<Answer>>) -> impl IntoView {
    view! {
        <div class="questions">
            {questions.into_iter().enumerate().map(|(at, question)| view! { <QuestionView at question answers/> }).collect_view()}
        </div>
    }
}

#[component]
fn QuestionView(at: usize, question: Question, answers: RwSignal<Vec<Answer>>) -> impl IntoView {
    let many = question.multi_select;
    let kind = if many { "checkbox" } else { "radio" };
    let change = move |edit: &dyn Fn(&mut Answer)| {
        answers.update(|answers| answers.get_mut(at).into_iter().for_each(edit))
    };
    let options = question.options.iter().enumerate().map(|(index, option)| {
        let pick = move |on: bool| {
            change(&|answer: &mut Answer| {
                if !many {
                    answer.chosen.clear();
                }
                answer.chosen.retain(|other| *other != index);
                if on {
                    answer.chosen.push(index);
                    answer.chosen.sort_unstable();
                }
            });
        };
        view! {
            <label class="option">
                <input type=kind name=format!("question-{at}") on:change:target=move |event| pick(event.target().checked())/>
                <span>{literal(&option.label)}<small hidden=option.description.is_empty()>{literal(&option.description)}</small></span>
            </label>
        }
    });
    let options = options.collect_view();
    let other = move |text: String| change(&|answer: &mut Answer| answer.other.clone_from(&text));
    view! {
        <fieldset class="question">
            <legend>{literal(&question.question)}</legend>
            {options}
            <input class="field" placeholder=words::something_else() aria-label=words::something_else() on:input:target=move |event| other(event.target().value())/>
        </fieldset>
    }
}

/// Answers by the full text of their question, several joined as agents expect them.
pub(crate) fn texts(questions: &[Question], answers: &[Answer]) -> Vec<(String, String)> {
    let text = |(question, answer): (&Question, &Answer)| {
        let labels = answer
            .chosen
            .iter()
            .filter_map(|index| question.options.get(*index))
            .map(|option| option.label.as_str());
        let other = Some(answer.other.trim()).filter(|other| !other.is_empty());
        let parts: Vec<&str> = labels.chain(other).collect();
        (question.question.clone(), parts.join(", "))
    };
    questions.iter().zip(answers).map(text).collect()
}
