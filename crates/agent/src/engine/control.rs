//! The host's control requests: each is answered at once and exactly once, what is not known with an error.

use serde_json::{Value, json};

use super::{QueryEngine, totals::CONTEXT_TOKENS};
use crate::{
    options::PermissionMode,
    permission::{policy::Behavior, rule::Rule},
    tools::suggest,
    wire::{incoming::ControlRequest, object::Object},
};

/// Longest model name, in bytes.
const MODEL_BYTES_MAX: usize = 128;
/// Agents of the host that are listed at most.
const HOST_AGENTS_MAX: usize = 64;
/// What the scripted model's instructions would take of the context, in tokens.
const SYSTEM_PROMPT_TOKENS: u64 = 900;

/// Why a request was not obeyed.
struct Refusal {
    text: String,
    code: Option<&'static str>,
}

type Answer = Result<Option<Value>, Refusal>;

impl QueryEngine {
    pub(super) fn handle_request(&mut self, request: &ControlRequest) {
        if request.subtype() == "initialize" {
            self.initialize(request);
            return;
        }
        let answer = match request.subtype() {
            "interrupt" => Ok(Some(self.interrupt(request))),
            "set_permission_mode" => return self.set_permission_mode(request),
            "set_model" => self.set_model(request),
            "cancel_async_message" => Ok(Some(self.cancel_message(request))),
            "file_suggestions" => Ok(Some(self.suggest_files(request))),
            "get_session_cost" => Ok(Some(json!({"text": self.totals.describe()}))),
            "get_context_usage" => Ok(Some(self.context_usage())),
            "list_models" => Ok(Some(json!({"models": self.models()}))),
            "list_permission_rules" => Ok(Some(self.list_rules())),
            unknown => Err(Refusal {
                text: format!("Unsupported control request subtype: {unknown}"),
                code: Some("unsupported_request"),
            }),
        };
        self.answer(request, answer);
    }

    fn answer(&mut self, request: &ControlRequest, answer: Answer) {
        let succeeded = answer.is_ok();
        let body = Object::new()
            .with("subtype", if succeeded { "success" } else { "error" })
            .with_some("request_id", request.request_id.as_ref());
        let body = match answer {
            Ok(payload) => body.with_some("response", payload),
            Err(refusal) => body.with("error", &refusal.text).with_some("error_code", refusal.code),
        };
        self.say(Object::of_type("control_response").with("response", &body).to_line());
    }

    fn initialize(&mut self, request: &ControlRequest) {
        let wanted = |key: &str| request.request.get(key);
        self.forward_subagent_text = wanted("forwardSubagentText").and_then(Value::as_bool).unwrap_or(false);
        if let Some(agents) = wanted("agents").and_then(Value::as_object) {
            self.host_agents = agents.keys().take(HOST_AGENTS_MAX).cloned().collect();
        }
        let mut introduction = self.introduction();
        // A host must not believe that its hooks guard anything here.
        if wanted("hooks").is_some_and(|hooks| !hooks.is_null()) {
            introduction["hooks_applied"] = json!(false);
        }
        let waiting: Vec<&Object> = self.pending.iter().map(|pending| &pending.envelope).collect();
        let body = Object::new()
            .with("subtype", "success")
            .with_some("request_id", request.request_id.as_ref())
            .with("response", &introduction)
            .with("pending_permission_requests", &waiting)
            .with("pending_user_dialog_requests", &json!([]));
        self.say(Object::of_type("control_response").with("response", &body).to_line());
        if std::mem::replace(&mut self.initialized, true) {
            self.say(self.scribe.system("background_tasks_changed").with("tasks", &json!([])).to_line());
        }
    }

    fn introduction(&self) -> Value {
        let built_in =
            json!({"name": "general-purpose", "description": "Follows the directives in its prompt"});
        let host = self.host_agents.iter().map(|name| json!({"name": name, "description": ""}));
        let session_state = match (&self.running, self.pending.is_empty()) {
            (None, _) => "idle",
            (Some(_), true) => "running",
            (Some(_), false) => "requires_action",
        };
        json!({
            "commands": [],
            "agents": std::iter::once(built_in).chain(host).collect::<Vec<_>>(),
            "output_style": "default",
            "available_output_styles": ["default"],
            "models": self.models(),
            "account": {"apiKeySource": "none", "tokenSource": "none"},
            "pid": std::process::id(),
            "claude_code_version": concat!("portcullis-", env!("CARGO_PKG_VERSION")),
            "current_permission_mode": self.policy.mode.as_str(),
            "session_state": session_state,
            "capabilities": [],
        })
    }

