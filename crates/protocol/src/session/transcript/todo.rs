//! What the agent has to do, read from the tools it keeps the list with: one that writes it whole, and several that
//! write single entries. A list of a sub-agent is its own business.

use serde::Deserialize;

use super::facts::clip;
use super::{ItemId, Todo, TodoState, ToolInput, Transcript};
use crate::json::{RawJson, lenient_string};
use crate::limits::TODO_ENTRIES_MAX;

/// An entry in any of its forms.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    #[serde(deserialize_with = "lenient_string")]
    id: Option<String>,
    #[serde(rename = "taskId", deserialize_with = "lenient_string")]
    task_id: Option<String>,
    #[serde(deserialize_with = "lenient_string")]
    content: Option<String>,
    #[serde(deserialize_with = "lenient_string")]
    subject: Option<String>,
    #[serde(rename = "activeForm", deserialize_with = "lenient_string")]
    active: Option<String>,
    #[serde(deserialize_with = "lenient_string")]
    status: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Lists {
    todos: Option<Vec<Entry>>,
    #[serde(rename = "newTodos")]
    new_todos: Option<Vec<Entry>>,
    tasks: Option<Vec<Entry>>,
    task: Option<Entry>,
}

impl Entry {
    fn todo(self) -> Todo {
        let state = TodoState::of(self.status.as_deref().unwrap_or_default());
        let text = self.content.or(self.subject).unwrap_or_default();
        Todo::new(self.id.as_deref(), &text, self.active.as_deref(), state)
    }
}

impl Transcript {
    /// Takes the list over from a call that succeeded, if it was about the list.
    pub(super) fn note_todo(&mut self, id: ItemId) {
        let Some(item) = self.get(id).filter(|item| item.parent.is_none()) else { return };
        let Some(call) = self.tool(item.id) else { return };
        let ToolInput::Whole(input) = &call.input else { return };
        let result = call.output.as_ref().and_then(|output| output.result.as_ref());
        match call.name.as_str() {
            "TodoWrite" => {
                let written = result.and_then(|result| lists(result).new_todos).or(lists(input).todos);
                if let Some(todos) = written {
                    self.set_todo(todos.into_iter().take(TODO_ENTRIES_MAX).map(Entry::todo).collect());
                }
            }
            "TaskList" => {
                if let Some(tasks) = result.and_then(|result| lists(result).tasks) {
                    let listed = tasks.into_iter().take(TODO_ENTRIES_MAX).map(Entry::todo);
                    let active = |todo: &Todo| {
                        self.facts
                            .todo
                            .iter()
                            .find(|old| old.id == todo.id)
                            .and_then(|old| old.active.clone())
                    };
                    let listed = listed.map(|todo| Todo { active: active(&todo), ..todo }).collect();
                    self.set_todo(listed);
                }
            }
            "TaskCreate" => {
                let asked: Entry = input.read().unwrap_or_default();
                let made = result.and_then(|result| lists(result).task).unwrap_or_default();
                let entry = Entry { id: made.id, subject: made.subject.or(asked.subject), ..asked };
                self.put_todo(entry);
            }
            "TaskUpdate" => {
                let asked: Entry = input.read().unwrap_or_default();
                self.put_todo(Entry { id: asked.task_id.clone(), ..asked });
            }
            _ => {}
        }
    }

    /// Changes the entry of that id, or adds it.
    fn put_todo(&mut self, entry: Entry) {
        let Some(id) = entry.id.as_deref().map(clip) else { return };
        self.edit_facts(|facts| {
            let place = facts.todo.iter().position(|todo| todo.id.as_ref() == Some(&id));
            if entry.status.as_deref() == Some("deleted") {
                if let Some(place) = place {
                    facts.todo.remove(place);
                }
                return place.is_some();
            }
            match place {
                Some(place) => {
                    let todo = &mut facts.todo[place];
                    let before = todo.clone();
                    if let Some(text) = entry.subject {
                        todo.text = clip(&text);
                    }
                    if let Some(active) = entry.active {
                        todo.active = Some(clip(&active));
                    }
                    if let Some(status) = entry.status {
                        todo.state = TodoState::of(&status);
                    }
                    *todo != before
                }
                None if entry.subject.is_some() && facts.todo.len() < TODO_ENTRIES_MAX => {
                    facts.todo.push(entry.todo());
                    true
                }
                None => false,
            }
        });
    }
}

fn lists(raw: &RawJson) -> Lists {
    raw.read().unwrap_or_default()
}
