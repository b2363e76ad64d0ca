//! A word from one tab of this browser to the others: something they share was changed. It carries no content; who
//! hears it reads the vault.

use std::cell::RefCell;

use portcullis_protocol::id::SessionId;
use wasm_bindgen::prelude::*;
use web_sys::{BroadcastChannel, MessageEvent};

const NAME: &str = "portcullis";

/// What was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// This browser was paired, logged out or disowned.
    Identity,
    /// A prompt was kept for this session, or refused.
    Outbox(SessionId),
    /// A person threw this prompt away.
    Discarded(SessionId, String),
}

impl Word {
    fn to_text(&self) -> String {
        match self {
            Self::Identity => "identity".to_owned(),
            Self::Outbox(session) => format!("outbox {session}"),
            Self::Discarded(session, uuid) => format!("discarded {session} {uuid}"),
        }
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        match (parts.next()?, parts.next(), parts.next()) {
            ("identity", None, None) => Some(Self::Identity),
            ("outbox", Some(session), None) => Some(Self::Outbox(SessionId::parse(session).ok()?)),
            ("discarded", Some(session), Some(uuid)) => {
                Some(Self::Discarded(SessionId::parse(session).ok()?, uuid.to_owned()))
            }
            _ => None,
        }
    }
}

/// The other tabs. While it is closed, nothing is said and nothing heard: a page in the back/forward cache may hold
/// none.
pub struct Channel {
    listener: Closure<dyn Fn(MessageEvent)>,
    open: RefCell<Option<BroadcastChannel>>,
}

impl Channel {
    /// Opens it and tells `listener` what other tabs say.
    pub fn open(listener: impl Fn(Word) + 'static) -> Self {
        let listener = Closure::new(move |event: MessageEvent| {
            if let Some(word) = event.data().as_string().as_deref().and_then(Word::read) {
                listener(word);
            }
        });
        let channel = Self { listener, open: RefCell::new(None) };
        channel.reopen();
        channel
    }

    /// Tells the other tabs.
    pub fn say(&self, word: &Word) {
        if let Some(channel) = &*self.open.borrow() {
            let _ = channel.post_message(&word.to_text().into());
        }
    }

    /// Neither says nor hears anything until [`Self::reopen`].
    pub fn close(&self) {
        if let Some(channel) = self.open.take() {
            channel.close();
        }
    }

    /// Says and hears again.
    pub fn reopen(&self) {
        if self.open.borrow().is_none()
            && let Ok(channel) = BroadcastChannel::new(NAME)
        {
            channel.set_onmessage(Some(self.listener.as_ref().unchecked_ref()));
            self.open.replace(Some(channel));
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Channel").field("open", &self.open.borrow().is_some()).finish_non_exhaustive()
    }
}
