//! The loop of a turn: ask the model, stream what it says, run what it calls, tell it what came of it, until it has
//! nothing more to say or somebody stops it.

use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{
    Ending, EndingKind, Signal, TurnContext, TurnEvent, calls,
    streaming::{self, Cut, Streamed},
};
use crate::{
    model::{Reply, scripted::ScriptedModel},
    wire::incoming::Prompt,
};

const INTERRUPTED: &str = "[Request interrupted by user]";
const INTERRUPTED_FOR_TOOL_USE: &str = "[Request interrupted by user for tool use]";

/// How often the CLI this wire comes from would try; we always succeed at the second attempt.
const RETRIES_MAX: u64 = 10;

pub(super) async fn run(mut context: TurnContext, prompt_text: String) {
    let mut model = ScriptedModel::for_prompt(&prompt_text, context.toolbox.cwd.clone());
    let mut ending = Ending { kind: EndingKind::Completed, text: String::new(), stop_reason: None };
    let mut first = true;
    while let Some(reply) = model.next_reply() {
        // The engine announces the first request of a turn itself, before the prompt's echo.
        if !first {
            context.announce_request().await;
        }
        let streamed = stream(&context, reply, first).await;
        first = false;
        match streamed {
            Ok(streamed) => {
                ending.stop_reason = streamed.stop_reason.or(ending.stop_reason);
                ending.text = streamed.text.unwrap_or(ending.text);
                let calls = streamed.calls;
                if calls.is_empty() {
                    continue;
                }
                match calls::run_all(&context, calls).await {
                    Ok(outcomes) => model.observe(outcomes),
                    Err(calls::Stopped) => {
                        context.say_interrupted(INTERRUPTED_FOR_TOOL_USE).await;
                        ending.kind = EndingKind::StoppedTools;
                        break;
                    }
                }
                for prompt in context.fold().await {
                    model.fold(&prompt.text());
                    context.prompt_uuids.extend(prompt.uuid);
                }
            }
            Err(cut) => {
                ending = context.wind_up(cut, ending).await;
                break;
            }
        }
    }
    context.tell(TurnEvent::Done(ending)).await;
}

/// One API call: a failure and its retry if the script says so, then the reply.
async fn stream(context: &TurnContext, reply: Reply, first: bool) -> Result<Streamed, Cut> {
    if let Some(status) = reply.fails_with {
        context.report_retry(status).await;
        if !context.pause(context.pace.retry_ms).await {
            return Err(Cut::default());
        }
    }
    streaming::stream(context, reply.parts, first).await
}

impl TurnContext {
    async fn announce_request(&self) {
        let mut line = self.scribe.system("status").with("status", "requesting");
        if !self.prompt_uuids.is_empty() {
            line = line.with("user_message_uuids", &self.prompt_uuids);
        }
        self.line(line.to_line()).await;
    }

    async fn report_retry(&self, status: u16) {
        let line = self
            .scribe
            .system("api_retry")
            .with("attempt", &1)
            .with("max_retries", &RETRIES_MAX)
            .with("retry_delay_ms", &self.pace.retry_ms)
            .with("error_status", &status)
            .with("error", error_name(status));
        self.line(line.to_line()).await;
    }

    /// Asks whether prompts came in while tools ran.
    async fn fold(&self) -> Vec<Prompt> {
        let (reply, answer) = oneshot::channel();
        self.tell(TurnEvent::Fold(reply)).await;
        answer.await.unwrap_or_default()
    }

    async fn say_interrupted(&self, marker: &str) {
        let content: Value = json!([{"type": "text", "text": marker}]);
        self.tell(TurnEvent::UserLine(self.scribe.user(&content).to_line())).await;
    }

    /// Closes a reply that was cut short, in the wire's order: refused calls, the marker, the stream's end.
    async fn wind_up(&self, cut: Cut, ending: Ending) -> Ending {
        let stopped = self.is(Signal::Stop);
        for call in &cut.calls {
            self.tell(TurnEvent::UserLine(calls::rejection(&self.scribe, &call.id))).await;
        }
        if stopped {
            self.say_interrupted(INTERRUPTED).await;
        }
        streaming::close(self, &cut).await;
        let kind = if stopped { EndingKind::StoppedStreaming } else { EndingKind::Yielded };
        Ending { kind, text: cut.text.unwrap_or(ending.text), stop_reason: None }
    }
}

fn error_name(status: u16) -> &'static str {
    match status {
        401 | 403 => "authentication_failed",
        402 => "billing_error",
        404 => "model_not_found",
        429 => "rate_limit",
        529 => "overloaded",
        500.. => "server_error",
        _ => "unknown",
    }
}
