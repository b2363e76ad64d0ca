//! `result` and `system` lines: where a turn ends, and what is said around it.

use super::facts::{merge, set};
use super::{ItemBody, NoticeLevel, PromptState, Transcript, TurnEnd, TurnOutcome};
use crate::wire::agent::{System, TurnResult};

impl Transcript {
    pub(super) fn turn_end(&mut self, seq: u64, result: &TurnResult<'_>) {
        let interrupted = result.is_interrupted();
        let origin = result.origin.as_ref().and_then(|origin| origin.kind.clone());
        if origin.is_none() {
            self.start_unconfirmed(seq);
        }
        self.end_streams(seq);
        self.settle_tools(false);
        self.settle_prompts(if interrupted { PromptState::Cancelled } else { PromptState::Answered });
        self.note_denials(&result.permission_denials, interrupted);
        let outcome = match (interrupted, result.is_error || result.subtype != "success") {
            (true, _) => TurnOutcome::Interrupted,
            (false, true) => TurnOutcome::Failed,
            (false, false) => TurnOutcome::Completed,
        };
        let error = match outcome {
            TurnOutcome::Failed => Some(failure(result)),
            TurnOutcome::Completed | TurnOutcome::Interrupted => None,
        };
        let duration_ms = result.duration_ms.map(whole);
        let input_tokens = result.input_tokens().filter(|count| *count > 0);
        let (output_tokens, cost_micros) = (result.usage.output_tokens, self.cost_of(result));
        let end = TurnEnd { outcome, duration_ms, input_tokens, output_tokens, cost_micros, error, origin };
        self.push(seq, None, ItemBody::TurnEnd(end));
        self.asked.clear();
        self.working = result.queued_turn_count.is_some_and(|count| count > 0.0);
        self.note_totals(result);
    }

    /// Agents tell their running total: what a turn cost is the difference, where the total before it is known.
    fn cost_of(&self, result: &TurnResult<'_>) -> Option<u64> {
        let whole_log = (self.first_seq == 1).then_some(0.0);
        let before = self.facts.total_cost_usd.or(whole_log)?;
        let cost = (result.total_cost_usd? - before) * 1e6;
        (cost >= 0.5).then(|| whole(cost.round()))
    }

    /// Totals are the agent's running totals: the newest counts. A process that could not start has none.
    fn note_totals(&mut self, result: &TurnResult<'_>) {
        if result.never_ran() {
            return;
        }
        let input = result.input_tokens().filter(|count| *count > 0);
        self.edit_facts(|facts| {
            merge(&mut facts.total_cost_usd, result.total_cost_usd)
                | merge(&mut facts.input_tokens, input)
                | merge(&mut facts.output_tokens, result.usage.output_tokens)
                | merge(&mut facts.context_window, result.context_window())
                | set(&mut facts.compacting, false)
        });
    }

    /// The agent's process is gone: nothing of it goes on.
    fn agent_ended(&mut self, seq: u64, text: Option<&str>) {
        self.end_streams(seq);
        self.stop_tasks();
        self.settle_tools(true);
        self.settle_prompts(PromptState::Cancelled);
        self.asked.clear();
        self.working = false;
        self.notice(seq, NoticeLevel::Warning, text.unwrap_or("The agent ended."));
        self.edit_facts(|facts| set(&mut facts.ended, true) | set(&mut facts.compacting, false));
    }

    pub(super) fn system(&mut self, seq: u64, system: System) {
        match system.subtype.as_str() {
            "init" => self.init(seq, system),
            "status" => self.status(seq, system),
            "session_state_changed" => match system.state.as_deref() {
                Some("running") => {
                    self.asked.require(false);
                    self.working = true;
                }
                Some("requires_action") => self.asked.require(true),
                Some("idle") => {
                    self.asked.clear();
                    self.working = false;
                }
                Some(_) | None => {}
            },
            "session_title_changed" => self.edit_facts(|facts| merge(&mut facts.title, system.title)),
            "input_edited" => {
                if let (Some(call), Some(input)) = (system.tool_use_id.as_deref(), system.input) {
                    self.input_edited(call, input, system.edited_by);
                }
            }
            "agent_ended" => self.agent_ended(seq, system.content.as_deref()),
            "worker_shutting_down" => self.edit_facts(|facts| set(&mut facts.ended, true)),
            "delivery_unknown" => {
                if let Some(uuid) = system.message_uuid.as_deref() {
                    self.delivery_unknown(seq, uuid);
                }
            }
            "api_retry" => {
                // The stream that failed will not be finished, whether or not anything closed it.
                self.end_streams(seq);
                self.notice(seq, NoticeLevel::Warning, &retry(&system));
            }
            "compact_boundary" => {
                self.edit_facts(|facts| set(&mut facts.compacting, false));
                self.notice(seq, NoticeLevel::Info, &compacted(&system));
            }
            "permission_denied" => {
                if let Some(call) = system.tool_use_id.as_deref() {
                    self.denied(call);
                }
                let text = system.message.as_deref().unwrap_or("A tool was denied by a rule.");
                self.notice(seq, NoticeLevel::Warning, text);
            }
            "model_refusal_fallback" => {
                for uuid in &system.retracted_message_uuids {
                    self.retract(uuid);
                }
                self.told(seq, &system);
            }
            "task_started" => self.task_started(system),
            "task_updated" => self.task_updated(system),
            "task_notification" => self.task_ended(seq, system),
            "background_tasks_changed" => self.background_tasks(system.tasks),
            _ => self.told(seq, &system),
        }
    }

