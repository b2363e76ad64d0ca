//! The sessions the inbox listens to: a driver for each place of it that is taken.

use std::cell::RefCell;
use std::rc::Rc;

use leptos::prelude::*;
use portcullis_protocol::id::SessionId;

use super::drive::{self, Drive};
use super::driver::{Shared, Surface};
use crate::state::app::App;

/// One driver for each place of the inbox.
#[derive(Default)]
pub(super) struct Watches(RefCell<Vec<Rc<dyn Drive>>>);

impl Watches {
    /// Listens to `wanted` from now on. Who was listened to already is not disturbed.
    pub(super) fn follow(
        &self,
        app: App,
        wanted: &[SessionId],
        shared: Option<&Shared>,
        stirred: impl Fn() + Clone + 'static,
    ) {
        let places = app.watched.get_value();
        let mut drivers = self.0.borrow_mut();
        drivers.retain(|driver| {
            let stays = wanted.contains(driver.id());
            if !stays {
                driver.end();
                let place =
                    places.iter().find(|place| place.id.get_untracked().as_ref() == Some(driver.id()));
                place.into_iter().for_each(|place| place.turn_to(None));
            }
            stays
        });
        let Some(shared) = shared else { return };
        for id in wanted {
            let free = places.iter().find(|place| place.id.with_untracked(Option::is_none));
            let known = drivers.iter().any(|driver| driver.id() == id);
            if let (Some(place), false) = (free, known) {
                place.turn_to(Some(id.clone()));
                let surface = Surface::Desk(place.desk);
                drivers.extend(drive::start(id.clone(), surface, shared.clone(), stirred.clone()));
            }
        }
    }

    /// All of them.
    pub(super) fn drivers(&self) -> Vec<Rc<dyn Drive>> {
        self.0.borrow().clone()
    }
}
