//! Requests of the host: who the agent is, the end of a turn, another mode or model. What an agent of this protocol does
//! not know is answered with an error, never left open.

use portcullis_protocol::role::PermissionMode;
use serde_json::{Value, json};

use super::opening::{NO_PLAN_MODE, Phase};
use super::turns::Stop;
use super::{AgentError, Machine, Waiting};
use crate::choices::By;
use crate::host::ControlRequest;

impl Machine {
    pub(super) fn handle_request(&mut self, request: &ControlRequest) {
        let id = request.request_id.as_deref();
        match request.field("subtype").unwrap_or_default() {
            "initialize" => self.handle_initialize(request.request_id.clone()),
            "interrupt" => {
                let cancels = request.request.get("cancel_queued").and_then(Value::as_bool) == Some(true);
                let cancelled = if cancels { self.cancel_queue() } else { Vec::new() };
                self.stop_turn(Stop::Interrupt);
                let still: Vec<&str> =
                    self.queue.iter().filter_map(|prompt| prompt.uuid.as_deref()).collect();
                let mut payload = json!({"still_queued": still});
                if let (true, Some(fields)) = (cancels, payload.as_object_mut()) {
                    fields.insert("cancelled".to_owned(), json!(cancelled));
                }
                self.succeed(id, Some(payload));
            }
            "cancel_async_message" => {
                let uuid = request.field("message_uuid").unwrap_or_default();
                let at = self.queue.iter().position(|prompt| prompt.uuid.as_deref() == Some(uuid));
                if at.and_then(|at| self.queue.remove(at)).is_some() {
                    self.lifecycle(Some(uuid), "cancelled");
                }
                self.succeed(id, Some(json!({"cancelled": at.is_some(), "message_uuid": uuid})));
            }
            "set_permission_mode" => self.handle_set_mode(request),
            "set_model" => self.handle_set_model(request),
            "list_models" => self.succeed(id, Some(json!({"models": self.offered.listed_models()}))),
            "get_context_usage" => {
                let (used, size) = self.totals.context.unwrap_or_default();
                self.succeed(
                    id,
                    Some(json!({"totalTokens": used, "maxTokens": size, "model": self.scribe.model})),
                );
            }
            "end_session" => {
                self.succeed(id, None);
                self.cancel_queue();
                self.handle_host_closed();
            }
            other => {
                let text = format!("Unsupported control request subtype: {}", crate::card::cut(other, 100));
                self.fail(id, &text, "unsupported_request");
            }
        }
    }

    fn handle_set_mode(&mut self, request: &ControlRequest) {
        let id = request.request_id.clone();
        let name = request.field("mode").unwrap_or_default();
        let Some(mode) = PermissionMode::parse(name) else {
            return self.fail(id.as_deref(), "that is no permission mode", "invalid_mode");
        };
        if self.phase != Phase::Ready {
            return self.fail(id.as_deref(), "the agent has opened no session yet", "invalid_mode");
        }
        let target = self.offered.mode_for(mode).map(|choice| choice.id.clone());
        if let Some(target) = target {
            if self.offered.modes.current.as_ref() != Some(&target) {
                return self.set_agent_mode(&target, Some(id), mode);
            }
        } else if let Some(why) = self.cannot_take(mode) {
            return self.fail(id.as_deref(), &why, "invalid_mode");
        } else if mode == PermissionMode::Plan {
            self.inform("warning", NO_PLAN_MODE);
        }
        self.change_mode(mode);
        self.succeed(id.as_deref(), Some(json!({"mode": mode.as_str()})));
    }

    /// Why a mode that the agent does not have cannot be had from this front alone.
    fn cannot_take(&self, mode: PermissionMode) -> Option<String> {
        let names: Vec<&str> = self.offered.modes.all.iter().map(|choice| choice.name.as_str()).collect();
        let current = self.offered.modes.current.as_deref().and_then(|id| self.offered.meaning(id));
        let is_another = current.is_some_and(|current| current != mode);
        let cannot = match mode {
            // These two only refuse more, and that can be done here.
            PermissionMode::Plan | PermissionMode::DontAsk => false,
            PermissionMode::Default | PermissionMode::AcceptEdits => is_another,
            PermissionMode::BypassPermissions | PermissionMode::Auto => true,
        };
        cannot.then(|| {
            let list = if names.is_empty() { "none of its own".to_owned() } else { names.join(", ") };
            format!("this agent has no such mode; it has: {list}")
        })
    }

