//! Runs the tool calls of one reply: each asks for permission, runs, and reports with one `user` line, in the
//! order in which they finish. Calls that change something run one after the other.

use std::{future::Future, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use serde_json::{Value, json, value::RawValue};
use tokio::sync::oneshot;

use super::{PermissionRequest, TurnContext, TurnEvent, Verdict, streaming::ToolCall, subagent};
use crate::{
    model::Observed,
    tools::{Tool, ToolOutcome},
    wire::{object::Object, scribe::Scribe},
};

/// What the model is told about a call that the person stopped.
const REJECTED: &str = "The user doesn't want to proceed with this tool use. The tool use was rejected or stopped before \
                        it finished. Wait for the user to say how to proceed.";
/// A command that runs longer is announced as a task.
const TASK_AFTER: Duration = Duration::from_secs(3);

/// The person stopped the turn; all calls were reported as rejected.
#[derive(Debug)]
pub(super) struct Stopped;

/// A call whose input was understood.
struct Prepared {
    call: ToolCall,
    tool: Result<Tool, String>,
}

/// Runs all calls of a reply and says what became of each, in call order.
pub(super) async fn run_all(context: &TurnContext, calls: Vec<ToolCall>) -> Result<Vec<Observed>, Stopped> {
    let prepare = |call: ToolCall| Prepared { tool: Tool::parse(&call.name, &call.input), call };
    let mut waiting = calls.into_iter().map(prepare).peekable();
    let mut observed = Vec::new();
    while let Some(first) = waiting.next() {
        let mut batch = vec![first];
        while batch[0].is_concurrent() && waiting.peek().is_some_and(Prepared::is_concurrent) {
            batch.extend(waiting.next());
        }
        match run_batch(context, batch).await {
            Ok(outcomes) => observed.extend(outcomes),
            Err(Stopped) => {
                for unstarted in waiting {
                    context.report(rejection(&context.scribe, &unstarted.call.id)).await;
                }
                return Err(Stopped);
            }
        }
    }
    Ok(observed)
}

impl Prepared {
    fn is_concurrent(&self) -> bool {
        self.tool.as_ref().map_or(true, Tool::is_concurrent)
    }
}

async fn run_batch(context: &TurnContext, batch: Vec<Prepared>) -> Result<Vec<Observed>, Stopped> {
    let size = batch.len();
    let mut running: FuturesUnordered<_> = batch
        .into_iter()
        .enumerate()
        .map(|(place, prepared)| async move { (place, run_one(context, prepared).await) })
        .collect();
    let mut outcomes: Vec<Option<Observed>> = std::iter::repeat_with(|| None).take(size).collect();
    let mut stopped = false;
    while let Some((place, outcome)) = running.next().await {
        match outcome {
            Ok(observed) => outcomes[place] = Some(observed),
            Err(Stopped) => stopped = true,
        }
    }
    if stopped { Err(Stopped) } else { Ok(outcomes.into_iter().flatten().collect()) }
}

/// The whole life of one call.
async fn run_one(context: &TurnContext, prepared: Prepared) -> Result<Observed, Stopped> {
    let Prepared { call, tool } = prepared;
    let cwd = &context.toolbox.cwd;
    let understood = tool.and_then(|tool| Ok((tool.reach(cwd)?, tool.summary(cwd))));
    let (reach, summary) = match understood {
        Ok(understood) => understood,
        Err(problem) => {
            context.report(result(&context.scribe, &call.id, &ToolOutcome::misused(&problem), None)).await;
            return Ok(Observed::Ran);
        }
    };
    let (reply, verdict) = oneshot::channel();
    let request = PermissionRequest {
        tool: call.name.clone(),
        tool_use_id: call.id.clone(),
        input: call.input.clone(),
        reach,
        summary,
        agent_id: context.scribe.delegate.as_ref().map(|delegate| delegate.agent_id.clone()),
        reply,
    };
    context.tell(TurnEvent::Permission(request)).await;
    match verdict.await {
        Ok(Verdict::Run { input, decision }) => run_permitted(context, &call, &input, decision).await,
        Ok(Verdict::Refused { reason, decision }) => {
            let meta = json!({"id": call.id, "non_execution_kind": "permission-rule", "permission_decision": decision});
            let outcome = ToolOutcome::failed(&reason);
            context.report(result(&context.scribe, &call.id, &outcome, Some(meta))).await;
            Ok(Observed::Denied { reason })
        }
        Ok(Verdict::Interrupted) | Err(_) => {
            context.report(rejection(&context.scribe, &call.id)).await;
            Err(Stopped)
        }
    }
}

/// Runs exactly the permitted input, which need not be the one the model asked for.
async fn run_permitted(
    context: &TurnContext,
    call: &ToolCall,
    input: &RawValue,
    decision: Value,
) -> Result<Observed, Stopped> {
    let meta = json!({"id": call.id, "permission_decision": decision});
    let outcome = match Tool::parse(&call.name, input) {
        Err(problem) => Ok(ToolOutcome::misused(&problem)),
        Ok(Tool::Agent(task)) => subagent::run(context, call, task).await,
        Ok(tool @ Tool::Bash(_)) => run_command(context, call, tool).await,
        Ok(tool) => context.until_stopped(tool.run(&context.toolbox, &call.input)).await,
    };
    match outcome {
        Ok(outcome) => {
            context.report(result(&context.scribe, &call.id, &outcome, Some(meta))).await;
            Ok(Observed::Ran)
        }
        Err(Stopped) => {
            context.report(rejection(&context.scribe, &call.id)).await;
            Err(Stopped)
        }
    }
}

/// Runs a command and, once it takes long, announces it as a task until it is over.
async fn run_command(context: &TurnContext, call: &ToolCall, tool: Tool) -> Result<ToolOutcome, Stopped> {
    let description = tool.summary(&context.toolbox.cwd).unwrap_or_default();
    let mut work = Box::pin(context.until_stopped(tool.run(&context.toolbox, &call.input)));
    if let Ok(outcome) = tokio::time::timeout(TASK_AFTER, &mut work).await {
        return outcome;
    }
    let task = Task {
        id: format!("b{}", context.scribe.world.token(8)),
        tool_use_id: call.id.clone(),
        description,
        kind: "local_bash",
    };
    context.line(task.started(&context.scribe).with("task_type", task.kind).to_line()).await;
    let outcome = work.await;
    let status = if outcome.is_ok() { "completed" } else { "stopped" };
    context.line(task.notification(&context.scribe, status, &task.description).to_line()).await;
    outcome
}

/// Work that is announced beside the transcript.
pub(super) struct Task {
    pub(super) id: String,
    pub(super) tool_use_id: String,
    pub(super) description: String,
    pub(super) kind: &'static str,
}

impl Task {
    pub(super) fn line(&self, scribe: &Scribe, subtype: &str) -> Object {
        scribe.system(subtype).with("task_id", &self.id).with("tool_use_id", &self.tool_use_id)
    }

    pub(super) fn started(&self, scribe: &Scribe) -> Object {
        self.line(scribe, "task_started")
            .with("description", &self.description)
            .with("is_backgrounded", &false)
    }

    pub(super) fn notification(&self, scribe: &Scribe, status: &str, summary: &str) -> Object {
        self.line(scribe, "task_notification")
            .with("status", status)
            .with("output_file", "")
            .with("summary", summary)
    }
}

impl TurnContext {
    /// Drops the work, and with it what it started, when the turn is stopped.
    async fn until_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Stopped> {
        tokio::select! {
            biased;
            outcome = work => Ok(outcome),
            () = self.stopped() => Err(Stopped),
        }
    }

    pub(super) async fn report(&self, line: String) {
        // Results count the main thread's lines only.
        let event = match self.scribe.delegate {
            None => TurnEvent::UserLine(line),
            Some(_) => TurnEvent::Line(line),
        };
        self.tell(event).await;
    }
}

fn result(scribe: &Scribe, tool_use_id: &str, outcome: &ToolOutcome, meta: Option<Value>) -> String {
    let mut block = json!({"tool_use_id": tool_use_id, "type": "tool_result", "content": outcome.content});
    if let Some(is_error) = outcome.is_error {
        block["is_error"] = json!(is_error);
    }
    let structured = scribe.delegate.is_none().then_some(&outcome.structured);
    let line = scribe.user(&json!([block])).with_some("tool_use_result", structured);
    line.with_some("tool_result_meta", meta.map(|meta| [meta])).to_line()
}

/// The result of a call that the person stopped.
pub(super) fn rejection(scribe: &Scribe, tool_use_id: &str) -> String {
    let block =
        json!({"type": "tool_result", "content": REJECTED, "is_error": true, "tool_use_id": tool_use_id});
    let meta = json!([{"id": tool_use_id, "non_execution_kind": "user-rejected"}]);
    let line = scribe.user(&json!([block])).with("tool_use_result", "User rejected tool use");
    line.with("tool_result_meta", &meta).to_line()
}
