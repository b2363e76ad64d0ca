//! Where a message is on its way to the agent and back, in a few words.

use portcullis_protocol::session::transcript::PromptState;
use portcullis_protocol::wire::client::Presence;

use super::pulse::Wire;
use crate::words::composer as words;

/// What is known about a message that no agent has started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    pub state: PromptState,
    /// Whether a reload keeps it.
    pub lasting: bool,
    /// Whether the server takes long to answer.
    pub slow: bool,
    pub wire: Wire,
    pub bridge: Presence,
}

impl Way {
    /// Where it is.
    #[must_use]
    pub fn words(self) -> String {
        let here = match (self.state, self.wire) {
            (PromptState::Waiting, Wire::Online) => words::waiting_to_be_sent(),
            (PromptState::Waiting, Wire::Connecting | Wire::Waiting | Wire::Offline | Wire::Stopped) => {
                words::waiting_for_connection()
            }
            (PromptState::Sent, _) if self.slow => words::sent_slowly(),
            (PromptState::Sent, _) => words::sending(),
            (PromptState::Stored, _) => match self.bridge {
                Presence::Online => words::on_its_way(),
                Presence::Offline | Presence::Draining => words::not_delivered(),
            },
            (PromptState::Refused, _) => words::refused(),
            (state, _) => settled(state).unwrap_or_default(),
        };
        let unsent = matches!(self.state, PromptState::Waiting | PromptState::Sent | PromptState::Refused);
        match unsent && !self.lasting {
            true => words::in_this_tab(here),
            false => here.to_owned(),
        }
    }
}

/// Where a message is that the agent has, or may have.
#[must_use]
pub fn settled(state: PromptState) -> Option<&'static str> {
    match state {
        PromptState::Delivered => Some(words::next_in_turn()),
        PromptState::Running => Some(words::with_the_agent()),
        PromptState::Answered => Some(words::answered()),
        PromptState::Cancelled => Some(words::stopped()),
        PromptState::Unknown => Some(words::unknown_fate()),
        PromptState::Refused => Some(words::refused()),
        PromptState::Stored => Some(words::with_the_server()),
        PromptState::Waiting | PromptState::Sent => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAY: Way = Way {
        state: PromptState::Waiting,
        lasting: true,
        slow: false,
        wire: Wire::Online,
        bridge: Presence::Online,
    };

    #[test]
    fn every_step_of_a_message_has_its_own_words() {
        let states = [
            PromptState::Waiting,
            PromptState::Sent,
            PromptState::Stored,
            PromptState::Delivered,
            PromptState::Running,
            PromptState::Answered,
        ];
        let mut words: Vec<String> = states.map(|state| Way { state, ..WAY }.words()).into();
        words.dedup();
        assert_eq!(words.len(), states.len(), "{words:?}");
        assert!(words.iter().all(|words| !words.is_empty()));
    }

    #[test]
    fn what_a_reload_would_lose_says_so_until_the_server_has_it() {
        assert!(Way { lasting: false, ..WAY }.words().contains("as long as this tab"));
        let stored = Way { lasting: false, state: PromptState::Stored, ..WAY };
        assert!(!stored.words().contains("as long as this tab"));
    }

    #[test]
    fn a_slow_answer_and_a_bridge_that_is_away_are_said() {
        assert!(Way { state: PromptState::Sent, slow: true, ..WAY }.words().contains("takes long"));
        let away = Way { state: PromptState::Stored, bridge: Presence::Offline, ..WAY };
        assert!(away.words().contains("bridge is offline"));
        assert!(Way { wire: Wire::Offline, ..WAY }.words().contains("connection"));
    }
}
