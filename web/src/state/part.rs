//! Code that arrives after the page can be used: where it is.
//!
//! `cargo xtask dist` cuts it out of the module that a tab starts with (the feature `split`), and the page fetches it
//! as soon as it stands. Every other build has it in place.

use std::future::Future;

use leptos::prelude::*;

/// Where the code of a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    Awaited,
    Here,
    /// Not to be had: the connection failed, or the server has another version by now.
    Failed,
}

/// The code of a part did not arrive.
#[derive(Clone, Copy, Debug)]
pub struct Missing;

#[cfg(feature = "split")]
impl From<wasm_split_helpers::SplitLoaderError> for Missing {
    fn from(_: wasm_split_helpers::SplitLoaderError) -> Self {
        Self
    }
}

/// A part that may have to arrive first.
#[derive(Debug)]
pub struct Part(ArcRwSignal<Arrival>);

impl Default for Part {
    fn default() -> Self {
        let arrival = if cfg!(feature = "split") { Arrival::Awaited } else { Arrival::Here };
        Self(ArcRwSignal::new(arrival))
    }
}

impl Part {
    /// Where it is, as a signal.
    #[must_use]
    pub fn arrival(&self) -> ArcRwSignal<Arrival> {
        self.0.clone()
    }
}

/// Waits for the code of a part, and says where it is from then on.
pub async fn fetch<E>(arrival: ArcRwSignal<Arrival>, loaded: impl Future<Output = Result<(), E>>) {
    if arrival.get_untracked() == Arrival::Here {
        return;
    }
    arrival.set(Arrival::Awaited);
    arrival.set(if loaded.await.is_ok() { Arrival::Here } else { Arrival::Failed });
}
