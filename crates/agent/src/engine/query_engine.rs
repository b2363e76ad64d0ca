//! The conversation's owner: it queues prompts, builds turns out of them, and closes each with a result. It is told
//! one thing at a time (`handle_…`) and queues the lines that follow from it (`poll_output`).

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    answers::Pending,
    hooking::WaitingHook,
    memory::{self, Memory, Past},
    queue::{Arrival, PromptQueue},
    totals::Totals,
};
use crate::{
    charter::Charter,
    error::{AgentError, ExitReport},
    hooks::Moment,
    model::messages::{Endpoint, MessagesClient, failure::ApiFailure},
    options::{AgentOptions, Pace, PermissionMode, Resume},
    permission::policy::{Behavior, Policy},
    tools::{TOOL_NAMES, Toolbox},
    turn::{Ending, EndingKind, Opening, Setup, Signal, Turn, TurnEvent, Voice},
    wire::{
        incoming::{Incoming, Priority, Prompt, parse_line},
        object::Object,
        scribe::{Scribe, Usage},
    },
};

/// Why a model other than the scripted one cannot answer.
pub(super) const NOBODY: &str = "no model's API is configured: set ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN, or \
                      ANTHROPIC_BASE_URL for a server that needs neither";

/// What the agent does itself when a prompt asks for it.
pub(super) const COMMANDS: [(&str, &str); 3] = [
    ("clear", "Forget the conversation and start a new one"),
    ("context", "Show how full the model's context is"),
    ("cost", "Show what the session has cost so far"),
];

#[derive(Debug)]
pub(crate) struct QueryEngine {
    pub(super) scribe: Scribe,
    pub(super) policy: Policy,
    pub(super) replay: bool,
    pub(super) partial: bool,
    /// Whether the session's state is told as it changes.
    tells_state: bool,
    pub(super) charter: Arc<Charter>,
    pub(super) initialized: bool,
    pub(super) endpoint: Option<Endpoint>,
    client: Option<MessagesClient>,
    /// The model to return to when `default` is asked for.
    pub(super) default_model: Arc<str>,
    pace: Pace,
    pub(super) toolbox: Arc<Toolbox>,
    pub(super) queue: PromptQueue,
    pub(super) pending: Vec<Pending>,
    pub(super) waiting_hooks: Vec<WaitingHook>,
    pub(super) running: Option<Running>,
    pub(super) totals: Totals,
    pub(super) memory: Memory,
    pub(super) data_dir: Option<PathBuf>,
    /// How the session began, until its first turn.
    session_start: Option<&'static str>,
    pub(super) input_closed: bool,
    pub(super) last_result_failed: bool,
    output: VecDeque<String>,
}

/// The turn in progress and what its result will say.
#[derive(Debug)]
pub(super) struct Running {
    turn: Turn,
    pub(super) signal: watch::Sender<Signal>,
    pub(super) prompts: Vec<String>,
    /// Prompts that joined while tools ran.
    pub(super) folded: Vec<String>,
    /// What its prompts are for; only prompts for the same may join.
    workload: Option<String>,
    /// The announcement that waits for the hooks to let the prompts through.
    unannounced: Option<(Vec<Prompt>, Prompt)>,
    pub(super) user_lines: u64,
    pub(super) used: Usage,
    pub(super) denials: Vec<Object>,
    pub(super) started_ms: u64,
    /// Time during which the turn could only wait for a decision.
    pub(super) paused_ms: u64,
    pub(super) paused_since_ms: Option<u64>,
}

impl Running {
    pub(super) fn is_stopped(&self) -> bool {
        *self.signal.borrow() == Signal::Stop
    }

