//! Parts of the page whose code arrives after the page can be used.
//!
//! `cargo xtask dist` cuts them out of the module that a tab starts with (the feature `split`), and the page fetches
//! them as soon as it stands. Every other build has them in place and draws them at once.

use std::future::Future;

use leptos::prelude::*;

use crate::words::page as words;

/// Where the code of a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    Awaited,
    Here,
    /// Not to be had: the connection failed, or the server has another version by now.
    Failed,
}

impl Arrival {
    /// What stands in the place of a part that has nothing better to show meanwhile.
    pub(crate) fn told(self, again: fn()) -> AnyView {
        match self {
            Self::Awaited => view! { <p class="later" role="status">{words::part_awaited()}</p> }.into_any(),
            Self::Here => ().into_any(),
            Self::Failed => view! {
                <p class="later" role="alert">
                    {words::part_failed()}
                    <button class="button" on:click=move |_| again()>{words::part_again()}</button>
                </p>
            }
            .into_any(),
        }
    }
}

/// The code of a part did not arrive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Missing;

#[cfg(feature = "split")]
impl From<wasm_split_helpers::SplitLoaderError> for Missing {
    fn from(_: wasm_split_helpers::SplitLoaderError) -> Self {
        Self
    }
}

/// A part that may have to arrive first.
#[derive(Debug)]
pub(crate) struct Part(ArcRwSignal<Arrival>);

impl Part {
    pub(crate) fn new() -> Self {
        let arrival = if cfg!(feature = "split") { Arrival::Awaited } else { Arrival::Here };
        Self(ArcRwSignal::new(arrival))
    }

    /// Where it is, tracked.
    pub(crate) fn arrival(&self) -> ArcRwSignal<Arrival> {
        self.0.clone()
    }
}

/// Waits for the code of a part, and says where it is from then on.
pub(crate) async fn fetch(
    arrival: ArcRwSignal<Arrival>,
    loaded: impl Future<Output = Result<(), Missing>>,
) {
    if arrival.get_untracked() == Arrival::Here {
        return;
    }
    arrival.set(Arrival::Awaited);
    arrival.set(if loaded.await.is_ok() { Arrival::Here } else { Arrival::Failed });
}

/// Defines a part: a module with `view`, which draws it or what stands in its place, and `fetch`.
///
/// Parts of one name (the word before the colon) arrive as one file.
macro_rules! later {
    ($(#[$meta:meta])* $file:ident: fn $name:ident($($arg:ident: $type:ty),*) $body:block) => {
        $(#[$meta])*
        pub(crate) mod $name {
            use super::*;
            use $crate::view::later::{Arrival, Missing, Part};

            std::thread_local! {
                static PART: Part = Part::new();
            }

            #[cfg(feature = "split")]
            #[wasm_split_helpers::wasm_split($file, fallible, preload(load))]
            fn $name($($arg: $type),*) -> Result<AnyView, Missing> {
                let drawn: AnyView = $body;
                Ok(drawn)
            }

            #[cfg(not(feature = "split"))]
            async fn $name($($arg: $type),*) -> Result<AnyView, Missing> {
                let drawn: AnyView = $body;
                Ok(drawn)
            }

            #[cfg(not(feature = "split"))]
            async fn load() -> Result<(), Missing> {
                Ok(())
            }

            /// Waits until the code is here or cannot be had.
            pub(crate) async fn fetch() {
                let arrival = PART.with(Part::arrival);
                $crate::view::later::fetch(arrival, async { Ok(load().await?) }).await;
            }

            /// Draws the part, or a word about its code and a way on.
            #[allow(dead_code, reason = "one of the two is used for each part")]
            pub(crate) fn view_or_word($($arg: $type),*) -> AnyView {
                view($($arg,)* |arrival| arrival.told(|| leptos::task::spawn_local(fetch())))
            }

            /// Draws the part, or `meanwhile` as long as its code is not here.
            pub(crate) fn view($($arg: $type,)* meanwhile: impl Fn(Arrival) -> AnyView + Send + 'static) -> AnyView {
                use futures_util::FutureExt as _;
                let arrival = PART.with(Part::arrival);
                if arrival.get_untracked() == Arrival::Here {
                    return $name($($arg),*).now_or_never().and_then(Result::ok).into_any();
                }
                (move || {
                    $(let $arg = $arg.clone();)*
                    match arrival.get() {
                        Arrival::Here => $name($($arg),*).now_or_never().and_then(Result::ok).into_any(),
                        arrival => meanwhile(arrival),
                    }
                })
                .into_any()
            }
        }
    };
}
pub(crate) use later;
