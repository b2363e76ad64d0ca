//! One speaker's side of a conversation: the next reply of whoever answers, and what was said so far in the form the
//! model's API wants it back.

use serde_json::{Value, json};

use super::{
    TurnContext, TurnEvent, Voice,
    calls::{Fate, Outcome},
    listening::{self, Broken},
    speaking,
    streaming::Streamed,
};
use crate::{
    charter::STRUCTURED_OUTPUT,
    model::{
        Observed, Reply,
        messages::{MessagesClient, date_of, failure::status_name, request::Question},
        scripted::ScriptedModel,
    },
    tools::schema,
    wire::incoming::Prompt,
};

/// Continuations of one answer that hit the limit of its length.
const CONTINUATIONS_MAX: u64 = 3;
const OUTPUT_LIMIT_HIT: &str =
    "Output token limit hit. Resume directly, without an apology or a recap of what you were doing.";

const INSTRUCTIONS: &str = "\
You are a coding agent that works in a person's project, on their machine, through tools. A person watches and may be \
asked before a tool runs; when a call is denied, read the reason and do not try to get around it.

Look before you change: read the files that matter, and follow the conventions you find. Make the change that was \
asked for and no other. Check what you did, with the project's own tests where there are any. Say briefly what you did \
and what you did not.";

const PLANNING: &str = "\
Plan mode is active: the person wants a plan before anything is changed. Only look. When the plan is complete, present \
it with ExitPlanMode and wait for the answer.";

/// Who speaks next.
#[derive(Debug)]
enum Speaker {
    Scripted(ScriptedModel),
    Messages { client: MessagesClient, settled: bool },
    Nobody,
}

#[derive(Debug)]
pub(super) struct Talk {
    /// Knows more prompts than the turn started with, once some joined.
    pub(super) context: TurnContext,
    speaker: Speaker,
    messages: Vec<Value>,
    /// The first message of this turn.
    turn_from: usize,
    /// Requests made so far.
    pub(super) requests: u64,
    continuations: u64,
    /// What tools said, which the next message has to carry.
    results: Vec<Value>,
}

impl Talk {
    /// A conversation that goes on after `history` with these blocks of a person, or of the agent above.
    pub(super) async fn open(
        context: TurnContext,
        history: Vec<Value>,
        text: &str,
        blocks: Vec<Value>,
    ) -> Self {
        let cwd = context.toolbox.cwd.clone();
        let speaker = match (&context.voice, &context.scribe.delegate) {
            (Voice::Scripted, None) => Speaker::Scripted(ScriptedModel::for_prompt(text, cwd)),
            (Voice::Scripted, Some(_)) => Speaker::Scripted(ScriptedModel::for_task(text, cwd)),
            (Voice::Messages(client), _) => Speaker::Messages { client: client.clone(), settled: false },
            (Voice::Nobody(_), _) => Speaker::Nobody,
        };
        let turn_from = history.len();
        let mut talk = Self {
            context,
            speaker,
            messages: history,
            turn_from,
            requests: 0,
            continuations: 0,
            results: Vec::new(),
        };
        talk.remember("user", blocks).await;
        talk
    }

    /// The next reply, or `None` when all is said.
    pub(super) async fn next(&mut self) -> Result<Option<Streamed>, Broken> {
        let first = self.requests == 0;
        let streamed = match &mut self.speaker {
            Speaker::Scripted(model) => {
                let Some(reply) = model.next_reply() else { return Ok(None) };
                self.announce(first).await;
                speak(&self.context, reply, first).await?
            }
            Speaker::Messages { settled: true, .. } => return Ok(None),
            Speaker::Messages { client, .. } => {
                let client = client.clone();
                self.flush().await;
                self.announce(first).await;
                listening::listen(&self.context, &client, &self.body(), first).await?
            }
            Speaker::Nobody => {
                let Voice::Nobody(failure) = &self.context.voice else { return Ok(None) };
                self.context.say_failure(failure, &[], first).await;
                return Err(Broken::Failed(failure.clone()));
            }
        };
        self.requests += 1;
        self.flush().await;
        self.remember("assistant", streamed.said.clone()).await;
        Ok(Some(streamed))
    }

    /// Takes in a reply without calls. An answer that was cut by its own length, or paused by the API, goes on.
    pub(super) async fn settle(&mut self, stop_reason: Option<&str>) {
        let Speaker::Messages { settled, .. } = &mut self.speaker else { return };
        match stop_reason {
            Some("pause_turn") => {}
            Some("max_tokens") if self.continuations < CONTINUATIONS_MAX => {
                self.continuations += 1;
                self.prod(OUTPUT_LIMIT_HIT).await;
            }
            Some(_) | None => *settled = true,
        }
    }

    /// Says something to the model in the agent's own name, after which it speaks again.
    pub(super) async fn prod(&mut self, text: &str) {
        let block = json!({"type": "text", "text": text});
        let line = self.context.scribe.user(&json!([block])).with("isSynthetic", &true);
        self.context.report(line.to_line()).await;
        self.results.push(block);
        self.flush().await;
        match &mut self.speaker {
            Speaker::Messages { settled, .. } => *settled = false,
            Speaker::Scripted(model) => model.fold(text),
            Speaker::Nobody => {}
        }
    }

