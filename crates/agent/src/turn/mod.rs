//! One turn of the conversation: the model's replies are streamed, its tool calls run, and what happens goes to the
//! engine as a stream of events. The turn is plain data with a future inside; whoever drops it stops all of it.

mod calls;
mod conversation;
mod hooking;
mod listening;
mod speaking;
mod streaming;
mod subagent;
mod talk;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::Stream;
use serde_json::{Value, value::RawValue};
use tokio::sync::{mpsc, oneshot, watch};

use self::streaming::Wanted;
use crate::{
    charter::{AgentDefinition, Charter},
    hooks::HookDecision,
    model::messages::{MessagesClient, failure::ApiFailure},
    options::Pace,
    tools::{Reach, Toolbox},
    wire::{
        incoming::Prompt,
        scribe::{Delegate, Scribe, Usage},
    },
};

/// Events that may wait for the engine before the turn waits itself: small, so that an interrupt acts at once.
const EVENTS_WAITING_MAX: usize = 16;

/// What the engine wants a running turn to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    GoOn,
    /// Stop streaming; tools in flight may finish.
    Yield,
    /// Stop everything.
    Stop,
}

/// What a turn tells the engine.
#[derive(Debug)]
pub(crate) enum TurnEvent {
    /// A line for stdout.
    Line(String),
    /// A `user` line for stdout; results count these.
    UserLine(String),
    /// A message that belongs to the conversation from now on.
    Remember(Value),
    /// The hooks let the prompts through: the turn may be announced.
    Opened,
    Used {
        model: Arc<str>,
        usage: Usage,
    },
    /// Was more spent than the host allows?
    Spent(oneshot::Sender<bool>),
    Permission(PermissionRequest),
    Hook(HookCall),
    /// Nobody waits for this callback any more.
    HookGone {
        request_id: String,
    },
    /// May prompts that came meanwhile join this turn?
    Fold(oneshot::Sender<Vec<Prompt>>),
    Done(Ending),
}

/// A call that may need somebody's permission.
#[derive(Debug)]
pub(crate) struct PermissionRequest {
    pub(crate) tool: String,
    pub(crate) tool_use_id: String,
    pub(crate) input: Box<RawValue>,
    pub(crate) reach: Reach,
    pub(crate) summary: Option<String>,
    pub(crate) agent_id: Option<String>,
    /// What a hook said about this call, and why.
    pub(crate) hook: Option<(HookDecision, Option<String>)>,
    pub(crate) reply: oneshot::Sender<Verdict>,
}

/// A callback the host is to make.
#[derive(Debug)]
pub(crate) struct HookCall {
    pub(crate) request_id: String,
    pub(crate) callback_id: String,
    pub(crate) tool_use_id: String,
    /// The moment's own fields, as JSON; the engine adds what every moment has.
    pub(crate) fields: Box<RawValue>,
    pub(crate) reply: oneshot::Sender<Result<Box<RawValue>, String>>,
}

/// The answer to a [`PermissionRequest`].
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Run exactly this input. `decision` says on the wire who allowed it.
    Run {
        input: Box<RawValue>,
        decision: Value,
    },
    Refused {
        reason: String,
        decision: Value,
    },
    /// The person stopped the turn instead of deciding.
    Interrupted,
}

/// How a turn ended, for its result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ending {
    pub(crate) kind: EndingKind,
    /// The last text the model said, or why there is none.
    pub(crate) text: String,
    pub(crate) stop_reason: Option<String>,
    /// The answer in the form the host asked for.
    pub(crate) structured_output: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EndingKind {
    Completed,
    /// A more urgent prompt came.
    Yielded,
    StoppedStreaming,
    StoppedTools,
    /// A hook wanted no more.
    StoppedByHook,
    /// As many requests were made as the host allows.
    MaxTurns,
    MaxBudget,
    /// The model never gave the form the host asked for.
    Unstructured,
    Failed(ApiFailure),
}

impl Ending {
    pub(crate) fn of(kind: EndingKind) -> Self {
        Self { kind, text: String::new(), stop_reason: None, structured_output: None }
    }
}

/// Who answers.
#[derive(Debug, Clone)]
pub(crate) enum Voice {
    Scripted,
    Messages(MessagesClient),
    /// There is nobody to ask.
    Nobody(ApiFailure),
}

/// What everybody who works in a turn shares.
#[derive(Debug, Clone)]
pub(crate) struct TurnContext {
    pub(crate) scribe: Scribe,
    pub(crate) toolbox: Arc<Toolbox>,
    pub(crate) charter: Arc<Charter>,
    pub(crate) voice: Voice,
    pub(crate) pace: Pace,
    /// Whether `stream_event` lines are wanted.
    pub(crate) partial: bool,
    /// Whether nothing may be changed yet.
    pub(crate) planning: bool,
    pub(crate) prompt_uuids: Vec<String>,
    pub(crate) signal: watch::Receiver<Signal>,
    /// What this sub-agent is, if the host defined its kind.
    agent: Option<Arc<AgentDefinition>>,
    /// How many agents are above this one.
    depth: usize,
    events: mpsc::Sender<TurnEvent>,
}

