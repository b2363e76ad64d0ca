//! How agent processes end, and what is said about it: nobody waits for an answer or for a prompt of an agent that is
//! gone, not even when the bridge went with it.

use portcullis_protocol::wire::worker::WorkStatus;

use super::asked::Asker;
use super::{AgentExit, Earlier, End, Entry, Output, Phase, Relay, notice};
use crate::room::Activity;

impl Relay {
    pub(super) fn handle_exit(&mut self, exit: &AgentExit) {
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
        if self.phase != Phase::Running {
            return;
        }
        let uuid = (self.uuids)();
        self.push_event(notice::agent_ended(content, exit_code, &uuid, &self.agent_session_id));
        self.said.push(Entry::Ended { incarnation: self.incarnation.clone() });
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
        if self.phase == Phase::Running {
            self.outputs.push_back(Output::Terminate);
        }
    }

    pub(super) fn finish(&mut self, end: End) {
        self.phase = Phase::Finished;
        self.outputs.push_back(Output::Finish(end));
    }

    /// What the last life of the bridge could not say any more.
    pub(super) fn report_earlier_life(&mut self, earlier: &Earlier) {
        if let Some(agent) = &earlier.agent {
            let uuid = (self.uuids)();
            let content = "The agent ended together with the bridge that ran it.";
            self.push_event(notice::agent_ended(content, None, &uuid, &self.agent_session_id));
            self.said.push(Entry::Ended { incarnation: agent.incarnation.clone() });
        }
        for uuid in earlier.open() {
            self.say_delivery_unknown(
                uuid,
                "The bridge was restarted, and nobody knows whether the agent read this message.",
            );
        }
    }

    /// What is journalled as said once the ingress has it.
    pub(super) fn journal_said(&mut self) {
        if self.lanes.content.is_empty() {
            self.outputs.extend(self.said.drain(..).map(Output::Journal));
        }
    }

    /// What goes on here, for whoever looks for room.
    #[must_use]
    pub(crate) fn activity(&self) -> Activity {
        if self.stopping {
            return Activity::Leaving;
        }
        match self.phase {
            Phase::Finished => Activity::Leaving,
            Phase::Unborn | Phase::Ended if self.deferred.is_empty() => Activity::NoAgent,
            Phase::Running if self.is_quiet() => Activity::Idle,
            Phase::Unborn | Phase::Ended | Phase::Running | Phase::Ending(_) => Activity::Busy,
        }
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

    pub(super) fn say_delivery_unknown(&mut self, message_uuid: &str, content: &str) {
        let uuid = (self.uuids)();
        self.push_event(notice::delivery_unknown(message_uuid, content, &uuid, &self.agent_session_id));
        self.said.push(Entry::Closed { uuid: message_uuid.to_owned() });
    }
}
