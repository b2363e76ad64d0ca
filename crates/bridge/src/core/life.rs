//! How agent processes end, and what is said about it: nobody waits for an answer or for a prompt of an agent that is
//! gone, not even when the bridge went with it.

use portcullis_protocol::Tick;
use portcullis_protocol::wire::worker::{WorkStatus, WorkerItem};

use super::asked::Asker;
use super::earlier::{ALL, Fact, Rest};
use super::lane::{LaneQueue, Lanes};
use super::posting::WhyGivenUp;
use super::{AgentExit, End, Entry, Output, Phase, Relay, mint_incarnation, notice};
use crate::room::Activity;

/// Said to a session that waits for a place on this machine.
const NO_PLACE: &str = "This machine runs as many agents as it may, and all of them are busy. The session waits here \
                        for a place, and what you sent is kept until then.";

impl Relay {
    pub(super) fn handle_exit(&mut self, now: Tick, exit: &AgentExit) {
        if self.phase == Phase::TakingUp && exit.code.is_some() && !self.stopping {
            return self.begin_anew(now, exit);
        }
        self.settle_what_waits(now);
        let how = match (exit.code, exit.signal) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("ended by signal {signal}"),
            (None, None) => "no exit code".to_owned(),
        };
        let last =
            exit.last_stderr.as_deref().map(|line| format!(": {}", notice::quote(line))).unwrap_or_default();
        self.end_process(&format!("The agent ended ({how}){last}"), exit.code);
    }

    pub(super) fn handle_spawn_failed(&mut self, reason: &str) {
        self.end_process(&format!("The agent could not be started: {}", notice::quote(reason)), None);
    }

    /// Everything that hung on the process is answered: prompts, askers, and at last its requests.
    fn end_process(&mut self, content: &str, exit_code: Option<i32>) {
        if !matches!(self.phase, Phase::TakingUp | Phase::Running) {
            return;
        }
        let uuid = (self.uuids)();
        let event = notice::agent_ended(content, exit_code, &uuid, &self.agent_session_id);
        self.push_settling(event, vec![Fact::Agent]);
        let (unknown, moved) = self.deliveries.abandon();
        for uuid in unknown {
            self.say_delivery_unknown(
                &uuid,
                "The agent ended, and nobody knows whether it read this message.",
            );
        }
        self.acknowledge(moved);
        for asker in self.asked.take_all() {
            self.fail_asker(asker, "the agent ended");
        }
        self.fail_asker(Asker::Initialize, "the agent ended");
        self.ledger.clear();
        self.streams.forget_messages();
        self.report.handle_ended();
        self.phase = Phase::Ending(content.to_owned());
    }

    pub(super) fn stop(&mut self) {
        if self.stopping {
            return;
        }
        self.stopping = true;
        if matches!(self.phase, Phase::TakingUp | Phase::Running) {
            self.outputs.push_back(Output::Terminate);
        }
    }

    pub(super) fn finish(&mut self, end: End) {
        self.phase = Phase::Finished;
        self.outputs.push_back(Output::Finish(end));
    }

    /// Takes up what an earlier life left: its words first, then what it could not say any more.
    pub(super) fn take_up(&mut self, rest: Option<Rest>) {
        for incarnation in std::mem::take(&mut self.spec.earlier.leftovers) {
            self.outputs.push_back(Output::Journal(Entry::Taken { incarnation, next_n: ALL }));
        }
        if let Some(Rest { next_n, items, .. }) = rest {
            self.lanes.content = LaneQueue::at(items.first().map_or(next_n, |(n, _)| *n));
            for (_, event) in items {
                self.spooled_bytes += event.byte_len();
                self.lanes.content.push(event.byte_len(), |n| WorkerItem::Event { n, event });
            }
        }
        // Otherwise this is said where the ingress knows the speaker.
        if self.phase == Phase::Unborn {
            self.say_unknown_prompts();
        }
    }

    /// Says for the process that died with its bridge what it could not, and that it ended.
    pub(super) fn say_last_words(&mut self) {
        let content = "The agent ended together with the bridge that ran it.";
        self.say_unknown_end(content);
        if self.is_put_off {
            self.say(NO_PLACE);
        }
        self.phase = Phase::Ending(content.to_owned());
    }

    fn say_unknown_end(&mut self, content: &str) {
        if let Some(agent) = self.spec.earlier.agent.take() {
            if !agent.is_told {
                let uuid = (self.uuids)();
                let event = notice::agent_ended(content, None, &uuid, &self.agent_session_id);
                self.push_settling(event, vec![Fact::Agent]);
            }
            for request_id in agent.unsettled {
                let shown = notice::quote(&request_id);
                let event = self.warning(&format!(
                    "The bridge ended right after a tool was allowed (request {shown}): nobody knows whether it ran."
                ));
                self.push_settling(event, vec![Fact::Answer(request_id)]);
            }
        }
        self.say_unknown_prompts();
    }

    fn say_unknown_prompts(&mut self) {
        let open: Vec<String> = self.spec.earlier.take_open().collect();
        for uuid in open {
            self.say_delivery_unknown(
                &uuid,
                "The bridge was restarted, and nobody knows whether the agent read this message.",
            );
        }
    }

    /// Somebody else spoke for the session after the earlier life: what it left is counted and dropped, for nobody
    /// knows how much of it was taken, and nothing is said twice.
    pub(super) fn give_up_earlier_life(&mut self, why: WhyGivenUp) {
        let lost = self.lanes.content.drain().filter(|item| item.n().is_some()).count();
        let old = self.incarnation.clone();
        self.outputs.push_back(Output::Journal(Entry::Taken { incarnation: old.clone(), next_n: ALL }));
        self.be_reborn();
        if lost > 0 {
            let how = match why {
                WhyGivenUp::Superseded => "while another one spoke for this session",
                WhyGivenUp::Unheard => {
                    "and the server, perhaps of an older version, did not say how much of this session it has"
                }
            };
            self.say(&format!(
                "The bridge was restarted {how}: up to {lost} events its agent had printed are not in the log."
            ));
        }
        self.say_unknown_end("The agent ended together with the bridge that ran it.");
        self.has_agent = false;
        self.outputs.push_back(Output::Journal(Entry::Ended { incarnation: old }));
        if self.is_put_off {
            self.say(NO_PLACE);
        }
    }

    /// The ingress knows everything of this incarnation.
    pub(super) fn be_over(&mut self) {
        (self.phase, self.has_agent) = (Phase::Over, false);
        let incarnation = self.incarnation.clone();
        self.outputs.push_back(Output::Journal(Entry::Ended { incarnation: incarnation.clone() }));
        self.outputs.push_back(Output::Journal(Entry::Taken { incarnation, next_n: ALL }));
    }

    /// A new incarnation: the old one said its last word.
    pub(super) fn be_reborn(&mut self) {
        self.incarnation = mint_incarnation(&mut self.uuids);
        self.phase = Phase::Unborn;
        self.is_resumed = false;
        self.lanes = Lanes::new();
        self.spooled_bytes = 0;
        self.is_attached = false;
        self.complaints = 0;
        self.mode_violated = false;
        self.report.start_over();
        self.attach();
    }

    /// What goes on here, for whoever looks for room.
    #[must_use]
    pub(crate) fn activity(&self) -> Activity {
        if self.stopping {
            return Activity::Leaving;
        }
        match self.phase {
            Phase::Finished => Activity::Leaving,
            Phase::Unborn | Phase::Over if self.deferred.is_empty() => Activity::NoAgent,
            Phase::Running if self.is_quiet() => Activity::Idle,
            Phase::Resuming
            | Phase::Unborn
            | Phase::TakingUp
            | Phase::Running
            | Phase::Ending(_)
            | Phase::Ended
            | Phase::Over => Activity::Busy,
        }
    }

    /// Requests that wait for a person.
    #[must_use]
    pub(crate) fn waiting(&self) -> usize {
        self.ledger.waiting()
    }

    fn is_quiet(&self) -> bool {
        self.report.state().status == WorkStatus::Idle
            && self.ledger.is_empty()
            && self.asked.next_deadline().is_none()
            && self.deliveries.are_read()
            && self.lanes.are_empty()
    }

    /// Somebody else needs the place: it is given up, unless something goes on.
    pub(super) fn make_room(&mut self) {
        match self.activity() {
            Activity::NoAgent => self.stop(),
            Activity::Idle => {
                self.say(
                    "This machine runs as many agents as it may, and another session needs the place: the agent was \
                     idle longest and is being ended. The next message starts a new one.",
                );
                self.stop();
            }
            Activity::Busy | Activity::Leaving => {}
        }
    }

    /// There is no place for this session: it is told, and its work goes back to the queue.
    pub(super) fn put_off(&mut self) {
        self.is_put_off = true;
        if self.phase == Phase::Unborn {
            self.say(NO_PLACE);
        }
        self.stop();
    }

    pub(super) fn say_delivery_unknown(&mut self, message_uuid: &str, content: &str) {
        let uuid = (self.uuids)();
        let event = notice::delivery_unknown(message_uuid, content, &uuid, &self.agent_session_id);
        self.push_settling(event, vec![Fact::Prompt(message_uuid.to_owned())]);
    }
}
