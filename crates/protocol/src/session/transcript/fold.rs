//! How one event changes the transcript.

use serde_json::Value;

use super::{
    Change, ItemBody, Notice, NoticeLevel, Prompt, PromptState, ToolCall, ToolInput, ToolOutput, ToolState,
    Transcript, TurnEnd, TurnOutcome,
};
use crate::json::RawJson;
use crate::wire::agent::{
    Assistant, Block, Content, Lifecycle, Message, System, ToolResultMeta, TurnResult, User,
};

const INTERRUPTED: [&str; 2] =
    ["[Request interrupted by user]", "[Request interrupted by user for tool use]"];

impl Transcript {
    /// Applies one event of the log.
    pub fn apply(&mut self, seq: u64, event: &RawJson) {
        match Message::parse(event) {
            Ok(Message::User(user)) => self.user(seq, *user),
            Ok(Message::Assistant(line)) => self.assistant(seq, &line),
            Ok(Message::Result(result)) => self.turn_end(seq, &result),
            Ok(Message::System(system)) => self.system(seq, &system),
            Ok(Message::Lifecycle(lifecycle)) => self.lifecycle(seq, &lifecycle),
            Ok(Message::Stream(_) | Message::Other(_)) => {}
            Err(error) => {
                self.notice(seq, NoticeLevel::Warning, &format!("An event that cannot be shown: {error}."));
            }
        }
    }

    /// Applies one volatile event.
    pub fn apply_live(&mut self, event: &RawJson) {
        if let Ok(Message::Stream(stream)) = Message::parse(event) {
            self.preview(&stream);
        }
    }

    fn user(&mut self, seq: u64, user: User) {
        let blocks = user.message.content.blocks();
        if blocks.iter().any(|block| matches!(block, Block::ToolResult { .. })) {
            for block in blocks {
                if let Block::ToolResult { tool_use_id, content, is_error } = block {
                    self.tool_result(seq, &tool_use_id, content.as_ref(), is_error, &user);
                }
            }
            return;
        }
        let text = user.message.content.text();
        if INTERRUPTED.contains(&text.trim()) {
            self.notice(seq, NoticeLevel::Info, "Interrupted.");
        } else if user.is_synthetic {
            self.notice(seq, NoticeLevel::Info, &format!("Added by the agent: {}", first_line(&text)));
        } else if user.parent_tool_use_id.is_some() {
            // The call that started the sub-agent shows its prompt already.
        } else if user.is_replay {
            self.replay(seq, &user, text);
        } else {
            let attachments =
                blocks.len() - blocks.iter().filter(|block| matches!(block, Block::Text { .. })).count();
            self.enqueue(Prompt {
                uuid: user.uuid.unwrap_or_default(),
                text,
                attachments,
                state: PromptState::Stored,
            });
        }
    }

    fn enqueue(&mut self, prompt: Prompt) {
        if !self.knows_prompt(&prompt.uuid) {
            self.queue.push(prompt);
            self.queue_changed();
        }
    }

    /// The agent repeats a prompt: it has it. The text of a known one stays, because merged prompts repeat merged.
    fn replay(&mut self, seq: u64, user: &User, text: String) {
        let uuid = user.uuid.clone().unwrap_or_default();
        if self.start_prompt(seq, &uuid) {
            return;
        }
        if let Some(output) = text.trim().strip_prefix("<local-command-stdout>") {
            let output = output.strip_suffix("</local-command-stdout>").unwrap_or(output);
            self.notice(seq, NoticeLevel::Info, output.trim());
        } else if !text.trim_start().starts_with("<command-name>") {
            let prompt = Prompt { uuid: uuid.clone(), text, attachments: 0, state: PromptState::Running };
            let id = self.push(seq, None, ItemBody::Prompt(prompt));
            self.prompts.insert(uuid, id);
            self.running.insert(id);
        }
    }

    /// Moves a prompt from the queue into the transcript. Returns whether the prompt is known.
    fn start_prompt(&mut self, seq: u64, uuid: &str) -> bool {
        if let Some(index) = self.queue.iter().position(|prompt| prompt.uuid == uuid) {
            let mut prompt = self.queue.remove(index);
            prompt.state = PromptState::Running;
            self.queue_changed();
            let id = self.push(seq, None, ItemBody::Prompt(prompt));
            self.prompts.insert(uuid.to_owned(), id);
            self.running.insert(id);
            return true;
        }
        self.prompts.contains_key(uuid)
    }

