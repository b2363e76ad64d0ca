//! The conversation's owner: it queues prompts, builds turns out of them, and closes each with a result. It is told
//! one thing at a time (`handle_…`) and queues the lines that follow from it (`poll_output`).

use std::{collections::VecDeque, sync::Arc};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    answers::Pending,
    queue::{Arrival, PromptQueue},
    totals::Totals,
};
use crate::{
    error::{AgentError, ExitReport},
    options::{AgentOptions, Pace},
    permission::policy::Policy,
    tools::{TOOL_NAMES, Toolbox},
    turn::{Ending, EndingKind, Setup, Signal, Turn, TurnEvent},
    wire::{
        incoming::{Incoming, Priority, Prompt, parse_line},
        object::Object,
        scribe::{Scribe, Usage},
    },
};

#[derive(Debug)]
pub(crate) struct QueryEngine {
    pub(super) scribe: Scribe,
    pub(super) policy: Policy,
    pub(super) replay: bool,
    pub(super) partial: bool,
    pub(super) forward_subagent_text: bool,
    /// Agents the host defined in `initialize`, by name.
    pub(super) host_agents: Vec<String>,
    pub(super) initialized: bool,
    /// The model to return to when `default` is asked for.
    pub(super) default_model: Arc<str>,
    pace: Pace,
    pub(super) toolbox: Arc<Toolbox>,
    pub(super) queue: PromptQueue,
    pub(super) pending: Vec<Pending>,
    pub(super) running: Option<Running>,
    pub(super) totals: Totals,
    pub(super) input_closed: bool,
    last_result_failed: bool,
    output: VecDeque<String>,
}

/// The turn in progress and what its result will say.
#[derive(Debug)]
pub(super) struct Running {
    turn: Turn,
    pub(super) signal: watch::Sender<Signal>,
    /// The model that answers; a change of model is for the next turn.
    model: Arc<str>,
    prompts: Vec<String>,
    /// Prompts that joined while tools ran.
    folded: Vec<String>,
    user_lines: u64,
    used: Usage,
    pub(super) denials: Vec<Object>,
    started_ms: u64,
}

impl Running {
    pub(super) fn is_stopped(&self) -> bool {
        *self.signal.borrow() == Signal::Stop
    }

    fn all_prompts(&self) -> Vec<String> {
        [self.prompts.as_slice(), self.folded.as_slice()].concat()
    }
}

impl QueryEngine {
    pub(crate) fn new(options: AgentOptions) -> Result<Self, AgentError> {
        let canonical = options.cwd.canonicalize();
        let cwd = canonical.map_err(|source| AgentError::Directory { path: options.cwd.clone(), source })?;
        let world = options.world;
        let model: Arc<str> = options.model.into();
        let directories =
            options.additional_directories.into_iter().map(|path| path.canonicalize().unwrap_or(path));
        Ok(Self {
            scribe: Scribe {
                session_id: options.session_id.unwrap_or_else(|| world.uuid()).into(),
                model: Arc::clone(&model),
                delegate: None,
                world,
            },
            policy: Policy::new(
                options.permission_mode,
                options.bypass_allowed,
                cwd.clone(),
                directories.collect(),
            ),
            replay: options.replay_user_messages,
            partial: options.include_partial_messages,
            forward_subagent_text: false,
            host_agents: Vec::new(),
            initialized: false,
            default_model: model,
            pace: options.pace,
            toolbox: Arc::new(Toolbox::new(cwd)),
            queue: PromptQueue::default(),
            pending: Vec::new(),
            running: None,
            totals: Totals::default(),
            input_closed: false,
            last_result_failed: false,
            output: VecDeque::new(),
        })
    }

    /// Takes one line of the host. An error ends the process.
    pub(crate) fn handle_line(&mut self, line: &str) -> Result<(), AgentError> {
        match parse_line(line)? {
            Incoming::Prompt(prompt) => self.handle_prompt(prompt),
            Incoming::Request(request) => self.handle_request(&request),
            Incoming::Answer(answer) => self.handle_answer(answer),
            Incoming::Ignored => {}
        }
        Ok(())
    }

    /// The host will say nothing more. What runs and waits is still answered; what needs permission is refused.
    pub(crate) fn handle_end_of_input(&mut self) {
        self.input_closed = true;
        self.refuse_pending();
    }

    pub(crate) fn handle_event(&mut self, event: TurnEvent) {
        match event {
            TurnEvent::Line(line) => self.say(line),
            TurnEvent::UserLine(line) => {
                self.say(line);
                self.with_running(|running| running.user_lines += 1);
            }
            TurnEvent::Used(usage) => {
                if let Some(running) = &mut self.running {
                    self.totals.add(&running.model, usage);
                    running.used.input_tokens += usage.input_tokens;
                    running.used.output_tokens += usage.output_tokens;
                }
            }
            TurnEvent::Permission(request) => self.handle_permission(request),
            TurnEvent::Fold(reply) => {
                let prompts = self.fold_prompts();
                drop(reply.send(prompts));
            }
            TurnEvent::Done(ending) => self.finish_turn(&ending),
        }
    }