    pub(super) fn all_prompts(&self) -> Vec<String> {
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
        let mut policy =
            Policy::new(options.permission_mode, options.bypass_allowed, cwd.clone(), directories.collect());
        policy.rules.extend(options.deny_rules.into_iter().map(|rule| (Behavior::Deny, rule)));
        policy.rules.extend(options.allow_rules.into_iter().map(|rule| (Behavior::Allow, rule)));
        let data_dir = options.data_dir.map(|directory| directory.join("transcripts"));
        let fresh = || options.session_id.clone().unwrap_or_else(|| world.uuid());
        let resumed = resumed_id(options.resume.as_ref(), data_dir.as_deref(), &cwd);
        let past = match &resumed {
            Some(id) => Some(past_of(data_dir.as_deref(), id)?),
            None => None,
        };
        let forks = resumed.is_some() && options.fork_session;
        let session_id = if forks { fresh() } else { resumed.unwrap_or_else(fresh) };
        let kept_in = data_dir.as_deref().filter(|_| options.keeps_session);
        let mut memory = Memory::open(kept_in, &session_id, &cwd).unwrap_or_else(|error| {
            tracing::warn!(%error, "the conversation is not kept: it cannot be resumed");
            Memory::default()
        });
        let mut totals = Totals::default();
        let session_start = if past.is_some() { "resume" } else { "startup" };
        if let Some(Past { messages, totals: before }) = past {
            memory.recall(messages, forks);
            totals.resume(before.as_ref());
        }
        let client = options.endpoint.clone().map(MessagesClient::new).transpose();
        Ok(Self {
            scribe: Scribe {
                session_id: session_id.into(),
                model: Arc::clone(&model),
                delegate: None,
                world,
            },
            policy,
            replay: options.replay_user_messages,
            partial: options.include_partial_messages,
            tells_state: options.tell_session_state,
            charter: Arc::new(options.charter),
            initialized: false,
            endpoint: options.endpoint,
            client: client.map_err(|failure| AgentError::Client(failure.message))?,
            default_model: model,
            pace: options.pace,
            toolbox: Arc::new(Toolbox::new(cwd)),
            queue: PromptQueue::default(),
            pending: Vec::new(),
            waiting_hooks: Vec::new(),
            running: None,
            totals,
            memory,
            data_dir: data_dir.filter(|_| options.keeps_session),
            session_start: Some(session_start),
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
        self.fail_hooks();
    }

    pub(crate) fn handle_event(&mut self, event: TurnEvent) {
        match event {
            TurnEvent::Line(line) => self.say(line),
            TurnEvent::UserLine(line) => {
                self.say(line);
                self.with_running(|running| running.user_lines += 1);
            }
            TurnEvent::Remember(message) => self.memory.remember(message),
            TurnEvent::Opened => self.announce_opened(),
            TurnEvent::Used { model, usage } => {
                self.totals.add(&model, usage);
                self.with_running(|running| running.used.add(usage));
            }
            TurnEvent::Spent(reply) => {
                let most = self.charter.max_budget_usd;
                // A turn that was dropped does not want to know.
                let _ = reply.send(most.is_some_and(|most| self.totals.cost_usd() >= most));
            }
            TurnEvent::Permission(request) => self.handle_permission(request),
            TurnEvent::Hook(call) => self.handle_hook(call),
            TurnEvent::HookGone { request_id } => self.forget_hook(&request_id),
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
        let ended = || TurnEvent::Done(Ending::of(EndingKind::Completed));
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

    /// Whether the host will say nothing more.
    pub(crate) fn is_closed(&self) -> bool {
        self.input_closed
    }

    pub(crate) fn exit_report(&self) -> ExitReport {
        ExitReport { last_result_failed: self.last_result_failed }
    }

    /// Tells the session's state, where the host wants to know it.
    pub(super) fn tell_state(&mut self, state: &str) {
        if self.tells_state {
            self.say(self.scribe.system("session_state_changed").with("state", state).to_line());
        }
    }

    pub(super) fn say(&mut self, line: String) {
        self.output.push_back(line);
    }

    pub(super) fn with_running(&mut self, change: impl FnOnce(&mut Running)) {
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
    pub(super) fn start_turn(&mut self) {
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
        if prompts.is_empty() && self.run_command(last, &uuids) {
            return;
        }
        if last.wants_answer {
            self.tell_state("running");
            let (signal, listener) = watch::channel(Signal::GoOn);
            let waits_for_hooks = self.waits_for_hooks();
            if !waits_for_hooks {
                self.announce(prompts, last, &uuids);
            }
            self.running = Some(Running {
                turn: self.submit_message(prompts, last, uuids.clone(), listener),
                signal,
                prompts: uuids,
                folded: Vec::new(),
                workload: last.workload.clone(),
                unannounced: waits_for_hooks.then(|| (prompts.to_vec(), last.clone())),
                user_lines: 0,
                used: Usage::default(),
                denials: Vec::new(),
                started_ms: self.scribe.world.unix_ms(),
                paused_ms: 0,
                paused_since_ms: None,
            });
        } else {
            self.announce(prompts, last, &uuids);
            let blocks = last.blocks("");
            self.memory.remember(json!({"role": "user", "content": blocks}));
            self.skip_turn(&uuids);
        }
    }

    /// Whether the host's callbacks have a say in whether the next prompts are answered.
    fn waits_for_hooks(&self) -> bool {
        let asked = |moment, subject| !self.charter.hooks.callbacks(moment, subject).is_empty();
        asked(Moment::UserPromptSubmit, "")
            || self.session_start.is_some_and(|source| asked(Moment::SessionStart, source))
    }

    /// Builds the turn that answers these prompts: the conversation so far, who answers, what they may do. What
    /// happens comes out of it as a stream, and permission is asked for through it.
    fn submit_message(
        &mut self,
        prompts: &[Prompt],
        last: &Prompt,
        prompt_uuids: Vec<String>,
        listener: watch::Receiver<Signal>,
    ) -> Turn {
        let all = || prompts.iter().chain([last]);
        let opening = Opening {
            prompt_text: all().map(Prompt::text).collect::<Vec<_>>().join("\n"),
            prompt_blocks: all().flat_map(|prompt| prompt.blocks("")).collect(),
            history: self.memory.messages().to_vec(),
            waits_for_hooks: self.waits_for_hooks(),
            session_start: self.session_start.take(),
        };
        let setup = Setup {
            scribe: self.scribe.clone(),
            toolbox: Arc::clone(&self.toolbox),
            charter: Arc::clone(&self.charter),
            voice: self.voice(),
            pace: self.pace,
            partial: self.partial,
            planning: self.policy.mode == PermissionMode::Plan,
            prompt_uuids,
            opening,
        };
        Turn::start(setup, listener)
    }

    /// Who answers under the session's model.
    fn voice(&self) -> Voice {
        if is_scripted(&self.scribe.model) {
            return Voice::Scripted;
        }
        match &self.client {
            Some(client) => Voice::Messages(client.clone()),
            None => Voice::Nobody(ApiFailure {
                kind: Some("authentication_error".to_owned()),
                ..ApiFailure::connection(NOBODY)
            }),
        }
    }

    fn announce_opened(&mut self) {
        let Some(running) = &mut self.running else { return };
        let uuids = running.prompts.clone();
        if let Some((prompts, last)) = running.unannounced.take() {
            self.announce(&prompts, &last, &uuids);
        }
    }

    fn announce(&mut self, prompts: &[Prompt], last: &Prompt, uuids: &[String]) {
        self.announce_turn(uuids, last.wants_answer);
        self.replay(&merged_content(prompts, last), last.uuid.as_deref(), true);
    }

    pub(super) fn announce_turn(&mut self, uuids: &[String], requests: bool) {
        let bind =
            |line: Object| if uuids.is_empty() { line } else { line.with("user_message_uuids", uuids) };
        let agents: Vec<&str> = self.charter.agent_kinds().into_iter().map(|(kind, _)| kind).collect();
        let tools: Vec<&str> = TOOL_NAMES.into_iter().filter(|tool| self.charter.offers(tool)).collect();
        let init = Object::of_type("system")
            .with("subtype", "init")
            .with("cwd", &self.policy.cwd)
            .with("session_id", &*self.scribe.session_id)
            .with("tools", &tools)
            .with("mcp_servers", &json!([]))
            .with("model", &*self.scribe.model)
            .with("permissionMode", self.policy.mode.as_str())
            .with("slash_commands", &COMMANDS.map(|(name, _)| name))
            .with("apiKeySource", self.endpoint.as_ref().map_or("none", Endpoint::key_source))
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

    /// Hands waiting prompts to the running turn.
    fn fold_prompts(&mut self) -> Vec<Prompt> {
        let Some(running) = self.running.as_ref().filter(|running| !running.is_stopped()) else {
            return Vec::new();
        };
        let prompts = self.queue.take_foldable(running.workload.as_deref());
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

/// Whether the name is one of the model that needs no endpoint.
pub(super) fn is_scripted(model: &str) -> bool {
    model.starts_with(crate::options::DEFAULT_MODEL)
}

/// The session to go on with, if any.
fn resumed_id(resume: Option<&Resume>, directory: Option<&Path>, cwd: &Path) -> Option<String> {
    match resume? {
        Resume::Session(id) => Some(id.clone()),
        Resume::Latest => memory::latest(directory?, cwd),
    }
}

fn past_of(directory: Option<&Path>, id: &str) -> Result<Past, AgentError> {
    let unknown = || AgentError::NoConversation(id.to_owned());
    memory::recall(directory.ok_or_else(unknown)?, id).map_err(AgentError::Memory)?.ok_or_else(unknown)
}
