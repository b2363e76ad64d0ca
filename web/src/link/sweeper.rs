//! Prompts of sessions that nobody looks at: written while the connection was away, and then another session was opened.
//! They go up as well, and until they did the page says how many there are.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

use leptos::prelude::*;
use portcullis_protocol::id::SessionId;
use wasm_bindgen_futures::spawn_local;

use super::channel::Channel;
use super::courier::Courier;
use super::tokens::Tokens;
use super::vault::{Fate, Place, Vault};
use crate::state::app::App;

/// Sends what was left behind.
pub(super) struct Sweeper {
    app: App,
    tokens: Rc<Tokens>,
    vault: Rc<Vault>,
    channel: Rc<Channel>,
    busy: Cell<bool>,
}

impl Sweeper {
    pub(super) fn new(app: App, tokens: Rc<Tokens>, vault: Rc<Vault>, channel: Rc<Channel>) -> Self {
        Self { app, tokens, vault, channel, busy: Cell::new(false) }
    }

    /// Sends what waits in any session but `open`, which has its own courier.
    pub(super) fn sweep(self: &Rc<Self>, open: Option<SessionId>) {
        if self.busy.replace(true) {
            return;
        }
        let sweeper = Rc::clone(self);
        spawn_local(async move {
            for session in sweeper.left_behind(open.as_ref()).await.0 {
                let place = Place { device: sweeper.tokens.device().clone(), session };
                let (tokens, vault) = (Rc::clone(&sweeper.tokens), Rc::clone(&sweeper.vault));
                Courier::new(place, tokens, vault, Rc::clone(&sweeper.channel)).sweep().await;
            }
            let (_, left) = sweeper.left_behind(open.as_ref()).await;
            if sweeper.app.unsent_elsewhere.get_untracked() != left {
                sweeper.app.unsent_elsewhere.set(left);
            }
            sweeper.busy.set(false);
        });
    }

    /// Sessions with prompts that nobody has sent, and how many are not with the server at all.
    async fn left_behind(&self, open: Option<&SessionId>) -> (BTreeSet<SessionId>, usize) {
        let mut unsent = self.vault.unsent(self.tokens.device()).await;
        unsent.retain(|(place, _)| Some(&place.session) != open);
        let waiting = unsent.iter().filter(|(_, kept)| kept.fate == Fate::Waiting);
        (waiting.map(|(place, _)| place.session.clone()).collect(), unsent.len())
    }
}
