//! Results of tool calls, in the order they were completed in.

use std::collections::HashMap;

use super::{ItemId, NoticeLevel, Progress, ToolInput, ToolOutput, ToolState, Transcript};
use crate::json::RawJson;
use crate::limits::{AGENT_DEPTH_MAX, TASKS_MAX};
use crate::wire::agent::{Block, Content, Denial, ToolProgress, ToolResultMeta, User};

impl Transcript {
    /// All results of one line. A structured result belongs to the line, so a line of several has none.
    pub(super) fn tool_results(&mut self, seq: u64, blocks: Vec<Block<'_>>, user: User<'_>) {
        let metas: HashMap<&str, &ToolResultMeta<'_>> =
            user.tool_result_meta.iter().filter_map(|meta| Some((meta.id.as_deref()?, meta))).collect();
        let ended = user.timestamp.as_deref().and_then(super::fold::epoch_ms);
        let results = blocks.iter().filter(|block| matches!(block, Block::ToolResult { .. })).count();
        let mut structured = if results == 1 { user.tool_use_result.to_raw() } else { None };
        for block in blocks {
            let Block::ToolResult { tool_use_id, content, is_error } = block else { continue };
            self.asked.ran(&tool_use_id);
            let state = result_state(is_error, metas.get(tool_use_id.as_str()).copied());
            let (text, images) = content.text_and_images();
            let blocks = content.beyond_text();
            let output = ToolOutput { text, images, blocks, result: structured.take() };
            let Some(id) = self.tools.get(&tool_use_id).copied() else {
                // Its call lies before the part of the log that was loaded.
                let text =
                    format!("The result of an earlier tool call: {}", super::fold::first_line(&output.text));
                self.notice(seq, NoticeLevel::Info, &text);
                continue;
            };
            self.finish_tool(id, state, Some(output));
            let began = self.get(id).and_then(|item| item.at_ms);
            self.took(id, began.zip(ended).and_then(|(began, ended)| ended.checked_sub(began)));
            if state == ToolState::Done {
                self.note_todo(id);
            }
        }
    }

    pub(super) fn server_tool_result(&mut self, call: &str, content: Content<'_>, is_error: bool) {
        if let Some(id) = self.tools.get(call).copied() {
            let (text, images) = content.text_and_images();
            let state = if is_error { ToolState::Failed } else { ToolState::Done };
            let blocks = content.beyond_text();
            self.finish_tool(id, state, Some(ToolOutput { text, images, blocks, result: None }));
        }
    }

    fn finish_tool(&mut self, id: ItemId, state: ToolState, output: Option<ToolOutput>) {
        self.open_tools.remove(&id);
        self.progressing.remove(&id);
        self.update_tool(id, |call| {
            // A refusal that was told before its result stays one.
            let refused = call.state == ToolState::Denied && state == ToolState::Failed;
            call.state = if refused { ToolState::Denied } else { state };
            call.output = output.or(call.output.take());
            call.progress = None;
            true
        });
    }

    /// A person let the call run with another input than the agent had asked for.
    pub(super) fn input_edited(&mut self, tool_use_id: &str, input: RawJson, edited_by: Option<String>) {
        if let Some(id) = self.tools.get(tool_use_id).copied() {
            self.update_tool(id, |call| {
                call.input = ToolInput::Whole(input);
                call.edited_by = Some(edited_by.unwrap_or_default());
                true
            });
        }
    }

    /// A rule refused the call; its result follows.
    pub(super) fn denied(&mut self, tool_use_id: &str) {
        if let Some(id) = self.tools.get(tool_use_id).copied() {
            self.update_tool(id, |call| {
                let open = !call.state.is_final();
                if open {
                    call.state = ToolState::Denied;
                }
                open
            });
        }
    }

    /// The turn's own list of calls that were not allowed to run. Older agents say it nowhere else.
    pub(super) fn note_denials(&mut self, denials: &[Denial], interrupted: bool) {
        let state = if interrupted { ToolState::Interrupted } else { ToolState::Denied };
        for call in denials.iter().filter_map(|denial| denial.tool_use_id.as_deref()) {
            let Some(id) = self.tools.get(call).copied() else { continue };
            self.update_tool(id, |call| {
                let unsaid = call.state == ToolState::Failed;
                if unsaid {
                    call.state = state;
                }
                unsaid
            });
        }
    }

    /// The turn ended: calls without a result were stopped, but those of a sub-agent in the background go on
    /// (at most [`TASKS_MAX`] of them, since every turn looks at each).
    pub(super) fn settle_tools(&mut self, all: bool) {
        for id in std::mem::take(&mut self.progressing) {
            self.update_tool(id, |call| call.progress.take().is_some());
        }
        for id in std::mem::take(&mut self.open_tools) {
            if !all && self.open_tools.len() < TASKS_MAX && self.in_background(id) {
                self.open_tools.insert(id);
            } else {
                self.finish_tool(id, ToolState::Interrupted, None);
            }
        }
    }

    fn in_background(&self, id: ItemId) -> bool {
        let mut parent = self.get(id).and_then(|item| item.parent.as_deref());
        for _ in 0..AGENT_DEPTH_MAX {
            let Some(id) = parent.and_then(|call| self.tools.get(call)).copied() else { return false };
            let task = self.tool(id).and_then(|call| call.task.as_ref());
            if task.is_some_and(|task| task.background && !task.state.is_final()) {
                return true;
            }
            parent = self.get(id).and_then(|item| item.parent.as_deref());
        }
        false
    }

    /// Volatile: a tool says that it still runs. A heartbeat names the call as its parent.
    pub(super) fn tool_progress(&mut self, progress: &ToolProgress) {
        let call = if progress.heartbeat { &progress.parent_tool_use_id } else { &progress.tool_use_id };
        let Some(elapsed) = progress.elapsed_time_seconds else { return };
        if let Some(call) = call {
            self.set_progress(call, |progress| progress.elapsed_s = Some(super::turn::whole(elapsed)));
        }
    }

    /// Lets `edit` change the progress of a call that runs.
    pub(super) fn set_progress(&mut self, call: &str, edit: impl FnOnce(&mut Progress)) {
        let Some(id) = self.tools.get(call).copied() else { return };
        let mut changed = false;
        self.update_tool(id, |call| {
            let task_runs = call.task.as_ref().is_some_and(|task| !task.state.is_final());
            changed = task_runs || !call.state.is_final();
            if changed {
                edit(call.progress.get_or_insert_default());
            }
            changed
        });
        if changed {
            self.progressing.insert(id);
        }
    }
}

/// "Denied" when somebody or a rule said no, "interrupted" when it was stopped before it ran, else by its error.
fn result_state(is_error: bool, meta: Option<&ToolResultMeta<'_>>) -> ToolState {
    let rejected = meta.is_some_and(|meta| meta.permission_decision.decision.as_deref() == Some("reject"));
    match meta.and_then(|meta| meta.non_execution_kind.as_deref()) {
        _ if rejected => ToolState::Denied,
        Some("user-rejected") => ToolState::Interrupted,
        Some(_) => ToolState::Denied,
        None if is_error => ToolState::Failed,
        None => ToolState::Done,
    }
}
