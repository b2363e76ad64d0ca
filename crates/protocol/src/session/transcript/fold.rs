//! How one event changes the transcript: the way in, and what is told in one line.

use super::facts::{merge, set};
use super::{Activity, ItemBody, Notice, NoticeLevel, Transcript};
use crate::json::RawJson;
use crate::wire::agent::{Aside, Message};

impl Transcript {
    /// Applies one event of the log.
    pub fn apply(&mut self, seq: u64, event: &RawJson) {
        if self.first_seq == 0 {
            self.first_seq = seq;
        }
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
                self.at(user.timestamp.as_deref());
                self.user(seq, *user);
            }
            Message::Assistant(line) => {
                self.alive();
                self.at(line.timestamp.as_deref());
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

    fn at(&mut self, timestamp: Option<&str>) {
        self.at_ms = timestamp.and_then(epoch_ms).or(self.at_ms);
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

/// A time in UTC as agents write it, `2026-11-21T09:11:20.933Z`, in ms since the Unix epoch.
pub(super) fn epoch_ms(text: &str) -> Option<u64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let fits = (1970..10_000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !fits || hour > 23 || minute > 59 || second > 60 || !text.ends_with('Z') {
        return None;
    }
    // Days from the civil date, with years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468)?;
    let millis = text.get(20..23).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000 + millis)
}

pub(super) fn first_line(text: &str) -> &str {
    text.trim().lines().next().unwrap_or("")
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::epoch_ms;

    #[test]
    fn reads_the_times_of_agents_and_nothing_else() {
        assert_eq!(epoch_ms("1970-01-01T00:00:00.000Z"), Some(0));
        assert_eq!(epoch_ms("2000-02-29T12:34:56.789Z"), Some(951_827_696_789));
        assert_eq!(epoch_ms("2026-11-21T09:11:20.933Z"), Some(1_795_252_280_933));
        assert_eq!(epoch_ms("2026-11-21T09:11:20Z"), Some(1_795_252_280_000));
        for odd in
            ["", "Z", "now", "2026-13-01T00:00:00Z", "2026-11-21T09:11:20+02:00", "é026-11-21T09:11:20Z"]
        {
            assert_eq!(epoch_ms(odd), None, "{odd}");
        }
    }
}