    /// Whether there is anything left to say.
    pub(super) fn has_more(&self) -> bool {
        match &self.speaker {
            Speaker::Scripted(model) => model.has_more(),
            Speaker::Messages { settled, .. } => !settled,
            Speaker::Nobody => false,
        }
    }

    /// Whether the model can be made to answer in a form: the scripted one does what its script says.
    pub(super) fn is_asked(&self) -> bool {
        matches!(self.speaker, Speaker::Messages { .. })
    }

    /// Learns what became of the calls of the last reply.
    pub(super) async fn observe(&mut self, outcomes: Vec<Outcome>) {
        let mut notes = Vec::new();
        let mut observed = Vec::new();
        for outcome in outcomes {
            self.results.push(json!({
                "type": "tool_result", "tool_use_id": outcome.id, "content": outcome.content, "is_error": outcome.is_error,
            }));
            notes.extend(outcome.notes.into_iter().map(|note| json!({"type": "text", "text": note})));
            observed.push(match outcome.fate {
                Fate::Ran | Fate::Stopped => Observed::Ran,
                Fate::Denied { reason } => Observed::Denied { reason },
            });
        }
        // The API wants results first in a message.
        self.results.append(&mut notes);
        if let Speaker::Scripted(model) = &mut self.speaker {
            model.observe(observed);
        }
    }

    /// Takes in a prompt that arrived while a tool was busy.
    pub(super) fn fold(&mut self, prompt: &Prompt) {
        self.results.extend(prompt.blocks(""));
        if let Speaker::Scripted(model) = &mut self.speaker {
            model.fold(&prompt.text());
        }
    }

    /// Remembers what was said before a cut; its calls have no results yet.
    pub(super) async fn remember_cut(&mut self, said: Vec<Value>) {
        self.flush().await;
        self.remember("assistant", said).await;
    }

    /// Remembers a note in the person's place, such as that they interrupted.
    pub(super) async fn note(&mut self, text: &str) {
        self.results.push(json!({"type": "text", "text": text}));
        self.flush().await;
    }

    /// Remembers what waits to be said to the model.
    pub(super) async fn flush(&mut self) {
        let results = std::mem::take(&mut self.results);
        self.remember("user", results).await;
    }

    async fn remember(&mut self, role: &str, content: Vec<Value>) {
        if content.is_empty() {
            return;
        }
        let message = json!({"role": role, "content": content});
        if self.context.scribe.delegate.is_none() {
            self.context.tell(TurnEvent::Remember(message.clone())).await;
        }
        self.messages.push(message);
    }

    /// The engine announces the first request of a turn itself, before the prompt's echo.
    async fn announce(&self, first: bool) {
        if !first && self.context.scribe.delegate.is_none() {
            self.context.announce_request().await;
        }
    }

    fn body(&self) -> Value {
        let context = &self.context;
        let charter = &context.charter;
        let mut tools = schema::definitions(|tool| context.offers(tool), &charter.agent_kinds());
        if let Some(schema) = charter.json_schema.as_ref().filter(|_| context.scribe.delegate.is_none()) {
            tools.push(json!({
                "name": STRUCTURED_OUTPUT, "description": "Gives your final answer. Call it once, at the end.",
                "input_schema": schema,
            }));
        }
        let question = Question {
            model: &context.scribe.model,
            system: &self.system(),
            tools,
            messages: &self.messages,
            turn_from: self.turn_from,
            thinking: charter.thinking,
            effort: charter.effort.as_deref(),
        };
        question.body()
    }

    fn system(&self) -> String {
        let context = &self.context;
        let charter = &context.charter;
        let today = date_of(context.scribe.world.unix_ms());
        let place = format!("\n\nWorking directory: {}\nToday: {today}", context.toolbox.cwd.display());
        let own = match (&context.agent, &charter.system_prompt) {
            (Some(agent), _) if !agent.prompt.is_empty() => format!("{}{place}", agent.prompt),
            (Some(_) | None, Some(prompt)) => prompt.clone(),
            (Some(_) | None, None) => format!("{INSTRUCTIONS}{place}"),
        };
        let planning = charter.plan_mode_instructions.as_deref().unwrap_or(PLANNING);
        let parts = [
            Some(own.as_str()),
            charter.append_system_prompt.as_deref().filter(|_| context.scribe.delegate.is_none()),
            context.planning.then_some(planning),
        ];
        parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
    }
}

/// One scripted API call: a failure and its retry if the script says so, then the reply.
async fn speak(context: &TurnContext, reply: Reply, first: bool) -> Result<Streamed, Broken> {
    if let Some(status) = reply.fails_with {
        let delay_ms = context.pace.retry_ms;
        context.report_retry(1, delay_ms, Some(status), status_name(status)).await;
        if !context.pause(delay_ms).await {
            return Err(Broken::Cut(Box::default()));
        }
    }
    speaking::say(context, reply.parts, first).await.map_err(|cut| Broken::Cut(Box::new(cut)))
}
