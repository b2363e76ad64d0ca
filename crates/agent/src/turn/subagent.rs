//! A sub-agent: the scripted model again, with the call's prompt for a script. Its tool calls are real and ask like
//! all others; of its words only the last come back, as the call's result.

use std::{future::Future, pin::Pin};

use serde_json::{Value, json};

use super::{
    TurnContext,
    calls::{self, Stopped, Task},
    streaming::{self, Streamed, ToolCall},
};
use crate::{
    model::{Part, scripted::ScriptedModel},
    tools::{AgentInput, ToolOutcome},
    wire::scribe::Delegate,
};

/// Sub-agents below sub-agents; deeper calls are refused, or a script could nest without end.
const DEPTH_MAX: usize = 3;

const DEFAULT_TYPE: &str = "general-purpose";

/// What a sub-agent did, for its result.
#[derive(Debug, Default)]
struct Work {
    said: String,
    tools_used: usize,
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
    let started_ms = context.scribe.world.unix_ms();
    let agent_type = input.subagent_type.clone().unwrap_or_else(|| DEFAULT_TYPE.to_owned());
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

    let work = follow(&below, &task, &agent_type, &input.prompt).await;
    let (status, notice, summary) = match &work {
        Ok(work) => ("completed", "completed", work.said.as_str()),
        Err(Stopped) => ("killed", "stopped", task.description.as_str()),
    };
    let patch = json!({"status": status, "end_time": context.scribe.world.unix_ms()});
    context.line(task.line(&context.scribe, "task_updated").with("patch", &patch).to_line()).await;
    context.line(task.notification(&context.scribe, notice, summary).to_line()).await;
    let work = work?;
    let duration_ms = context.scribe.world.unix_ms().saturating_sub(started_ms);
    Ok(outcome(&input, &task.id, &agent_type, &work, duration_ms))
}

async fn follow(context: &TurnContext, task: &Task, agent_type: &str, prompt: &str) -> Result<Work, Stopped> {
    let mut model = ScriptedModel::for_task(prompt, context.toolbox.cwd.clone());
    let mut work = Work::default();
    while let Some(reply) = model.next_reply() {
        for part in &reply.parts {
            if let Part::Call { name, .. } = part {
                report_progress(context, task, agent_type, name).await;
            }
        }
        let Streamed { calls, text, .. } = match streaming::stream(context, reply.parts, false).await {
            Ok(streamed) => streamed,
            Err(cut) => {
                for call in &cut.calls {
                    context.report(calls::rejection(&context.scribe, &call.id)).await;
                }
                return Err(Stopped);
            }
        };
        work.said = text.unwrap_or(work.said);
        work.tools_used += calls.len();
        if !calls.is_empty() {
            model.observe(calls::run_all(context, calls).await?);
        }
    }
    Ok(work)
}

async fn report_progress(context: &TurnContext, task: &Task, agent_type: &str, tool: &str) {
    let progress = task
        .line(&context.scribe, "task_progress")
        .with("description", &format!("Running {tool}"))
        .with("subagent_type", agent_type)
        .with("last_tool_name", tool);
    context.line(progress.to_line()).await;
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
