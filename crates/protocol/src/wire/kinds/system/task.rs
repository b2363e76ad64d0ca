//! Tasks: sub-agents, commands in the background, and whatever else runs beside the conversation.

use super::system;
use crate::wire::kinds::macros::{record, words};
use crate::wire::kinds::value::{Any, Count, Field, Flag, List, Text};

system! {
    /// A task began; a command in the foreground becomes one after about 3 s (PROTOCOL 6, captured).
    TaskStarted "task_started" {
        /// The task; a sub-agent's `agent_id`.
        task_id: Text,
        /// This run of it.
        run_id: Text,
        /// The call it came from.
        tool_use_id: Text,
        /// In a few words.
        description: Text,
        /// Kind of the sub-agent.
        subagent_type: Text,
        /// Whether nobody waits for it.
        is_backgrounded: Flag,
        /// How deep it stands.
        spawn_depth: Count,
        /// The task it belongs to.
        parent_task_id: Text,
        /// `local_bash`, `local_agent`, `local_workflow`, `mcp_task`, ….
        task_type: Text,
        /// The workflow.
        workflow_name: Text,
        /// What it was asked.
        prompt: Text,
        /// It is not shown.
        skip_transcript: Flag,
        /// It belongs to the surroundings.
        ambient: Flag,
    }
}

system! {
    /// A task goes on (PROTOCOL 6, captured). Volatile.
    TaskProgress "task_progress" {
        /// The task.
        task_id: Text,
        /// This run of it.
        run_id: Text,
        /// The call it came from.
        tool_use_id: Text,
        /// In a few words.
        description: Text,
        /// Kind of the sub-agent.
        subagent_type: Text,
        /// What it used.
        usage: Field<TaskUsage>,
        /// The tool it used last.
        last_tool_name: Text,
        /// What it did.
        summary: Text,
    }
}

record! {
    /// What a task used (PROTOCOL 6, captured).
    pub struct TaskUsage [] {
        /// Tokens.
        total_tokens: Count,
        /// Tool calls.
        tool_uses: Count,
        /// Time in ms.
        duration_ms: Count,
    }
}

system! {
    /// A task changed (PROTOCOL 6, captured).
    TaskUpdated "task_updated" {
        /// The task.
        task_id: Text,
        /// This run of it.
        run_id: Text,
        /// The fields that changed.
        patch: Field<TaskPatch>,
    }
}

record! {
    /// Fields of a task to be merged (PROTOCOL 6, captured).
    pub struct TaskPatch [] {
        /// Where it stands.
        status: Field<TaskState>,
        /// In a few words.
        description: Text,
        /// When it ended, in ms since 1970.
        end_time: Count,
        /// Time it was paused, in ms.
        total_paused_ms: Count,
        /// What went wrong.
        error: Text,
        /// Whether nobody waits for it.
        is_backgrounded: Flag,
    }
}

words! {
    /// Where a task stands (PROTOCOL 6, captured). `killed` here is `stopped` in its notification.
    pub enum TaskState {
        /// It waits.
        Pending = "pending",
        /// It runs.
        Running = "running",
        /// It is done.
        Completed = "completed",
        /// It failed.
        Failed = "failed",
        /// Somebody stopped it.
        Killed = "killed",
        /// It rests.
        Paused = "paused",
    }
}

system! {
    /// A task ended (PROTOCOL 6, captured).
    TaskNotification "task_notification" {
        /// The task.
        task_id: Text,
        /// This run of it.
        run_id: Text,
        /// The call it came from.
        tool_use_id: Text,
        /// How.
        status: Field<TaskEnd>,
        /// Why.
        reason: Text,
        /// Where its output is; may be `""`.
        output_file: Text,
        /// What came of it.
        summary: Text,
        /// The summary is the sub-agent's own report (captured).
        summary_is_report: Flag,
        /// What it used.
        usage: Field<TaskUsage>,
        /// What it points at.
        resource_links: Any,
        /// It is not shown.
        skip_transcript: Flag,
        /// It belongs to the surroundings.
        ambient: Flag,
    }
}

words! {
    /// How a task ended (PROTOCOL 6, captured).
    pub enum TaskEnd {
        /// Well.
        Completed = "completed",
        /// Not well.
        Failed = "failed",
        /// Somebody stopped it.
        Stopped = "stopped",
    }
}

system! {
    /// All background tasks: replaces the list (PROTOCOL 6, captured).
    BackgroundTasksChanged "background_tasks_changed" {
        /// They.
        tasks: List<BackgroundTask>,
    }
}

record! {
    /// A task in the background (PROTOCOL 6, captured).
    pub struct BackgroundTask [] {
        /// The task.
        task_id: Text,
        /// This run of it.
        run_id: Text,
        /// What runs it.
        task_type: Text,
        /// Kind of the sub-agent.
        subagent_type: Text,
        /// In a few words.
        description: Text,
        /// The task it belongs to.
        parent_task_id: Text,
        /// It belongs to the surroundings.
        ambient: Flag,
    }
}
