//! The two sides of the benchmark: Criterion and a clock natively, the same two from the test runner in a browser.

use std::time::Duration;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use criterion::Criterion;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use std::time::Instant;
#[cfg(target_arch = "wasm32")]
pub(crate) use wasm_bindgen_test::{Criterion, Instant};

#[cfg(target_arch = "wasm32")]
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

/// Samples per case: the fewest Criterion takes, for a round can last seconds.
const SAMPLES: usize = 10;
const WARM_UP: Duration = Duration::from_millis(500);
const MEASURE: Duration = Duration::from_secs(2);

/// Criterion with little patience: rounds are long, and the same on both sides.
pub(crate) fn criterion() -> Criterion {
    Criterion::default().sample_size(SAMPLES).warm_up_time(WARM_UP).measurement_time(MEASURE)
}

/// One line that `cargo xtask bench` reads.
#[cfg(not(target_arch = "wasm32"))]
#[expect(clippy::print_stdout, reason = "the line is what the benchmark is run for")]
pub(crate) fn report(measured: &serde_json::Value) {
    println!("measured {measured}");
}

/// One line that `cargo xtask bench` reads.
#[cfg(target_arch = "wasm32")]
pub(crate) fn report(measured: &serde_json::Value) {
    wasm_bindgen_test::console_log!("measured {measured}");
}

/// A text as scripts have it when it came from a socket.
#[cfg(target_arch = "wasm32")]
pub(crate) fn script_text(text: &str) -> JsValue {
    JsValue::from_str(text)
}

#[cfg(target_arch = "wasm32")]
#[wasm_bindgen]
extern "C" {
    /// `JSON.parse`, as a rival only: it loses numbers and key order.
    #[wasm_bindgen(js_namespace = JSON, js_name = parse)]
    pub(crate) fn parse_by_script(text: &JsValue) -> JsValue;
}