    fn lifecycle(&mut self, seq: u64, lifecycle: &Lifecycle) {
        let uuid = lifecycle.command_uuid.as_str();
        match lifecycle.state.as_str() {
            "queued" => self.queued_state(uuid, PromptState::Delivered),
            "started" => {
                self.start_prompt(seq, uuid);
            }
            "completed" => self.prompt_state(uuid, PromptState::Answered),
            "cancelled" => {
                self.start_prompt(seq, uuid);
                self.prompt_state(uuid, PromptState::Cancelled);
            }
            _ => {}
        }
    }

    fn queued_state(&mut self, uuid: &str, state: PromptState) {
        if let Some(prompt) = self.queue.iter_mut().find(|prompt| prompt.uuid == uuid) {
            prompt.state = state;
            self.queue_changed();
        }
    }

    fn prompt_state(&mut self, uuid: &str, state: PromptState) {
        let Some(id) = self.prompts.get(uuid).copied() else { return };
        self.running.remove(&id);
        self.update(id, |body| set_prompt_state(body, state));
    }

    fn assistant(&mut self, seq: u64, line: &Assistant) {
        for uuid in line.supersedes.iter().flatten() {
            self.retract(uuid);
        }
        for uuid in line.user_message_uuids.iter().flatten() {
            self.start_prompt(seq, uuid);
        }
        let parent = line.parent_tool_use_id.as_deref();
        if parent.is_none() {
            self.drop_previews(Some(&line.message.id));
        }
        let mut made = Vec::new();
        for block in line.message.content.blocks() {
            let body = match block {
                Block::Text { text } if text.is_empty() => continue,
                Block::Text { text } if line.error.is_some() => {
                    ItemBody::Notice(Notice { level: NoticeLevel::Error, text })
                }
                Block::Text { text } => ItemBody::Text { text, live: false, aborted: line.aborted },
                Block::Thinking { thinking } => ItemBody::Thinking { text: thinking, live: false },
                Block::RedactedThinking => ItemBody::Thinking { text: String::new(), live: false },
                Block::ToolUse { id, name, input } => {
                    if self.tools.contains_key(&id) {
                        continue;
                    }
                    ItemBody::Tool(ToolCall {
                        tool_use_id: id,
                        name,
                        input: ToolInput::Whole(input),
                        state: ToolState::Running,
                        output: None,
                    })
                }
                Block::Image => notice(NoticeLevel::Info, "An image."),
                Block::ToolResult { tool_use_id, content, is_error } => {
                    self.server_tool_result(&tool_use_id, content.as_ref(), is_error);
                    continue;
                }
                Block::Other(kind) => notice(NoticeLevel::Info, &format!("A block of type “{kind}”.")),
            };
            made.push(self.commit(seq, line, body));
        }
        if let (Some(uuid), false) = (&line.uuid, made.is_empty()) {
            self.lines.entry(uuid.clone()).or_default().extend(made);
        }
    }

    /// Makes a finished block durable, in the place of its preview if there is one.
    fn commit(&mut self, seq: u64, line: &Assistant, body: ItemBody) -> super::ItemId {
        let parent = line.parent_tool_use_id.as_deref();
        let call = match &body {
            ItemBody::Tool(call) => Some(call.tool_use_id.clone()),
            ItemBody::Prompt(_)
            | ItemBody::Text { .. }
            | ItemBody::Thinking { .. }
            | ItemBody::Notice(_)
            | ItemBody::TurnEnd(_) => None,
        };
        let preview = if parent.is_none() { self.sealed_preview(&line.message.id, &body) } else { None };
        let id = match preview {
            Some(id) => {
                self.seal(id, seq, parent, body);
                id
            }
            None => self.push(seq, parent, body),
        };
        if let Some(call) = call {
            self.tools.insert(call, id);
            self.open_tools.insert(id);
        }
        id
    }