    /// The next event of the running turn; waits for ever while none runs.
    pub(crate) async fn next_event(&mut self) -> TurnEvent {
        let Some(running) = &mut self.running else {
            return std::future::pending().await;
        };
        let ended = || {
            let text = String::new();
            TurnEvent::Done(Ending { kind: EndingKind::Completed, text, stop_reason: None })
        };
        running.turn.next().await.unwrap_or_else(ended)
    }

    /// The next line for stdout.
    pub(crate) fn poll_output(&mut self) -> Option<String> {
        self.output.pop_front()
    }

    /// Whether nothing runs and nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_none() && self.queue.len() == 0
    }

    pub(crate) fn exit_report(&self) -> ExitReport {
        ExitReport { last_result_failed: self.last_result_failed }
    }

    pub(super) fn say(&mut self, line: String) {
        self.output.push_back(line);
    }

    fn with_running(&mut self, change: impl FnOnce(&mut Running)) {
        if let Some(running) = &mut self.running {
            change(running);
        }
    }

    fn handle_prompt(&mut self, prompt: Prompt) {
        let (uuid, urgent) = (prompt.uuid.clone(), prompt.priority == Priority::Now);
        let content = prompt.content.clone();
        let state = match self.queue.push(prompt) {
            Arrival::Queued => "queued",
            Arrival::Refused => "cancelled",
            Arrival::Repeated => {
                self.replay(&content, uuid.as_deref(), false);
                return;
            }
        };
        self.lifecycle(uuid.as_slice(), state);
        match &self.running {
            None => self.start_turn(),
            Some(running) if urgent && !running.is_stopped() => {
                running.signal.send_replace(Signal::Yield);
            }
            Some(_) => {}
        }
    }

    /// Starts the next turn if prompts wait.
    fn start_turn(&mut self) {
        while self.running.is_none() {
            let mut prompts = self.queue.take_turn();
            let Some(last) = prompts.pop() else {
                return;
            };
            self.open_turn(&prompts, &last);
        }
    }

    /// Announces a turn for these prompts and answers them, or not, as they wish.
    fn open_turn(&mut self, prompts: &[Prompt], last: &Prompt) {
        for earlier in prompts {
            self.replay(&earlier.content, earlier.uuid.as_deref(), false);
        }
        let uuids: Vec<String> =
            prompts.iter().chain([last]).filter_map(|prompt| prompt.uuid.clone()).collect();
        self.lifecycle(&uuids, "started");
        self.announce_turn(&uuids, last.wants_answer);
        self.replay(&merged_content(prompts, last), last.uuid.as_deref(), true);
        if last.wants_answer {
            let texts: Vec<String> = prompts.iter().chain([last]).map(Prompt::text).collect();
            self.submit_message(uuids, texts.join("\n"));
        } else {
            self.skip_turn(&uuids);
        }
    }

    /// Builds the turn that answers these prompts and lets it run.
    fn submit_message(&mut self, prompt_uuids: Vec<String>, prompt_text: String) {
        let (signal, listener) = watch::channel(Signal::GoOn);
        let setup = Setup {
            scribe: self.scribe.clone(),
            toolbox: Arc::clone(&self.toolbox),
            pace: self.pace,
            partial: self.partial,
            forward_subagent_text: self.forward_subagent_text,
            prompt_uuids: prompt_uuids.clone(),
            prompt_text,
        };
        self.running = Some(Running {
            turn: Turn::start(setup, listener),
            signal,
            model: Arc::clone(&self.scribe.model),
            prompts: prompt_uuids,
            folded: Vec::new(),
            user_lines: 0,
            used: Usage::default(),
            denials: Vec::new(),
            started_ms: self.scribe.world.unix_ms(),
        });
    }

    fn announce_turn(&mut self, uuids: &[String], requests: bool) {
        let bind =
            |line: Object| if uuids.is_empty() { line } else { line.with("user_message_uuids", uuids) };
        let agents = [vec!["general-purpose".to_owned()], self.host_agents.clone()].concat();
        let init = Object::of_type("system")
            .with("subtype", "init")
            .with("cwd", &self.policy.cwd)
            .with("session_id", &*self.scribe.session_id)
            .with("tools", &TOOL_NAMES)
            .with("mcp_servers", &json!([]))
            .with("model", &*self.scribe.model)
            .with("permissionMode", self.policy.mode.as_str())
            .with("slash_commands", &json!([]))
            .with("apiKeySource", "none")
            .with("claude_code_version", concat!("portcullis-", env!("CARGO_PKG_VERSION")))
            .with("output_style", "default")
            .with("agents", &agents)
            .with("skills", &json!([]))
            .with("plugins", &json!([]))
            .with("capabilities", &["msg_lifecycle_v1", "interrupt_receipt_v1", "interrupt_cancel_queued_v1"])
            .with("uuid", &self.scribe.world.uuid())
            .with("original_cwd", &self.policy.cwd)
            .with("additional_directories", &self.policy.directories);
        self.say(bind(init).to_line());
        if requests {
            self.say(bind(self.scribe.system("status").with("status", "requesting")).to_line());
        }
    }

    /// A prompt that wants no answer has a result all the same.
    fn skip_turn(&mut self, uuids: &[String]) {
        let result = self.result_line("success", false, uuids).with("num_turns", &0).with("result", "");
        let result = result.with("duration_ms", &0).with("stop_reason", &Value::Null);
        let result = result.with("usage", &Usage::default().to_json()).with("permission_denials", &json!([]));
        self.say(result.to_line());
        self.last_result_failed = false;
        self.lifecycle(uuids, "completed");
    }

    /// Hands waiting prompts to the running turn.
    fn fold_prompts(&mut self) -> Vec<Prompt> {
        if self.running.as_ref().is_none_or(Running::is_stopped) {
            return Vec::new();
        }
        let prompts = self.queue.take_foldable();
        for prompt in &prompts {
            self.replay(&prompt.content, prompt.uuid.as_deref(), true);
        }
        let uuids: Vec<String> = prompts.iter().filter_map(|prompt| prompt.uuid.clone()).collect();
        self.lifecycle(&uuids, "started");
        self.with_running(|running| {
            running.folded.extend(uuids);
            // What was urgent is being answered now.
            running.signal.send_replace(Signal::GoOn);
        });
        prompts
    }

    fn finish_turn(&mut self, ending: &Ending) {
        let Some(running) = self.running.take() else {
            return;
        };
        let stopped = matches!(ending.kind, EndingKind::StoppedStreaming | EndingKind::StoppedTools);
        let last_state = if stopped { "cancelled" } else { "completed" };
        if !stopped {
            self.lifecycle(&running.folded, last_state);
        }
        let duration_ms = self.scribe.world.unix_ms().saturating_sub(running.started_ms);
        self.totals.api_ms += duration_ms;
        let subtype = if stopped { "error_during_execution" } else { "success" };
        let mut result = self
            .result_line(subtype, stopped, &running.all_prompts())
            .with("duration_ms", &duration_ms)
            .with("num_turns", &(1 + running.user_lines))
            .with("stop_reason", &ending.stop_reason)
            .with("usage", &running.used.to_json())
            .with("permission_denials", &running.denials)
            .with("terminal_reason", terminal_reason(ending.kind));
        result = if stopped {
            result.with("errors", &["the turn was interrupted by the user"])
        } else {
            result.with("result", &ending.text).with("api_error_status", &Value::Null)
        };
        self.say(result.to_line());
        self.last_result_failed = stopped;
        self.lifecycle(&running.prompts, last_state);
        if stopped {
            self.lifecycle(&running.folded, last_state);
        }
        self.start_turn();
    }

    /// The fields every result has; counts the result.
    fn result_line(&mut self, subtype: &str, is_error: bool, uuids: &[String]) -> Object {
        let line = Object::of_type("result")
            .with("subtype", subtype)
            .with("is_error", &is_error)
            .with("session_id", &*self.scribe.session_id)
            .with("uuid", &self.scribe.world.uuid())
            .with("duration_api_ms", &self.totals.api_ms)
            .with("total_cost_usd", &self.totals.cost_usd())
            .with("modelUsage", &self.totals.model_usage())
            .with("queued_turn_count", &0)
            .with("result_index", &self.totals.results);
        self.totals.results += 1;
        match uuids.first() {
            Some(first) => line.with("user_message_uuid", first).with("user_message_uuids", uuids),
            None => line,
        }
    }

    pub(super) fn replay(&mut self, content: &Value, uuid: Option<&str>, timed: bool) {
        if self.replay {
            let uuid = uuid.map_or_else(|| self.scribe.world.uuid(), str::to_owned);
            self.say(self.scribe.replay(content, &uuid, timed).to_line());
        }
    }

    pub(super) fn lifecycle(&mut self, uuids: &[String], state: &str) {
        for uuid in uuids {
            self.say(self.scribe.lifecycle(uuid, state));
        }
    }
}

/// The content a merged prompt is echoed with: all blocks, each earlier text with a line's end.
fn merged_content(earlier: &[Prompt], last: &Prompt) -> Value {
    if earlier.is_empty() {
        return last.content.clone();
    }
    let before = earlier.iter().flat_map(|prompt| prompt.blocks("\n"));
    Value::Array(before.chain(last.blocks("")).collect())
}

fn terminal_reason(kind: EndingKind) -> &'static str {
    match kind {
        EndingKind::Completed => "completed",
        EndingKind::Yielded | EndingKind::StoppedStreaming => "aborted_streaming",
        EndingKind::StoppedTools => "aborted_tools",
    }
}