    fn models(&self) -> Value {
        json!([{
            "value": "default",
            "resolvedModel": &*self.default_model,
            "displayName": "Scripted",
            "description": "Follows @ directives, offline and always the same",
        }])
    }

    fn interrupt(&mut self, request: &ControlRequest) -> Value {
        let cancel_queued = request.request.get("cancel_queued").and_then(Value::as_bool).unwrap_or(false);
        let cancelled = if cancel_queued { self.queue.cancel_all() } else { Vec::new() };
        self.lifecycle(&cancelled, "cancelled");
        self.stop_turn();
        let mut receipt = json!({"still_queued": self.queue.uuids()});
        if cancel_queued {
            receipt["cancelled"] = json!(cancelled);
        }
        receipt
    }

    /// The answer comes before the line that tells everybody.
    fn set_permission_mode(&mut self, request: &ControlRequest) {
        let refusal = match request.field("mode").unwrap_or_default().parse() {
            Ok(PermissionMode::BypassPermissions) if !self.policy.bypass_allowed => Refusal {
                text: "Cannot set permission mode to bypassPermissions because the session was not launched with \
                       --dangerously-skip-permissions"
                    .to_owned(),
                code: Some("bypass_not_launched"),
            },
            Ok(mode) => {
                self.answer(request, Ok(Some(json!({"mode": mode.as_str()}))));
                self.enter_mode(mode);
                return;
            }
            Err(error) => {
                Refusal { text: format!("Cannot set permission mode: {error}"), code: Some("invalid_mode") }
            }
        };
        self.answer(request, Err(refusal));
    }

    /// Takes any sane name: one model answers under all of them. The running turn keeps its own.
    fn set_model(&mut self, request: &ControlRequest) -> Answer {
        let model = match request.field("model") {
            None | Some("default") => self.default_model.clone(),
            Some(name) if is_model_name(name) => name.into(),
            Some(name) => {
                return Err(Refusal { text: format!("{name:?} is not a model's name"), code: None });
            }
        };
        if model != self.scribe.model {
            self.scribe.model = model.clone();
            let notice = format!("<local-command-stdout>Set model to `{model}`</local-command-stdout>");
            self.replay(&Value::String(notice), None, true);
        }
        Ok(Some(json!({"model": &*model})))
    }

    fn cancel_message(&mut self, request: &ControlRequest) -> Value {
        let uuid = request.field("message_uuid").unwrap_or_default().to_owned();
        if !self.queue.cancel(&uuid) {
            return json!({"cancelled": false});
        }
        self.lifecycle(std::slice::from_ref(&uuid), "cancelled");
        json!({"cancelled": true, "message_uuid": uuid})
    }

    fn suggest_files(&self, request: &ControlRequest) -> Value {
        let cwd = &self.policy.cwd;
        json!({"suggestions": suggest::files(cwd, request.field("query").unwrap_or_default()), "cwd": cwd})
    }

    fn context_usage(&self) -> Value {
        let used = self.totals.context;
        let messages = used.input_tokens.saturating_sub(SYSTEM_PROMPT_TOKENS) + used.output_tokens;
        let total = SYSTEM_PROMPT_TOKENS + messages;
        let category = |id: &str, name: &str, tokens: u64, kind: &str| json!({"id": id, "name": name, "tokens": tokens, "kind": kind});
        json!({
            "categories": [
                category("system_prompt", "System prompt", SYSTEM_PROMPT_TOKENS, "used"),
                category("messages", "Messages", messages, "used"),
                category("free_space", "Free space", CONTEXT_TOKENS.saturating_sub(total), "free"),
            ],
            "totalTokens": total,
            "maxTokens": CONTEXT_TOKENS,
            "rawMaxTokens": CONTEXT_TOKENS,
            "percentage": total * 100 / CONTEXT_TOKENS,
            "model": &*self.scribe.model,
        })
    }

    fn list_rules(&self) -> Value {
        let rule = |(behavior, rule): &(Behavior, Rule)| json!({"behavior": behavior.as_str(), "source": "session", "rule": rule.to_string()});
        json!({"state": {
            "rules": self.policy.rules.iter().map(rule).collect::<Vec<_>>(),
            "workspaceDirectories": self.policy.directories,
            "originalCwd": self.policy.cwd,
            "managedOnly": false,
        }})
    }
}

fn is_model_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/[]".contains(&byte);
    (1..=MODEL_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed)
}