/// What the engine knows when it starts a turn.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) scribe: Scribe,
    pub(crate) toolbox: Arc<Toolbox>,
    pub(crate) charter: Arc<Charter>,
    pub(crate) voice: Voice,
    pub(crate) pace: Pace,
    pub(crate) partial: bool,
    pub(crate) planning: bool,
    pub(crate) prompt_uuids: Vec<String>,
    pub(crate) opening: Opening,
}

/// What a turn starts from.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) prompt_text: String,
    /// The prompts as content blocks.
    pub(crate) prompt_blocks: Vec<Value>,
    /// The conversation before.
    pub(crate) history: Vec<Value>,
    /// How the session began, if this is its first turn.
    pub(crate) session_start: Option<&'static str>,
    /// Whether the engine waits for [`TurnEvent::Opened`].
    pub(crate) waits_for_hooks: bool,
}

/// A running turn.
pub(crate) struct Turn {
    events: mpsc::Receiver<TurnEvent>,
    work: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl fmt::Debug for Turn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Turn").field("working", &self.work.is_some()).finish_non_exhaustive()
    }
}

impl Turn {
    pub(crate) fn start(setup: Setup, signal: watch::Receiver<Signal>) -> Self {
        let (sender, events) = mpsc::channel(EVENTS_WAITING_MAX);
        let context = TurnContext {
            scribe: setup.scribe,
            toolbox: setup.toolbox,
            charter: setup.charter,
            voice: setup.voice,
            pace: setup.pace,
            partial: setup.partial,
            planning: setup.planning,
            prompt_uuids: setup.prompt_uuids,
            signal,
            agent: None,
            depth: 0,
            events: sender,
        };
        Self { events, work: Some(Box::pin(conversation::run(context, setup.opening))) }
    }
}

/// What happens, in order; it ends after [`TurnEvent::Done`]. The turn only moves while somebody looks.
impl Stream for Turn {
    type Item = TurnEvent;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<TurnEvent>> {
        loop {
            if let Poll::Ready(event) = self.events.poll_recv(task) {
                return Poll::Ready(event);
            }
            let Some(work) = &mut self.work else { return Poll::Ready(None) };
            let over = work.as_mut().poll(task).is_ready();
            if over {
                // With it goes the last sender; what was said at last is received first.
                self.work = None;
            } else {
                return self.events.poll_recv(task);
            }
        }
    }
}

impl TurnContext {
    /// The same turn, seen by a sub-agent.
    fn for_delegate(&self, delegate: Delegate) -> Self {
        let agent = self.charter.agents.get(&delegate.subagent_type).cloned().map(Arc::new);
        let mut scribe = self.scribe.for_delegate(delegate);
        // A family's name, such as `haiku`, is no name the API knows; only a model's own name changes who works.
        let own_model =
            agent.as_ref().and_then(|agent| agent.model.clone()).filter(|name| name.contains(['-', ':']));
        if let (Some(model), Voice::Messages(_)) = (own_model, &self.voice) {
            scribe.model = model.into();
        }
        Self { scribe, agent, depth: self.depth + 1, prompt_uuids: Vec::new(), ..self.clone() }
    }

    /// Whether the model is offered the tool.
    fn offers(&self, tool: &str) -> bool {
        self.charter.offers(tool)
            && self.agent.as_ref().is_none_or(|agent| agent.offers(tool))
            && (tool != "ExitPlanMode" || self.planning)
    }

    /// A closed channel means that the engine is gone, and this future with it.
    async fn tell(&self, event: TurnEvent) {
        drop(self.events.send(event).await);
    }

    async fn line(&self, line: String) {
        self.tell(TurnEvent::Line(line)).await;
    }

    fn is(&self, signal: Signal) -> bool {
        *self.signal.borrow() == signal
    }

    /// Whether this speaker has to stop streaming. A sub-agent does not yield: it is a tool at work.
    fn cuts(&self, signal: Signal) -> bool {
        match signal {
            Signal::GoOn => false,
            Signal::Yield => self.scribe.delegate.is_none(),
            Signal::Stop => true,
        }
    }

    /// Completes once this speaker has to stop streaming.
    async fn cut(&self) {
        let mut signal = self.signal.clone();
        drop(signal.wait_for(|signal| self.cuts(*signal)).await);
    }

    /// Drops the work when this speaker has to stop streaming.
    async fn until_cut<T>(&self, work: impl Future<Output = T>) -> Result<T, Wanted> {
        tokio::select! {
            biased;
            () = self.cut() => Err(Wanted),
            outcome = work => Ok(outcome),
        }
    }

    /// Completes once the engine wants this turn to stop altogether.
    async fn stopped(&self) {
        let mut signal = self.signal.clone();
        drop(signal.wait_for(|signal| *signal == Signal::Stop).await);
    }

    /// Waits; false if the wait was cut short.
    async fn pause(&self, ms: u64) -> bool {
        if ms == 0 {
            // A fast stream must let the engine look at its input now and then.
            tokio::task::yield_now().await;
            return !self.cuts(*self.signal.borrow());
        }
        tokio::select! {
            biased;
            () = self.cut() => false,
            () = tokio::time::sleep(Duration::from_millis(ms)) => true,
        }
    }
}
