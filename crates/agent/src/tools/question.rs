//! Questions to the person. The answers come back inside the approved input, keyed by the full question text.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::ToolOutcome;

#[derive(Debug, Deserialize)]
pub(crate) struct Input {
    questions: Vec<Value>,
    answers: Option<Map<String, Value>>,
    annotations: Option<Value>,
}

impl Input {
    /// One to four questions, each with a text and two to four labelled options.
    pub(super) fn checked(self) -> Result<Self, String> {
        let is_question = |question: &Value| {
            let options =
                question.get("options").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            question.get("question").is_some_and(Value::is_string)
                && (2..=4).contains(&options.len())
                && options.iter().all(|option| option.get("label").is_some_and(Value::is_string))
        };
        if (1..=4).contains(&self.questions.len()) && self.questions.iter().all(is_question) {
            return Ok(self);
        }
        Err("InputValidationError: one to four questions with two to four labelled options each are needed"
            .to_owned())
    }
}

pub(super) fn run(input: Input) -> ToolOutcome {
    let answers = input.answers.unwrap_or_default();
    let spoken: Vec<String> =
        answers.iter().map(|(question, answer)| format!("\"{question}\"=\"{}\"", spoken(answer))).collect();
    let content = if spoken.is_empty() {
        "The user gave no answers.".to_owned()
    } else {
        let list = spoken.join(", ");
        format!("Your questions have been answered: {list}. You can now continue with these answers in mind.")
    };
    let mut structured = json!({"questions": input.questions, "answers": answers});
    if let Some(annotations) = input.annotations {
        structured["annotations"] = annotations;
    }
    ToolOutcome::ok(content, structured)
}

fn spoken(answer: &Value) -> String {
    match (answer.as_str(), answer.as_array()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(list)) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
        (None, None) => answer.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_model_what_was_answered() {
        let input = json!({
            "questions": [{"question": "Which?", "options": [{"label": "A"}, {"label": "B"}]}],
            "answers": {"Which?": "A", "More?": ["x", "y"]},
        });
        let input: Input = serde_json::from_value(input).unwrap();
        let outcome = run(input.checked().unwrap());
        assert_eq!(
            outcome.content,
            "Your questions have been answered: \"Which?\"=\"A\", \"More?\"=\"x,y\". \
             You can now continue with these answers in mind."
        );
        assert_eq!(outcome.structured["answers"]["Which?"], "A");
    }
}
