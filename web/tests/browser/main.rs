//! The client in a real browser, fed through the real session machine. Run by wasm-bindgen-test.
#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cards;
mod composer;
mod crash;
mod elicit;
mod gate;
mod inbox;
mod jumps;
mod keys;
mod markdown;
mod outside;
mod overlays;
mod page;
mod place;
mod queue;
mod server;
mod tabs;
mod transcript;
mod vault;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);
