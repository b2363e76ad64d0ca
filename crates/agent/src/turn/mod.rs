//! One turn of the conversation: the model's replies are streamed, its tool calls run, and what happens goes to the
//! engine as a stream of events. The turn is plain data with a future inside; whoever drops it stops all of it.

mod calls;
mod conversation;
mod streaming;
mod subagent;

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use serde_json::{Value, value::RawValue};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
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
    Used(Usage),
    Permission(PermissionRequest),
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
    pub(crate) reply: oneshot::Sender<Verdict>,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) kind: EndingKind,
    /// The last text the model said.
    pub(crate) text: String,
    pub(crate) stop_reason: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndingKind {
    Completed,
    /// A more urgent prompt came.
    Yielded,
    StoppedStreaming,
    StoppedTools,
}

/// What everybody who works in a turn shares.
#[derive(Debug, Clone)]
pub(crate) struct TurnContext {
    pub(crate) scribe: Scribe,
    pub(crate) toolbox: Arc<Toolbox>,
    pub(crate) pace: Pace,
    /// Whether `stream_event` lines are wanted.
    pub(crate) partial: bool,
    /// Whether a sub-agent's text is wanted.
    pub(crate) forward_subagent_text: bool,
    pub(crate) prompt_uuids: Vec<String>,
    pub(crate) signal: watch::Receiver<Signal>,
    /// How many agents are above this one.
    depth: usize,
    events: mpsc::Sender<TurnEvent>,
}

/// What the engine knows when it starts a turn.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) scribe: Scribe,
    pub(crate) toolbox: Arc<Toolbox>,
    pub(crate) pace: Pace,
    pub(crate) partial: bool,
    pub(crate) forward_subagent_text: bool,
    pub(crate) prompt_uuids: Vec<String>,
    pub(crate) prompt_text: String,
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
            pace: setup.pace,
            partial: setup.partial,
            forward_subagent_text: setup.forward_subagent_text,
            prompt_uuids: setup.prompt_uuids,
            signal,
            depth: 0,
            events: sender,
        };
        Self { events, work: Some(Box::pin(conversation::run(context, setup.prompt_text))) }
    }

    /// The next event; `None` after [`TurnEvent::Done`]. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> Option<TurnEvent> {
        while let Some(work) = &mut self.work {
            tokio::select! {
                biased;
                event = self.events.recv() => return event,
                () = work => self.work = None,
            }
        }
        self.events.recv().await
    }
}

impl TurnContext {
    /// The same turn, seen by a sub-agent.
    fn for_delegate(&self, delegate: Delegate) -> Self {
        let scribe = self.scribe.for_delegate(delegate);
        Self { scribe, depth: self.depth + 1, prompt_uuids: Vec::new(), ..self.clone() }
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
