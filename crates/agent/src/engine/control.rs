//! The host's control requests: each is answered at once and exactly once, what is not known with an error.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    QueryEngine,
    query_engine::{COMMANDS, NOBODY, is_scripted},
    totals::CONTEXT_TOKENS,
};
use crate::{
    model::messages::{Endpoint, request::Thinking},
    options::{DEFAULT_MODEL, PermissionMode},
    permission::{policy::Behavior, rule::Rule},
    tools::suggest,
    wire::{incoming::ControlRequest, object::Object},
};

const VERSION: &str = concat!("portcullis-", env!("CARGO_PKG_VERSION"));
/// Longest title, in characters.
const TITLE_CHARS_MAX: usize = 200;
/// Longest model name, in bytes.
const MODEL_BYTES_MAX: usize = 128;
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
            "set_max_thinking_tokens" => self.set_thinking(request),
            "mcp_status" => Ok(Some(json!({"mcpServers": []}))),
            "get_binary_version" => Ok(Some(json!({"version": VERSION}))),
            "rename_session" => return self.rename(request),
            "end_session" => self.end_session(),
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
        Arc::make_mut(&mut self.charter).take(&request.request);
        let mut introduction = self.introduction();
        if request.request.get("hooks").is_some_and(|hooks| !hooks.is_null()) {
            introduction["hooks_applied"] = json!(true);
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
        let agent = |(name, description): (&str, &str)| json!({"name": name, "description": description});
        let endpoint = self.endpoint.as_ref();
        let session_state = match (&self.running, self.pending.is_empty()) {
            (None, _) => "idle",
            (Some(_), true) => "running",
            (Some(_), false) => "requires_action",
        };
        json!({
            "commands": COMMANDS.map(|(name, description)| json!({"name": name, "description": description, "argumentHint": "", "builtin": true})),
            "agents": self.charter.agent_kinds().into_iter().map(agent).collect::<Vec<_>>(),
            "output_style": "default",
            "available_output_styles": ["default"],
            "models": self.models(),
            "account": {
                "apiKeySource": endpoint.map_or("none", Endpoint::key_source),
                "tokenSource": endpoint.map_or("none", Endpoint::token_source),
            },
            "hook_on_failure_supported": true,
            "pid": std::process::id(),
            "claude_code_version": VERSION,
            "current_permission_mode": self.policy.mode.as_str(),
            "session_state": session_state,
            "capabilities": [],
        })
    }

    fn models(&self) -> Value {
        let model = |value: &str, name: &str| {
            let (shown, description) = if is_scripted(name) {
                ("Scripted", "Follows @ directives, offline and always the same")
            } else {
                (name, "Answers through the Messages API")
            };
            json!({"value": value, "resolvedModel": name, "displayName": shown, "description": description})
        };
        let mut models = vec![model("default", &self.default_model)];
        if !is_scripted(&self.default_model) {
            models.push(model(DEFAULT_MODEL, DEFAULT_MODEL));
        }
        Value::Array(models)
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

    /// Takes any sane name that somebody answers under. The running turn keeps its own.
    fn set_model(&mut self, request: &ControlRequest) -> Answer {
        let model = match request.field("model") {
            None | Some("default") => self.default_model.clone(),
            Some(name) if is_model_name(name) && self.endpoint.is_none() && !is_scripted(name) => {
                return Err(Refusal { text: format!("Nobody answers as {name}: {NOBODY}"), code: None });
            }
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

    fn set_thinking(&mut self, request: &ControlRequest) -> Answer {
        Arc::make_mut(&mut self.charter).thinking = match request.request.get("max_thinking_tokens") {
            None | Some(Value::Null) => Thinking::Unsaid,
            Some(tokens) => match tokens.as_u64() {
                Some(0) => Thinking::Disabled,
                Some(tokens) => Thinking::Budget(tokens),
                None => {
                    return Err(Refusal { text: format!("{tokens} is not a number of tokens"), code: None });
                }
            },
        };
        Ok(None)
    }

    /// The line that tells everybody comes before the answer.
    fn rename(&mut self, request: &ControlRequest) {
        let title: String =
            request.field("title").unwrap_or_default().chars().take(TITLE_CHARS_MAX).collect();
        if title.trim().is_empty() {
            self.answer(request, Err(Refusal { text: "a title is needed".to_owned(), code: None }));
            return;
        }
        self.say(self.scribe.system("session_title_changed").with("title", &title).to_line());
        self.answer(request, Ok(None));
    }

    /// The host will say nothing more: as if its input had ended.
    fn end_session(&mut self) -> Answer {
        self.handle_end_of_input();
        Ok(None)
    }

    /// The context's use in words.
    pub(super) fn describe_context(&self) -> String {
        let usage = self.context_usage();
        format!(
            "{} of {} tokens ({} %) are in use.",
            usage["totalTokens"], usage["maxTokens"], usage["percentage"]
        )
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
        let messages = used.context_tokens().saturating_sub(SYSTEM_PROMPT_TOKENS) + used.output_tokens;
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