    /// Takes back what a line made.
    fn retract(&mut self, uuid: &str) {
        for id in self.lines.remove(uuid).unwrap_or_default() {
            self.open_tools.remove(&id);
            if let Some(ItemBody::Tool(call)) = self.get(id).map(|item| &item.body) {
                let call = call.tool_use_id.clone();
                self.tools.remove(&call);
            }
            self.remove(id);
        }
    }

    fn tool_result(&mut self, seq: u64, call: &str, content: Option<&Content>, is_error: bool, user: &User) {
        let meta = user.tool_result_meta.iter().flatten().find(|meta| meta.id == call);
        let (text, images) = flatten(content);
        let state = result_state(is_error, meta);
        let output = ToolOutput { text, images, result: user.tool_use_result.clone() };
        let Some(id) = self.tools.get(call).copied() else {
            // Its call lies before the part of the log that was loaded.
            let text = format!("The result of an earlier tool call: {}", first_line(&output.text));
            self.notice(seq, NoticeLevel::Info, &text);
            return;
        };
        self.finish_tool(id, state, Some(output));
    }

    fn server_tool_result(&mut self, call: &str, content: Option<&Content>, is_error: bool) {
        if let Some(id) = self.tools.get(call).copied() {
            let (text, images) = flatten(content);
            let state = if is_error { ToolState::Failed } else { ToolState::Done };
            self.finish_tool(id, state, Some(ToolOutput { text, images, result: None }));
        }
    }

    fn finish_tool(&mut self, id: super::ItemId, state: ToolState, output: Option<ToolOutput>) {
        self.open_tools.remove(&id);
        self.update(id, |body| match body {
            ItemBody::Tool(call) => {
                call.state = state;
                if output.is_some() {
                    call.output = output;
                }
                true
            }
            ItemBody::Prompt(_)
            | ItemBody::Text { .. }
            | ItemBody::Thinking { .. }
            | ItemBody::Notice(_)
            | ItemBody::TurnEnd(_) => false,
        });
    }

    fn turn_end(&mut self, seq: u64, result: &TurnResult) {
        let interrupted = result.is_interrupted();
        self.settle(if interrupted { PromptState::Cancelled } else { PromptState::Answered });
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
        self.push(seq, None, ItemBody::TurnEnd(TurnEnd { outcome, duration_ms, error }));
        let mut facts = self.facts.clone();
        facts.total_cost_usd = result.total_cost_usd.or(facts.total_cost_usd);
        if let Some(usage) = &result.usage {
            let tokens = |name: &str| usage.get(name).and_then(Value::as_u64);
            let input: Option<u64> =
                ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"]
                    .into_iter()
                    .filter_map(tokens)
                    .reduce(u64::saturating_add);
            facts.input_tokens = input.filter(|count| *count > 0).or(facts.input_tokens);
            facts.output_tokens = tokens("output_tokens").or(facts.output_tokens);
        }
        let windows = result
            .model_usage
            .as_ref()
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(|models| models.values());
        let window = windows.filter_map(|usage| usage.get("contextWindow")?.as_u64()).max();
        facts.context_window = window.or(facts.context_window);
        self.set_facts(facts);
    }

    /// Nothing of the turn goes on: previews are dropped, open calls were stopped, its prompts have their state.
    fn settle(&mut self, prompts: PromptState) {
        self.drop_previews(None);
        for id in std::mem::take(&mut self.open_tools) {
            self.finish_tool(id, ToolState::Interrupted, None);
        }
        for id in std::mem::take(&mut self.running) {
            self.update(id, |body| set_prompt_state(body, prompts));
        }
    }

    fn system(&mut self, seq: u64, system: &System) {
        let mut facts = self.facts.clone();
        match system.subtype.as_str() {
            "init" => {
                facts.model = system.model.clone().or(facts.model);
                facts.permission_mode = system.permission_mode.clone().or(facts.permission_mode);
                facts.directory = system.cwd.clone().or(facts.directory);
            }
            "status" => facts.permission_mode = system.permission_mode.clone().or(facts.permission_mode),
            "session_title_changed" => facts.title = system.title.clone().or(facts.title),
            "agent_ended" => {
                self.settle(PromptState::Cancelled);
                self.notice(
                    seq,
                    NoticeLevel::Warning,
                    system.content.as_deref().unwrap_or("The agent ended."),
                );
            }
            "delivery_unknown" => {
                if let Some(uuid) = system.message_uuid.as_deref() {
                    self.start_prompt(seq, uuid);
                    self.prompt_state(uuid, PromptState::Unknown);
                }
            }
            "model_refusal_fallback" => {
                for uuid in system.retracted_message_uuids.iter().flatten() {
                    self.retract(uuid);
                }
                self.told(seq, system);
            }
            _ => self.told(seq, system),
        }
        self.set_facts(facts);
    }

