//! Runs the tool calls of one reply: each asks for permission, runs, and reports with one `user` line, in the
//! order in which they finish. Calls that change something run one after the other.

use std::{future::Future, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use serde_json::{Value, json, value::RawValue};
use tokio::sync::oneshot;

use super::{
    PermissionRequest, TurnContext, TurnEvent, Verdict, Voice, hooking::Subject, streaming::ToolCall,
    subagent,
};
use crate::{
    charter::STRUCTURED_OUTPUT,
    hooks::{HookDecision, Moment},
    tools::{Reach, Tool, ToolOutcome, structured},
    wire::{object::Object, scribe::Scribe},
};

/// What the model is told about a call that the person stopped.
const REJECTED: &str = "The user doesn't want to proceed with this tool use. The tool use was rejected or stopped before \
                        it finished. Wait for the user to say how to proceed.";
/// A command that runs longer is announced as a task.
const TASK_AFTER: Duration = Duration::from_secs(3);

/// The person stopped the turn.
#[derive(Debug)]
pub(super) struct Stopped;

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Ran,
    /// A person, a rule or a hook said no.
    Denied {
        reason: String,
    },
    /// The person stopped the turn; the call was reported as rejected.
    Stopped,
}

/// What the model is told about a call.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) id: String,
    pub(super) content: Value,
    pub(super) is_error: bool,
    pub(super) fate: Fate,
    /// What hooks want the model to know beside.
    pub(super) notes: Vec<String>,
    /// The turn is to end, for this reason.
    pub(super) halt: Option<String>,
    /// The final answer, if this call gave it.
    pub(super) structured_output: Option<Value>,
}

/// A call whose input was understood.
struct Prepared {
    call: ToolCall,
    tool: Result<Tool, String>,
}

/// A call that makes sense, with what it could touch.
struct Understood {
    reach: Reach,
    summary: Option<String>,
}

/// Runs all calls of a reply and says what became of each, in call order.
pub(super) async fn run_all(context: &TurnContext, calls: Vec<ToolCall>) -> Vec<Outcome> {
    let prepare = |call: ToolCall| Prepared { tool: Tool::parse(&call.name, &call.input), call };
    let mut waiting = calls.into_iter().map(prepare).peekable();
    let mut outcomes = Vec::new();
    let mut stopped = false;
    while let Some(first) = waiting.next() {
        if stopped {
            outcomes.push(reject(context, &first.call).await);
            continue;
        }
        let mut batch = vec![first];
        while batch[0].is_concurrent() && waiting.peek().is_some_and(Prepared::is_concurrent) {
            batch.extend(waiting.next());
        }
        let done = run_batch(context, batch).await;
        stopped = done.iter().any(|outcome| outcome.fate == Fate::Stopped);
        outcomes.extend(done);
    }
    outcomes
}

impl Prepared {
    fn is_concurrent(&self) -> bool {
        self.tool.as_ref().map_or(true, Tool::is_concurrent)
    }
}

impl Outcome {
    fn of(call: &ToolCall, outcome: &ToolOutcome, fate: Fate) -> Self {
        Self {
            id: call.id.clone(),
            content: outcome.content.clone(),
            is_error: outcome.is_error.unwrap_or(false),
            fate,
            notes: Vec::new(),
            halt: None,
            structured_output: None,
        }
    }

    /// A call that the person stopped.
    pub(super) fn stopped(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            content: Value::String(REJECTED.to_owned()),
            is_error: true,
            fate: Fate::Stopped,
            notes: Vec::new(),
            halt: None,
            structured_output: None,
        }
    }
}

async fn run_batch(context: &TurnContext, batch: Vec<Prepared>) -> Vec<Outcome> {
    let size = batch.len();
    let mut running: FuturesUnordered<_> = batch
        .into_iter()
        .enumerate()
        .map(|(place, prepared)| async move { (place, run_one(context, prepared).await) })
        .collect();
    let mut outcomes: Vec<Option<Outcome>> = std::iter::repeat_with(|| None).take(size).collect();
    while let Some((place, outcome)) = running.next().await {
        outcomes[place] = Some(outcome);
    }
    outcomes.into_iter().flatten().collect()
}

/// The whole life of one call.
async fn run_one(context: &TurnContext, prepared: Prepared) -> Outcome {
    let Prepared { mut call, tool } = prepared;
    if let Some(schema) = context.charter.json_schema.as_ref().filter(|_| call.name == STRUCTURED_OUTPUT) {
        return give_answer(context, &call, schema).await;
    }
    let mut understood = match understand(context, &call, tool) {
        Ok(understood) => understood,
        Err(problem) => return misuse(context, &call, &problem).await,
    };
    let fields = Object::new()
        .with("tool_name", &call.name)
        .with("tool_input", &call.input)
        .with("tool_use_id", &call.id);
    let subject = Subject { name: &call.name, tool_use_id: Some(&call.id) };
    let mut hooked = context.call_hooks(Moment::PreToolUse, &subject, fields).await;
    if let Some(reason) = hooked.stop.take() {
        hooked.decision = Some(HookDecision::Deny);
        hooked.reason = Some(reason.clone());
        let outcome = permit(context, &call, understood, hooked.decision, hooked.reason).await;
        return Outcome { halt: Some(reason), ..outcome };
    }
    if let Some(input) = hooked.updated_input.take() {
        call.input = input;
        let tool = Tool::parse(&call.name, &call.input);
        understood = match understand(context, &call, tool) {
            Ok(understood) => understood,
            Err(problem) => return misuse(context, &call, &problem).await,
        };
    }
    let mut outcome = permit(context, &call, understood, hooked.decision, hooked.reason).await;
    outcome.notes.splice(0..0, hooked.context);
    outcome
}

