//! Where a message is on its way to the agent and back, in a few words.

use portcullis_protocol::session::transcript::PromptState;
use portcullis_protocol::wire::client::Presence;

use super::pulse::Wire;

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
            (PromptState::Waiting, Wire::Online) => "Waiting to be sent.",
            (PromptState::Waiting, Wire::Connecting | Wire::Waiting | Wire::Offline | Wire::Stopped) => {
                "Waiting for the connection."
            }
            (PromptState::Sent, _) if self.slow => {
                "Sent. The server takes long to answer; it is sent again by itself."
            }
            (PromptState::Sent, _) => "Sending.",
            (PromptState::Stored, _) => match self.bridge {
                Presence::Online => "With the server, on its way to the agent.",
                Presence::Offline | Presence::Draining => {
                    "With the server, not delivered yet: the bridge is offline."
                }
            },
            (PromptState::Refused, _) => "The server refused it.",
            (state, _) => settled(state).unwrap_or_default(),
        };
        let unsent = matches!(self.state, PromptState::Waiting | PromptState::Sent | PromptState::Refused);
        match unsent && !self.lasting {
            true => format!("{here} Kept only as long as this tab is open."),
            false => here.to_owned(),
        }
    }
}

/// Where a message is that the agent has, or may have.
#[must_use]
pub fn settled(state: PromptState) -> Option<&'static str> {
    match state {
        PromptState::Delivered => Some("With the agent, next after what runs now."),
        PromptState::Running => Some("With the agent."),
        PromptState::Answered => Some("Answered."),
        PromptState::Cancelled => Some("Stopped."),
        PromptState::Unknown => {
            Some("It may or may not have reached the agent: the bridge went down meanwhile.")
        }
        PromptState::Refused => Some("The server refused it."),
        PromptState::Stored => Some("With the server."),
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
