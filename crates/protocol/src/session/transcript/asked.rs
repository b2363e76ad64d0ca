//! What waits for a person as the log tells it. It feeds the working state and nothing else: the panel moves by
//! `permission` frames alone.

use std::collections::HashMap;

use crate::limits::PENDING_REQUESTS_MAX;
use crate::wire::agent::Control;

/// Requests without an answer, by their id, with the tool call that waits.
#[derive(Debug, Default)]
pub(super) struct Asked {
    waiting: HashMap<String, Option<String>>,
    required: bool,
}

impl Asked {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && !self.required
    }

    /// Takes a request, an answer or a cancel. Answers settle what waits by its id, and nothing else.
    pub(super) fn control(&mut self, control: Control) {
        match control.kind.as_str() {
            "control_request" => {
                let Some((id, request)) = control.request_id.zip(control.request) else { return };
                let asks = matches!(
                    request.subtype.as_deref(),
                    Some("can_use_tool" | "elicitation" | "request_user_dialog")
                );
                if asks && self.waiting.len() < PENDING_REQUESTS_MAX {
                    self.waiting.insert(id, request.tool_use_id);
                }
            }
            "control_response" => {
                if let Some(id) = control.response.and_then(|response| response.request_id) {
                    self.settle(&id);
                }
            }
            _ => {
                if let Some(id) = control.request_id {
                    self.settle(&id);
                }
            }
        }
    }

    fn settle(&mut self, request_id: &str) {
        if self.waiting.remove(request_id).is_some() {
            self.required = false;
        }
    }

    /// The agent said so itself, without naming the request.
    pub(super) fn require(&mut self, required: bool) {
        self.required = required;
    }

    /// The call has its result, so nobody is asked about it any more.
    pub(super) fn ran(&mut self, tool_use_id: &str) {
        self.waiting.retain(|_, call| call.as_deref() != Some(tool_use_id));
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
