//! Tasks: what runs behind a tool call, in the foreground or on after it. Bound to the call by `tool_use_id`, and by
//! `task_id` where only that is named.

use super::facts::{clip, merge, set};
use super::{BackgroundTask, ItemId, NoticeLevel, Task, TaskState, Transcript};
use crate::limits::TASKS_MAX;
use crate::wire::agent::{ListedTask, System};

impl Transcript {
    pub(super) fn task_started(&mut self, system: System) {
        let Some(id) = system.task_id else { return };
        if system.is_backgrounded && !system.ambient {
            self.in_background_now(BackgroundTask {
                id: id.clone(),
                kind: system.task_type.clone(),
                description: system.description.clone(),
            });
        }
        let Some(call) = system.tool_use_id.and_then(|call| self.tools.get(&call).copied()) else { return };
        if self.tasks.len() >= TASKS_MAX && !self.tasks.contains_key(&id) {
            return;
        }
        self.tasks.insert(id.clone(), call);
        self.update_tool(call, |call| {
            let task = Task {
                id,
                kind: system.task_type,
                description: system.description,
                state: TaskState::Running,
                background: system.is_backgrounded,
                summary: None,
                usage: None,
            };
            set(&mut call.task, Some(Box::new(task)))
        });
    }

    pub(super) fn task_updated(&mut self, system: System) {
        let (Some(id), Some(patch)) = (system.task_id, system.patch) else { return };
        let state = patch.status.as_deref().map(TaskState::of);
        if let Some(call) = self.tasks.get(&id).copied() {
            self.update_task(call, |task| {
                let moved = state.is_some_and(|state| set(&mut task.state, state));
                let sent =
                    patch.is_backgrounded.is_some_and(|background| set(&mut task.background, background));
                moved
                    | sent
                    | merge(&mut task.description, patch.description)
                    | merge(&mut task.summary, patch.error)
            });
        }
        if state.is_some_and(TaskState::is_final) {
            self.task_over(&id);
        }
    }

    /// The end of a task. Its call tells of it; one that ran in the background is told of where it ended, too.
    pub(super) fn task_ended(&mut self, seq: u64, system: System) {
        let id = system.task_id.unwrap_or_default();
        let named = system.tool_use_id.and_then(|call| self.tools.get(&call).copied());
        let call = named.or_else(|| self.tasks.get(&id).copied());
        let state = TaskState::of(system.status.as_deref().unwrap_or("completed"));
        let mut foreground = false;
        if let Some(call) = call {
            self.update_task(call, |task| {
                foreground = !task.background;
                set(&mut task.state, state)
                    | merge(&mut task.summary, system.summary.clone())
                    | merge(&mut task.usage, system.usage)
            });
            self.update_tool(call, |call| call.progress.take().is_some());
            self.progressing.remove(&call);
        }
        if !foreground
            && !system.skip_transcript
            && !system.ambient
            && let Some(summary) = system.summary
        {
            let level = if state == TaskState::Failed { NoticeLevel::Warning } else { NoticeLevel::Info };
            self.notice(seq, level, &summary);
        }
        self.tasks.remove(&id);
        self.task_over(&id);
    }

    /// Volatile: how far a task is. Its texts are cut, since nothing durable bounds how long they are.
    pub(super) fn task_progress(&mut self, system: System) {
        if let Some(call) = system.tool_use_id {
            self.set_progress(&call, |progress| {
                progress.description = system.description.as_deref().map(clip);
                progress.last_tool = system.last_tool_name.as_deref().map(clip);
                progress.usage = system.usage;
            });
        }
    }

    /// The whole set of tasks in the background, which replaces what was known.
    pub(super) fn background_tasks(&mut self, tasks: Vec<ListedTask>) {
        let listed: Vec<BackgroundTask> = tasks
            .into_iter()
            .filter(|task| !task.ambient)
            .take(TASKS_MAX)
            .map(|task| BackgroundTask {
                id: task.task_id,
                kind: task.task_type,
                description: task.description,
            })
            .collect();
        for task in &listed {
            if let Some(call) = self.tasks.get(&task.id).copied() {
                self.update_task(call, |task| set(&mut task.background, true));
            }
        }
        self.edit_facts(|facts| set(&mut facts.tasks, listed));
    }

    /// The agent's process is gone, and every task with it.
    pub(super) fn stop_tasks(&mut self) {
        for (_, call) in std::mem::take(&mut self.tasks) {
            self.update_task(call, |task| !task.state.is_final() && set(&mut task.state, TaskState::Stopped));
        }
        self.edit_facts(|facts| set(&mut facts.tasks, Vec::new()));
    }

    fn in_background_now(&mut self, task: BackgroundTask) {
        self.edit_facts(|facts| {
            let new = facts.tasks.len() < TASKS_MAX && facts.tasks.iter().all(|other| other.id != task.id);
            if new {
                facts.tasks.push(task);
            }
            new
        });
    }

    fn task_over(&mut self, id: &str) {
        self.edit_facts(|facts| {
            let before = facts.tasks.len();
            facts.tasks.retain(|task| task.id != id);
            facts.tasks.len() != before
        });
    }

    fn update_task(&mut self, call: ItemId, edit: impl FnOnce(&mut Task) -> bool) {
        self.update_tool(call, |call| call.task.as_deref_mut().is_some_and(edit));
    }
}
