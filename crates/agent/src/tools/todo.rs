//! Keeps the todo list: every call replaces it whole.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ToolOutcome;

#[derive(Debug, Deserialize)]
pub(crate) struct Input {
    todos: Vec<Todo>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Todo {
    content: String,
    status: Status,
    active_form: String,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Pending,
    InProgress,
    Completed,
}

pub(super) fn run(input: Input, list: &Mutex<Vec<Value>>) -> ToolOutcome {
    let new: Vec<Value> = input.todos.iter().map(|todo| json!(todo)).collect();
    let old = std::mem::replace(&mut *list.lock().unwrap_or_else(PoisonError::into_inner), new.clone());
    ToolOutcome::ok("Todos have been modified successfully.", json!({"oldTodos": old, "newTodos": new}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_the_old_list_beside_the_new() {
        let list = Mutex::new(Vec::new());
        let call = |content: &str| {
            let todos = json!({"todos": [{"content": content, "status": "pending", "activeForm": content}]});
            run(serde_json::from_value(todos).unwrap(), &list)
        };
        call("a");
        let second = call("b").structured;
        assert_eq!(second["oldTodos"][0]["content"], "a");
        assert_eq!(second["newTodos"][0], json!({"content": "b", "status": "pending", "activeForm": "b"}));
    }
}
