//! How one event changes the transcript: the way in, and what is told in one line.

use super::facts::{merge, set};
use super::{Activity, ItemBody, Notice, NoticeLevel, Transcript};
use crate::json::RawJson;
use crate::wire::agent::{Aside, Message};

impl Transcript {
    /// Applies one event of the log.
    pub fn apply(&mut self, seq: u64, event: &RawJson) {
        match Message::parse(event) {
            Ok(message) => self.message(seq, message),
            Err(error) => {
                self.notice(seq, NoticeLevel::Warning, &format!("An event that cannot be shown: {error}."));
            }
        }
        self.settle_activity();
    }

    /// Applies one volatile event.
    pub fn apply_live(&mut self, event: &RawJson) {
        match Message::parse(event) {
            Ok(Message::Stream(stream)) => self.preview(&stream),
            Ok(Message::ToolProgress(progress)) => self.tool_progress(&progress),
            Ok(Message::System(system)) if system.subtype == "task_progress" => self.task_progress(*system),
            Ok(_) | Err(_) => {}
        }
    }

    fn message(&mut self, seq: u64, message: Message<'_>) {
        match message {
            Message::User(user) => {
                self.alive();
                self.user(seq, *user);
            }
            Message::Assistant(line) => {
                self.alive();
                self.assistant(seq, &line);
            }
            Message::Result(result) => self.turn_end(seq, &result),
            Message::System(system) => self.system(seq, *system),
            Message::Lifecycle(lifecycle) => self.lifecycle(seq, &lifecycle),
            Message::Control(control) => self.asked.control(*control),
            Message::Aside(aside) => self.aside(seq, *aside),
            Message::Stream(_) | Message::ToolProgress(_) | Message::Other(_) => {}
        }
    }

    /// The agent says something, so it did not go.
    pub(super) fn alive(&mut self) {
        self.edit_facts(|facts| set(&mut facts.ended, false));
    }

    /// Brings the working state in line with what runs and what waits.
    fn settle_activity(&mut self) {
        let activity = if !self.asked.is_empty() {
            Activity::Waiting
        } else if self.working || !self.facts.tasks.is_empty() {
            Activity::Running
        } else {
            Activity::Idle
        };
        self.edit_facts(|facts| set(&mut facts.activity, activity));
    }

    fn aside(&mut self, seq: u64, aside: Aside) {
        match aside.kind.as_str() {
            "conversation_reset" => self.cleared(seq),
            "prompt_suggestion" => {
                self.edit_facts(|facts| merge(&mut facts.suggestion, aside.suggestion));
            }
            "streamlined_text" => {
                if let Some(text) = aside.text.filter(|text| !text.is_empty()) {
                    self.push(seq, None, ItemBody::Text { text, live: false, aborted: false });
                }
            }
            "tool_use_summary" | "streamlined_tool_use_summary" => {
                if let Some(text) = aside.summary.or(aside.tool_summary) {
                    self.notice(seq, NoticeLevel::Info, &text);
                }
            }
            "auth_status" => {
                if let Some(error) = aside.error {
                    self.notice(seq, NoticeLevel::Error, &error);
                }
            }
            "rate_limit_event" => match aside.rate_limit_info.and_then(|info| info.status).as_deref() {
                Some("rejected") => {
                    self.notice(seq, NoticeLevel::Error, "The account reached its rate limit.")
                }
                Some("allowed_warning") => {
                    self.notice(seq, NoticeLevel::Warning, "The account is close to its rate limit.");
                }
                Some(_) | None => {}
            },
            _ => {}
        }
    }

    /// A new conversation begins: a divider, and everything that was counted begins anew.
    pub(super) fn cleared(&mut self, seq: u64) {
        self.end_streams(seq);
        self.merges = super::Merges::default();
        self.notice(seq, NoticeLevel::Info, "A new conversation begins; the agent forgot everything above.");
        self.edit_facts(|facts| {
            facts.conversation = None;
            facts.total_cost_usd = None;
            facts.input_tokens = None;
            facts.output_tokens = None;
            facts.suggestion = None;
            facts.todo = Vec::new();
            true
        });
    }

    pub(super) fn notice(&mut self, seq: u64, level: NoticeLevel, text: &str) {
        self.push(seq, None, notice(level, text));
    }
}

pub(super) fn notice(level: NoticeLevel, text: &str) -> ItemBody {
    ItemBody::Notice(Notice { level, text: text.to_owned() })
}

pub(super) fn first_line(text: &str) -> &str {
    text.trim().lines().next().unwrap_or("")
}