    /// Subtypes that are one line of text.
    fn told(&mut self, seq: u64, system: &System) {
        let content = system.content.as_deref();
        let said: Option<(NoticeLevel, String)> = match system.subtype.as_str() {
            "api_retry" => Some((NoticeLevel::Warning, retry(system))),
            "compact_boundary" => Some((NoticeLevel::Info, "The conversation was compacted.".into())),
            "event_too_large" => {
                let bytes = system.bytes.unwrap_or(0);
                Some((NoticeLevel::Warning, format!("An event of {bytes} bytes was too large to keep.")))
            }
            "permission_denied" => {
                let text = system.message.as_deref().unwrap_or("A tool was denied by a rule.");
                Some((NoticeLevel::Warning, text.to_owned()))
            }
            "informational"
            | "local_command_output"
            | "model_refusal_fallback"
            | "model_refusal_no_fallback" => {
                let level = if system.level.as_deref() == Some("warning") {
                    NoticeLevel::Warning
                } else {
                    NoticeLevel::Info
                };
                content.map(|content| (level, content.to_owned()))
            }
            "notification" => system.text.clone().map(|text| (NoticeLevel::Info, text)),
            "task_notification" => system.summary.clone().map(|summary| (NoticeLevel::Info, summary)),
            "worker_shutting_down" => Some((NoticeLevel::Info, "The agent is shutting down.".into())),
            _ => None,
        };
        if let Some((level, text)) = said {
            self.notice(seq, level, &text);
        }
    }

    fn notice(&mut self, seq: u64, level: NoticeLevel, text: &str) {
        self.push(seq, None, notice(level, text));
    }

    fn set_facts(&mut self, facts: super::Facts) {
        if facts != self.facts {
            self.facts = facts;
            self.changes.push(Change::Facts);
        }
    }
}

fn notice(level: NoticeLevel, text: &str) -> ItemBody {
    ItemBody::Notice(Notice { level, text: text.to_owned() })
}

fn set_prompt_state(body: &mut ItemBody, state: PromptState) -> bool {
    let ItemBody::Prompt(prompt) = body else { return false };
    let changed = prompt.state != state;
    prompt.state = state;
    changed
}

/// "Denied" when somebody or a rule said no, "interrupted" when it was stopped before it ran, else by its error.
fn result_state(is_error: bool, meta: Option<&ToolResultMeta>) -> ToolState {
    let rejected = meta
        .and_then(|meta| meta.permission_decision.as_ref())
        .is_some_and(|decision| decision.decision.as_deref() == Some("reject"));
    match meta.and_then(|meta| meta.non_execution_kind.as_deref()) {
        _ if rejected => ToolState::Denied,
        Some("user-rejected") => ToolState::Interrupted,
        Some(_) => ToolState::Denied,
        None if is_error => ToolState::Failed,
        None => ToolState::Done,
    }
}

fn flatten(content: Option<&Content>) -> (String, usize) {
    let Some(content) = content else { return (String::new(), 0) };
    let images = content.blocks().iter().filter(|block| matches!(block, Block::Image)).count();
    (content.text(), images)
}

fn failure(result: &TurnResult) -> String {
    let said = result
        .result
        .clone()
        .or_else(|| result.errors.as_ref()?.first().cloned())
        .filter(|text| !text.is_empty());
    said.unwrap_or_else(|| match result.subtype.as_str() {
        "error_max_turns" => "The turn reached its limit of steps.".into(),
        "error_max_budget_usd" => "The turn reached its budget.".into(),
        _ => "The turn ended with an error.".into(),
    })
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

fn first_line(text: &str) -> &str {
    text.trim().lines().next().unwrap_or("")
}

/// A duration as whole milliseconds; negative and absurd ones become the nearest bound.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float-to-int cast saturates")]
fn whole(number: f64) -> u64 {
    number as u64
}
