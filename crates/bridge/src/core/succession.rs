//! How one process of a session follows another: it takes up the conversation of the one before, or, if it cannot, says
//! so and begins anew; it goes on in the mode and with the model that were chosen, and nothing is written to it before
//! it is known which of the two it does.

use portcullis_protocol::Tick;
use portcullis_protocol::json::{Header, RawJson};
use serde::Deserialize;
use serde_json::json;

use super::asked::{Asker, payload};
use super::legacy::{Legacy, is_conversation};
use super::{AgentExit, Entry, Output, Phase, Relay, notice};

/// Said where a conversation is lost.
const BEGINS_ANEW: &str = "It begins a new one, and remembers nothing of what stands above.";

impl Relay {
    /// Starts a process in the conversation the last one was in, if it named one.
    pub(super) fn start_process(&mut self, now: Tick) {
        let resume = self.conversation.clone();
        if resume.is_some() {
            self.phase = Phase::TakingUp;
        } else {
            if self.forgets {
                self.say(&format!("This agent cannot take up its earlier conversation. {BEGINS_ANEW}"));
            }
            self.phase = Phase::Running;
            self.report.count_anew();
        }
        self.outputs.push_back(Output::Spawn { resume });
        self.ask_first(now);
        self.choose_again(now);
    }

    /// The process goes on where the one before ended.
    pub(super) fn be_taken_up(&mut self) {
        if self.phase == Phase::TakingUp {
            self.phase = Phase::Running;
        }
    }

    /// The process ended before it said anything: it could not take the conversation up. Whatever was meant for it waits,
    /// so another one may begin anew in its place.
    pub(super) fn begin_anew(&mut self, now: Tick, exit: &AgentExit) {
        let why =
            exit.last_stderr.as_deref().map(|line| format!(" ({})", notice::quote(line))).unwrap_or_default();
        self.say(&format!("The agent could not take up its earlier conversation{why}. {BEGINS_ANEW}"));
        self.conversation = None;
        // Only the bridge itself asked it anything, and asks again.
        self.asked.take_all();
        self.initialized.forget_asking();
        self.start_process(now);
    }

    /// The process was ended while it took the conversation up: nobody knows what it read, and nothing is tried again
    /// by itself.
    pub(super) fn settle_what_waits(&mut self, now: Tick) {
        if self.phase != Phase::TakingUp || self.stopping {
            return;
        }
        self.be_taken_up();
        for frame in std::mem::take(&mut self.deferred) {
            self.handle_frame(now, frame);
        }
    }

    /// A process starts in the mode and with the model of the session's beginning; what was chosen since is said again.
    fn choose_again(&mut self, now: Tick) {
        let mode = self.report.permission_mode().filter(|mode| *mode != self.spec.permission_mode);
        let mode = mode.filter(|mode| self.spec.policy.mode(mode).is_ok()).map(str::to_owned);
        let model = self.chosen_model.clone();
        let requests = [
            mode.map(|mode| json!({"subtype": "set_permission_mode", "mode": mode})),
            model.map(|model| json!({"subtype": "set_model", "model": model})),
        ];
        for request in requests.into_iter().flatten() {
            let subtype = request["subtype"].as_str().unwrap_or_default().to_owned();
            self.ask(now, Asker::Choice(subtype), &request);
        }
    }

    pub(super) fn note_choice(&mut self, subtype: &str, answer: &RawJson) {
        if payload(answer).is_some() {
            return;
        }
        let what = if subtype == "set_model" { "model" } else { "permission mode" };
        self.say(&format!(
            "The agent was started anew and did not take over the {what} that was chosen before."
        ));
    }

    /// What the agent calls its conversation, from the line that begins a turn, and whether it can take it up again.
    pub(super) fn note_conversation(&mut self, header: &Header, event: &RawJson) {
        #[derive(Deserialize)]
        struct Init {
            resumable: Option<bool>,
        }
        match (header.kind.as_str(), header.subtype.as_deref()) {
            ("system", Some("init")) => {
                self.be_taken_up();
                let keeps = event.read::<Init>().ok().and_then(|init| init.resumable).unwrap_or(true);
                let name = header.session_id.clone().filter(|name| keeps && is_conversation(name));
                self.forgets = name.is_none();
                self.conversation = name;
            }
            // Its new name comes with the next turn; until then there is nothing to take up.
            ("conversation_reset", _) => (self.conversation, self.forgets) = (None, false),
            _ => {}
        }
    }

    /// Whether another bridge, or this one's next life, could go on where the session stands. One that never had a
    /// turn can: nothing is lost with it.
    #[must_use]
    pub(crate) fn can_go_on(&self) -> bool {
        !self.forgets
    }

    /// The bridge ends, and what this session's agent knows ends with it.
    pub(super) fn say_farewell(&mut self) {
        let can_speak = matches!(self.phase, Phase::Unborn | Phase::TakingUp | Phase::Running);
        if self.forgets && can_speak && !self.stopping && !self.is_put_off {
            self.say(
                "The bridge is being ended, and this agent cannot take up a conversation again: the session is \
                 archived.",
            );
        }
    }

    /// Puts on disk what the next process goes on with, if that changed.
    pub(super) fn keep_legacy(&mut self) {
        if !self.has_agent {
            return;
        }
        let mode = self.report.permission_mode().filter(|mode| *mode != self.spec.permission_mode);
        let legacy = Legacy {
            conversation: self.conversation.clone(),
            forgets: self.forgets,
            model: self.chosen_model.clone(),
            permission_mode: mode.map(str::to_owned),
            spent: self.report.spent(),
        };
        if legacy != self.legacy {
            self.legacy = legacy.clone();
            self.outputs.push_back(Output::Journal(Entry::Left(legacy)));
        }
    }
}
