use leptos::prelude::*;
use portcullis_protocol::id::SessionId;

use crate::state::app::App;
use crate::state::command::Command;
use crate::state::desk::{AskEntry, Desk, Watched};
use crate::state::inbox::{self, Key, Waiting};

/// A request and the desk it came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    pub(crate) key: Key,
    pub(crate) entry: AskEntry,
    /// Which place of the inbox.
    place: usize,
}

impl Asked {
    pub(crate) fn desk(&self, app: App) -> Option<Desk> {
        app.watched.with_value(|places| places.get(self.place).map(|place| place.desk))
    }
}

/// Everything the inbox shows, and what a person chose there.
#[derive(Clone, Copy)]
pub(crate) struct Board {
    /// What waits, in the order in which it is offered.
    pub(crate) waiting: Memo<Vec<Asked>>,
    /// What was answered, and is still in view.
    pub(crate) answered: Memo<Vec<Asked>>,
    /// The request that is offered now.
    pub(crate) shown: Memo<Option<Key>>,
    /// Sessions that wait and are not listened to.
    pub(crate) rest: Memo<Vec<SessionId>>,
    pub(crate) chosen: RwSignal<Option<Key>>,
    put_off: RwSignal<Vec<Key>>,
}

impl Board {
    /// Offers the next request, this one when all others were.
    pub(crate) fn not_now(self, key: &Key) {
        let waiting = plain(&self.waiting.get_untracked());
        self.put_off.update(|before| *before = inbox::put_off(std::mem::take(before), key.clone(), &waiting));
        self.chosen.set(None);
    }

    /// Offers the request behind the one that is offered, without putting anything off.
    pub(crate) fn next(self) {
        let all = self.waiting.get_untracked();
        let at =
            self.shown.with_untracked(|shown| all.iter().position(|one| Some(&one.key) == shown.as_ref()));
        let next = all.get(at.map_or(0, |at| (at + 1) % all.len()));
        self.chosen.set(next.map(|asked| asked.key.clone()));
    }
}

/// Listens to the sessions that wait, as long as the component that calls it is there.
pub(crate) fn use_board(app: App) -> Board {
    let places = app.watched.get_value();
    let (chosen, put_off) = (RwSignal::new(None::<Key>), RwSignal::new(Vec::<Key>::new()));
    let plan = {
        let places = places.clone();
        Memo::new(move |_| {
            let listened = places.iter().filter_map(|place| place.id.get());
            let busy = places.iter().filter(|place| place.desk.asks.with(|asks| !asks.is_empty()));
            let busy: Vec<SessionId> = busy.filter_map(|place| place.id.get()).collect();
            let listened: Vec<SessionId> = listened.collect();
            app.lists.sessions.with(|sessions| inbox::split(sessions, &listened, &busy))
        })
    };
    Effect::new(move |_| app.send(Command::Watch(plan.with(|(wanted, _)| wanted.clone()))));
    on_cleanup(move || app.send(Command::Watch(Vec::new())));
    let all = Memo::new(move |_| asked(&places));
    let waiting = Memo::new(move |_| {
        let (mut waiting, order) = all.with(|all| {
            let waiting: Vec<Asked> = all.iter().filter(|asked| asked.entry.waits()).cloned().collect();
            let order = put_off.with(|put_off| inbox::ordered(plain(&waiting), put_off));
            (waiting, order)
        });
        waiting.sort_by_key(|asked| order.iter().position(|one| one.key == asked.key));
        waiting
    });
    let shown = Memo::new(move |_| {
        waiting.with(|waiting| chosen.with(|chosen| inbox::shown(&plain(waiting), chosen.as_ref()).cloned()))
    });
    let answered = Memo::new(move |_| {
        all.with(|all| all.iter().filter(|asked| !asked.entry.waits()).cloned().collect::<Vec<_>>())
    });
    let rest = Memo::new(move |_| plan.with(|(_, rest)| rest.clone()));
    Board { waiting, answered, shown, rest, chosen, put_off }
}

fn asked(places: &[Watched]) -> Vec<Asked> {
    let of_place = |(place, watched): (usize, &Watched)| {
        let session = watched.id.get();
        let asks = watched.desk.asks.get();
        let keyed = asks.into_iter().filter_map(move |entry| {
            let key = Key { session: session.clone()?, request_id: entry.ask.request_id.clone() };
            Some(Asked { key, entry, place })
        });
        keyed.collect::<Vec<_>>()
    };
    places.iter().enumerate().flat_map(of_place).collect()
}

fn plain(asked: &[Asked]) -> Vec<Waiting> {
    let one = |asked: &Asked| Waiting { key: asked.key.clone(), asked_at_ms: asked.entry.ask.asked_at_ms };
    asked.iter().map(one).collect()
}
