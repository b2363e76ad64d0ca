//! Views whose code arrives after the page can be used ([`crate::state::part`]).

use leptos::prelude::*;

use crate::state::part::Arrival;
use crate::words::page as words;

/// What stands in the place of a part that has nothing better to show meanwhile.
pub(crate) fn told(arrival: Arrival, again: fn()) -> AnyView {
    match arrival {
        Arrival::Awaited => view! { <p class="later" role="status">{words::part_awaited()}</p> }.into_any(),
        Arrival::Here => ().into_any(),
        Arrival::Failed => view! {
            <p class="later" role="alert">
                {words::part_failed()}
                " "
                <button class="button" on:click=move |_| again()>{words::part_again()}</button>
            </p>
        }
        .into_any(),
    }
}

/// Defines a part: a module with `view`, which draws it or what stands in its place, `view_or_word`, which says that
/// it is awaited or how to go on, and `fetch`.
///
/// Parts of one name (the word before the colon) arrive as one file.
macro_rules! later {
    ($(#[$meta:meta])* $file:ident: fn $name:ident($($arg:ident: $type:ty),*) $body:block) => {
        $(#[$meta])*
        pub(crate) mod $name {
            use super::*;
            use $crate::state::part::{Arrival, Missing, Part};

            std::thread_local! {
                static PART: Part = Part::default();
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
                $crate::state::part::fetch(arrival, load()).await;
            }

            /// Draws the part, or a word about its code and a way on. Who reads that word waits, so the code is fetched now.
            pub(crate) fn view_or_word($($arg: $type),*) -> AnyView {
                if PART.with(Part::arrival).get_untracked() != Arrival::Here {
                    leptos::task::spawn_local(fetch());
                }
                view($($arg,)* |arrival| {
                    $crate::view::later::told(arrival, || leptos::task::spawn_local(fetch()))
                })
            }

            // A part is drawn by one of the two; neither is to be called unused for that.
            const _: fn($($type),*) -> AnyView = view_or_word;

            /// Draws the part, or `meanwhile` as long as its code is not here.
            pub(crate) fn view(
                $($arg: $type,)*
                meanwhile: impl Fn(Arrival) -> AnyView + Send + 'static,
            ) -> AnyView {
                use futures_util::FutureExt as _;
                let arrival = PART.with(Part::arrival);
                // What has arrived draws without waiting.
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