fn understand(
    context: &TurnContext,
    call: &ToolCall,
    tool: Result<Tool, String>,
) -> Result<Understood, String> {
    let cwd = &context.toolbox.cwd;
    if !context.charter.offers(&call.name)
        || context.agent.as_ref().is_some_and(|agent| !agent.offers(&call.name))
    {
        return Err(format!("Error: No such tool available: {}", call.name));
    }
    let tool = tool?;
    // A script may name any tool, to show what asking for it looks like. A model that makes one up is told so.
    if let (Tool::Unknown(name), Voice::Messages(_)) = (&tool, &context.voice) {
        return Err(format!("Error: No such tool available: {name}"));
    }
    Ok(Understood { reach: tool.reach(cwd)?, summary: tool.summary(cwd) })
}

/// Asks whether the call may run, and runs it.
async fn permit(
    context: &TurnContext,
    call: &ToolCall,
    understood: Understood,
    hook: Option<HookDecision>,
    reason: Option<String>,
) -> Outcome {
    let (reply, verdict) = oneshot::channel();
    let request = PermissionRequest {
        tool: call.name.clone(),
        tool_use_id: call.id.clone(),
        input: call.input.clone(),
        reach: understood.reach,
        summary: understood.summary,
        agent_id: context.scribe.delegate.as_ref().map(|delegate| delegate.agent_id.clone()),
        hook: hook.map(|decision| (decision, reason)),
        reply,
    };
    context.tell(TurnEvent::Permission(request)).await;
    match verdict.await {
        Ok(Verdict::Run { input, decision }) => run_permitted(context, call, &input, decision).await,
        Ok(Verdict::Refused { reason, decision }) => {
            let meta = json!({"id": call.id, "non_execution_kind": "permission-rule", "permission_decision": decision});
            let outcome = ToolOutcome::failed(&reason);
            context.report(result(&context.scribe, &call.id, &outcome, Some(meta))).await;
            Outcome::of(call, &outcome, Fate::Denied { reason })
        }
        Ok(Verdict::Interrupted) | Err(_) => reject(context, call).await,
    }
}

async fn misuse(context: &TurnContext, call: &ToolCall, problem: &str) -> Outcome {
    let outcome = ToolOutcome::misused(problem);
    context.report(result(&context.scribe, &call.id, &outcome, None)).await;
    Outcome::of(call, &outcome, Fate::Ran)
}

async fn reject(context: &TurnContext, call: &ToolCall) -> Outcome {
    context.report(rejection(&context.scribe, &call.id)).await;
    Outcome::stopped(&call.id)
}

/// Takes the final answer, if it has the form the host asked for.
async fn give_answer(context: &TurnContext, call: &ToolCall, schema: &Value) -> Outcome {
    let answer: Value = serde_json::from_str(call.input.get()).unwrap_or_default();
    if let Some(problem) = structured::problem(schema, &answer) {
        return misuse(
            context,
            call,
            &format!("The answer does not have the form that was asked for: {problem}"),
        )
        .await;
    }
    let outcome = ToolOutcome::ok("The answer was taken.", answer.clone());
    context.report(result(&context.scribe, &call.id, &outcome, None)).await;
    Outcome { structured_output: Some(answer), ..Outcome::of(call, &outcome, Fate::Ran) }
}

/// Runs exactly the permitted input, which need not be the one the model asked for.
async fn run_permitted(context: &TurnContext, call: &ToolCall, input: &RawValue, decision: Value) -> Outcome {
    let meta = json!({"id": call.id, "permission_decision": decision});
    let outcome = match Tool::parse(&call.name, input) {
        Err(problem) => Ok(ToolOutcome::misused(&problem)),
        Ok(Tool::Agent(task)) => subagent::run(context, call, task).await,
        Ok(tool @ Tool::Bash(_)) => run_command(context, call, tool).await,
        Ok(tool) => context.until_stopped(tool.run(&context.toolbox, &call.input)).await,
    };
    let Ok(outcome) = outcome else {
        return reject(context, call).await;
    };
    let failed = outcome.is_error == Some(true);
    let (notes, halt) = context.after_call(&call.name, &call.id, input, &outcome.structured, failed).await;
    context.report(result(&context.scribe, &call.id, &outcome, Some(meta))).await;
    Outcome { notes, halt, ..Outcome::of(call, &outcome, Fate::Ran) }
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