    /// Switches the agent; `request_id` is who asked, if anybody did.
    pub(super) fn set_agent_mode(
        &mut self,
        id: &str,
        request_id: Option<Option<String>>,
        mode: PermissionMode,
    ) {
        let session = self.conversation.clone();
        let waiting = Waiting::SetMode { request_id, mode };
        match self.offered.modes.by.clone() {
            By::Option(option) => {
                let params = json!({"sessionId": session, "configId": option, "value": id});
                self.call("session/set_config_option", params, waiting);
            }
            By::Method | By::Nothing => {
                self.call("session/set_mode", json!({"sessionId": session, "modeId": id}), waiting);
            }
        }
    }

    pub(super) fn handle_mode_set(
        &mut self,
        request_id: Option<Option<String>>,
        mode: PermissionMode,
        reply: Result<Value, AgentError>,
    ) {
        match reply {
            Ok(answer) => {
                if let Some(options) = answer.get("configOptions") {
                    self.take_options(options);
                }
                if let Some(choice) = self.offered.mode_for(mode) {
                    self.offered.modes.current = Some(choice.id.clone());
                }
                self.change_mode(mode);
                if let Some(id) = request_id {
                    self.succeed(id.as_deref(), Some(json!({"mode": mode.as_str()})));
                }
            }
            Err(error) => match request_id {
                Some(id) => self.fail(id.as_deref(), &error.text(), "invalid_mode"),
                None => {
                    let current = self.offered.modes.current.as_deref();
                    if let Some(meant) = current.and_then(|id| self.offered.meaning(id)) {
                        self.change_mode(meant);
                    }
                    self.inform("warning", &format!("The agent did not take the mode: {}", error.text()));
                }
            },
        }
    }

    /// From now on this mode holds.
    pub(super) fn change_mode(&mut self, mode: PermissionMode) {
        self.mode_is_ours = self.offered.mode_for(mode).is_none();
        if self.mode != mode {
            self.mode = mode;
            let fields = json!({"status": null, "permissionMode": mode.as_str()});
            let line = self.scribe.system(&*self.outside, "status", fields);
            self.say(line);
        }
    }

    fn handle_set_model(&mut self, request: &ControlRequest) {
        let id = request.request_id.clone();
        let wanted = request.field("model").filter(|model| *model != "default");
        let wanted = wanted.map(str::to_owned).or_else(|| self.offered.models.current.clone());
        let Some(model) = wanted.filter(|model| self.offered.models.get(model).is_some()) else {
            return self.fail(id.as_deref(), "this agent offers no such model", "unsupported_request");
        };
        if self.offered.models.current.as_ref() == Some(&model) {
            return self.succeed(id.as_deref(), Some(json!({"model": model})));
        }
        self.set_agent_model(&model, Some(id));
    }

    pub(super) fn set_agent_model(&mut self, model: &str, request_id: Option<Option<String>>) {
        let session = self.conversation.clone();
        let waiting = Waiting::SetModel { request_id, model: model.to_owned() };
        match self.offered.models.by.clone() {
            By::Option(option) => {
                let params = json!({"sessionId": session, "configId": option, "value": model});
                self.call("session/set_config_option", params, waiting);
            }
            By::Method | By::Nothing => {
                self.call("session/set_model", json!({"sessionId": session, "modelId": model}), waiting);
            }
        }
    }

    pub(super) fn handle_model_set(
        &mut self,
        request_id: Option<Option<String>>,
        model: &str,
        reply: Result<Value, AgentError>,
    ) {
        match reply {
            Ok(answer) => {
                if let Some(options) = answer.get("configOptions") {
                    self.take_options(options);
                }
                self.offered.models.current = Some(model.to_owned());
                self.tell_model();
                if let Some(id) = request_id {
                    self.succeed(id.as_deref(), Some(json!({"model": model})));
                }
            }
            Err(error) => match request_id {
                Some(id) => self.fail(id.as_deref(), &error.text(), "unsupported_request"),
                None => {
                    self.inform("warning", &format!("The agent did not take the model: {}", error.text()))
                }
            },
        }
    }

    pub(super) fn succeed(&mut self, request_id: Option<&str>, payload: Option<Value>) {
        let mut response = json!({"subtype": "success"});
        if let Some(fields) = response.as_object_mut() {
            if let Some(id) = request_id {
                fields.insert("request_id".to_owned(), json!(id));
            }
            if let Some(payload) = payload {
                fields.insert("response".to_owned(), payload);
            }
        }
        self.say(json!({"type": "control_response", "response": response}).to_string());
    }

    fn fail(&mut self, request_id: Option<&str>, text: &str, code: &str) {
        let mut response = json!({"subtype": "error", "error": text, "error_code": code});
        if let (Some(id), Some(fields)) = (request_id, response.as_object_mut()) {
            fields.insert("request_id".to_owned(), json!(id));
        }
        self.say(json!({"type": "control_response", "response": response}).to_string());
    }
}
