//! A sub-agent: a conversation of its own, with the call's prompt for a start. Its tool calls are real and ask like all
//! others; of its words only the last come back, as the call's result.

use std::{future::Future, pin::Pin};

use serde_json::{Value, json};

use super::{
    TurnContext,
    calls::{self, Fate, Stopped, Task},
    listening::Broken,
    streaming::ToolCall,
    talk::Talk,
};
use crate::{
    charter::GENERAL_AGENT,
    hooks::Moment,
    tools::{AgentInput, ToolOutcome},
    wire::scribe::Delegate,
};

/// Sub-agents below sub-agents; deeper calls are refused, or a script could nest without end.
const DEPTH_MAX: usize = 3;
/// Requests one sub-agent may make to its model; one that needs more has lost its way.
const REQUESTS_MAX: u64 = 100;
/// How often hooks may send a sub-agent back to work.
const SENT_BACK_MAX: u64 = 3;

/// What a sub-agent did, for its result.
#[derive(Debug, Default)]
struct Work {
    said: String,
    tools_used: usize,
    /// Why it gave up.
    failure: Option<String>,
}

/// Boxed, since a sub-agent's calls may start sub-agents.
pub(super) fn run<'a>(
    context: &'a TurnContext,
    call: &'a ToolCall,
    input: AgentInput,
) -> Pin<Box<dyn Future<Output = Result<ToolOutcome, Stopped>> + Send + 'a>> {
    Box::pin(work_on(context, call, input))
}

async fn work_on(context: &TurnContext, call: &ToolCall, input: AgentInput) -> Result<ToolOutcome, Stopped> {
    if context.depth >= DEPTH_MAX {
        return Ok(ToolOutcome::misused(&format!("Error: agents may nest {DEPTH_MAX} deep at most")));
    }
    let agent_type = input.subagent_type.clone().unwrap_or_else(|| GENERAL_AGENT.to_owned());
    let kinds = context.charter.agent_kinds();
    if !kinds.iter().any(|(kind, _)| *kind == agent_type) {
        let known = kinds.iter().map(|(kind, _)| *kind).collect::<Vec<_>>().join(", ");
        return Ok(ToolOutcome::misused(&format!(
            "Error: no agent is called {agent_type:?}; there are: {known}"
        )));
    }
    let started_ms = context.scribe.world.unix_ms();
    let task = Task {
        id: format!("a{}", context.scribe.world.token(16)),
        tool_use_id: call.id.clone(),
        description: input.description.clone(),
        kind: "local_agent",
    };
    let below = context.for_delegate(Delegate {
        agent_id: task.id.clone(),
        tool_use_id: call.id.clone(),
        subagent_type: agent_type.clone(),
        description: input.description.clone(),
    });
    let started = task
        .started(&context.scribe)
        .with("subagent_type", &agent_type)
        .with("spawn_depth", &below.depth)
        .with("task_type", task.kind)
        .with("prompt", &input.prompt);
    context.line(started.to_line()).await;
    let prompt = json!([{"type": "text", "text": input.prompt}]);
    context.line(below.scribe.user(&prompt).to_line()).await;

    let work = follow(&below, &input.prompt).await;
    let (status, notice, summary) = match &work {
        Ok(Work { failure: Some(failure), .. }) => ("failed", "failed", failure.as_str()),
        Ok(work) => ("completed", "completed", work.said.as_str()),
        Err(Stopped) => ("killed", "stopped", task.description.as_str()),
    };
    let patch = json!({"status": status, "end_time": context.scribe.world.unix_ms()});
    context.line(task.line(&context.scribe, "task_updated").with("patch", &patch).to_line()).await;
    context.line(task.notification(&context.scribe, notice, summary).to_line()).await;
    let work = work?;
    let duration_ms = context.scribe.world.unix_ms().saturating_sub(started_ms);
    Ok(match &work.failure {
        Some(failure) => ToolOutcome::failed(format!("The sub-agent gave up: {failure}")),
        None => outcome(&input, &task.id, &agent_type, &work, duration_ms),
    })
}

async fn follow(context: &TurnContext, prompt: &str) -> Result<Work, Stopped> {
    let mut work = Work::default();
    let started = context.about_delegate(Moment::SubagentStart, None).await;
    let notes = std::iter::once(prompt.to_owned()).chain(started.context);
    let blocks = notes.map(|note| json!({"type": "text", "text": note})).collect();
    let mut talk = Talk::open(context.clone(), Vec::new(), prompt, blocks).await;
    let mut sent_back = 0;
    while talk.requests < REQUESTS_MAX {
        match talk.next().await {
            Ok(Some(streamed)) => {
                work.said = streamed.text.unwrap_or(work.said);
                work.tools_used += streamed.calls.len();
                if streamed.calls.is_empty() {
                    talk.settle(streamed.stop_reason.as_deref()).await;
                    continue;
                }
                let outcomes = calls::run_all(context, streamed.calls).await;
                if outcomes.iter().any(|outcome| outcome.fate == Fate::Stopped) {
                    return Err(Stopped);
                }
                let halt = outcomes.iter().find_map(|outcome| outcome.halt.clone());
                talk.observe(outcomes).await;
                if halt.is_some() {
                    return Ok(Work { failure: halt, ..work });
                }
            }
            Ok(None) => {
                let stop = context.about_delegate(Moment::SubagentStop, Some(&work.said)).await;
                match stop.blocked().filter(|_| sent_back < SENT_BACK_MAX) {
                    Some(reason) => talk.prod(&reason).await,
                    None => return Ok(work),
                }
                sent_back += 1;
            }
            Err(Broken::Cut(cut)) => {
                for call in &cut.calls {
                    context.report(calls::rejection(&context.scribe, &call.id)).await;
                }
                return Err(Stopped);
            }
            Err(Broken::Failed(failure)) => return Ok(Work { failure: Some(failure.describe()), ..work }),
        }
    }
    Ok(Work { failure: Some(format!("it asked its model {REQUESTS_MAX} times")), ..work })
}

impl TurnContext {
    /// Says what a sub-agent is about to do; the main agent's doings speak for themselves.
    pub(super) async fn report_progress(&self, tool: &str) {
        let Some(delegate) = &self.scribe.delegate else { return };
        let progress = self
            .scribe
            .system("task_progress")
            .with("task_id", &delegate.agent_id)
            .with("tool_use_id", &delegate.tool_use_id)
            .with("description", &format!("Running {tool}"))
            .with("subagent_type", &delegate.subagent_type)
            .with("last_tool_name", tool);
        self.line(progress.to_line()).await;
    }
}

fn outcome(
    input: &AgentInput,
    agent_id: &str,
    agent_type: &str,
    work: &Work,
    duration_ms: u64,
) -> ToolOutcome {
    let content: Value = json!([{"type": "text", "text": work.said}]);
    let structured = json!({
        "status": "completed", "prompt": input.prompt, "agentId": agent_id, "agentType": agent_type,
        "content": content, "totalDurationMs": duration_ms, "totalTokens": work.said.len() / 4,
        "totalToolUseCount": work.tools_used,
    });
    ToolOutcome { content, is_error: None, structured }
}