    /// Comes at every turn's start; the newest wins. Another conversation than before is a divider.
    fn init(&mut self, seq: u64, system: System) {
        self.working = true;
        self.alive();
        let known = self.facts.conversation.as_deref();
        if known.is_some_and(|known| system.session_id.as_deref().is_some_and(|id| id != known)) {
            self.notice(seq, NoticeLevel::Info, "The agent goes on under another conversation's id.");
        }
        self.edit_facts(|facts| {
            merge(&mut facts.model, system.model)
                | merge(&mut facts.permission_mode, system.permission_mode)
                | merge(&mut facts.directory, system.cwd)
                | merge(&mut facts.conversation, system.session_id)
        });
    }

    fn status(&mut self, seq: u64, system: System) {
        self.working |= system.status.as_deref() == Some("requesting");
        if system.compact_result.as_deref() == Some("failed") {
            let why = system.compact_error.as_deref().unwrap_or("no reason was given");
            self.notice(
                seq,
                NoticeLevel::Warning,
                &format!("The conversation could not be compacted: {why}"),
            );
        }
        let compacting = system.status.as_deref() == Some("compacting");
        self.edit_facts(|facts| {
            merge(&mut facts.permission_mode, system.permission_mode) | set(&mut facts.compacting, compacting)
        });
    }

    /// Subtypes that are one line of text.
    fn told(&mut self, seq: u64, system: &System) {
        let content = system.content.as_deref();
        let said: Option<(NoticeLevel, String)> = match system.subtype.as_str() {
            "event_too_large" => {
                let bytes = system.bytes.unwrap_or(0);
                Some((NoticeLevel::Warning, format!("An event of {bytes} bytes was too large to keep.")))
            }
            "informational"
            | "local_command_output"
            | "model_refusal_fallback"
            | "model_refusal_no_fallback" => {
                let warns = system.level.as_deref() == Some("warning");
                let level = if warns { NoticeLevel::Warning } else { NoticeLevel::Info };
                content.map(|content| (level, content.to_owned()))
            }
            "session_writes_lost" => {
                Some((NoticeLevel::Error, "The agent could not write its own record to disk.".into()))
            }
            "notification" => system.text.clone().map(|text| (NoticeLevel::Info, text)),
            _ => None,
        };
        if let Some((level, text)) = said {
            self.notice(seq, level, &text);
        }
    }
}

fn failure(result: &TurnResult<'_>) -> String {
    let said =
        result.result.clone().or_else(|| result.errors.first().cloned()).filter(|text| !text.is_empty());
    said.unwrap_or_else(|| match result.subtype.as_str() {
        "error_max_turns" => "The turn reached its limit of steps.".into(),
        "error_max_budget_usd" => "The turn reached its budget.".into(),
        _ => "The turn ended with an error.".into(),
    })
}

fn compacted(system: &System) -> String {
    let Some(metadata) = &system.compact_metadata else { return "The conversation was compacted.".into() };
    let by = if metadata.trigger.as_deref() == Some("auto") { " by itself" } else { "" };
    match (metadata.pre_tokens, metadata.post_tokens) {
        (Some(before), Some(after)) => {
            format!("The conversation was compacted{by}: {before} tokens became {after}.")
        }
        (Some(before), None) => format!("The conversation was compacted{by}: it had {before} tokens."),
        (None, _) => format!("The conversation was compacted{by}."),
    }
}

fn retry(system: &System) -> String {
    let cause = match (system.error_status, system.error.as_deref()) {
        (Some(status), _) => format!("status {status}"),
        (None, Some(error)) if error != "unknown" => error.to_owned(),
        (None, _) => "the connection was cut".to_owned(),
    };
    let attempt = system.attempt.unwrap_or(1);
    let of = system.max_retries.map(|max| format!(" of {max}")).unwrap_or_default();
    let wait = system.retry_delay_ms.map(|ms| format!(" in {:.1} s", ms / 1000.0)).unwrap_or_default();
    format!("The model's API failed ({cause}); try {attempt}{of}{wait}.")
}

/// A number as a whole one; negative and absurd ones become the nearest bound.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float-to-int cast saturates")]
pub(super) fn whole(number: f64) -> u64 {
    number as u64
}
