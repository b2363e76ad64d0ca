//! What the browser offers, in one place: its clock, its randomness, its window.

use std::time::Duration;

use leptos::prelude::{TimeoutHandle, set_timeout_with_handle};
use portcullis_protocol::Tick;
use web_sys::{Crypto, Window};

/// The window. There is one: this code runs nowhere else.
pub(super) fn window() -> Window {
    web_sys::window().expect("the client runs in a window, never in a worker")
}

/// The machine's clock: monotonic, and it goes on while the tab is hidden.
pub(super) fn now() -> Tick {
    let ms = window().performance().map_or(0.0, |performance| performance.now());
    Tick(whole(ms))
}

/// Wall clock, ms since the Unix epoch. For ages alone.
pub(super) fn wall_ms() -> u64 {
    whole(js_sys::Date::now())
}

pub(super) fn crypto() -> Option<Crypto> {
    window().crypto().ok()
}

/// A random uuid, version 4.
pub(super) fn uuid() -> String {
    crypto().map(|crypto| crypto.random_uuid()).unwrap_or_default()
}

/// Randomness for the jitter of retries.
pub(super) fn seed() -> u64 {
    let mut bytes = [0; 8];
    if let Some(crypto) = crypto() {
        let _ = crypto.get_random_values_with_u8_array(&mut bytes);
    }
    u64::from_le_bytes(bytes)
}

/// Whether nobody sees the page.
pub(super) fn is_hidden() -> bool {
    window().document().is_some_and(|document| document.hidden())
}

/// Whether keys would reach this page.
pub(super) fn has_focus() -> bool {
    window().document().is_some_and(|document| document.has_focus().unwrap_or(false))
}

/// A timer that ends with its owner.
pub(super) struct Timer(Option<TimeoutHandle>);

impl Timer {
    pub(super) fn after(ms: u64, then: impl FnOnce() + 'static) -> Self {
        Self(set_timeout_with_handle(then, Duration::from_millis(ms)).ok())
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            handle.clear();
        }
    }
}

/// Waits. For tasks alone: what a machine waits for is its own timeout.
pub(super) async fn pause(ms: u64) {
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        let _ = set_timeout_with_handle(
            move || {
                let _ = resolve.call0(&wasm_bindgen::JsValue::NULL);
            },
            Duration::from_millis(ms),
        );
    });
    let _ = wasm_bindgen_futures::JsFuture::from(promise).await;
}

fn whole(ms: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a browser's clock is positive and far below 2^53"
    )]
    let whole = ms.max(0.0) as u64;
    whole
}
