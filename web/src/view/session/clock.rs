//! Moments in the words of the person's language and time zone: the browser knows them.

use js_sys::{Date, Object, Reflect};
use wasm_bindgen::JsValue;

use crate::words::Language;

/// "14:20".
pub(super) fn time(ms: u64) -> String {
    let options = Object::new();
    for (name, value) in [("hour", "2-digit"), ("minute", "2-digit")] {
        let _ = Reflect::set(&options, &name.into(), &value.into());
    }
    of(ms).to_locale_time_string_with_options(Language::spoken().tag(), &options).into()
}

/// "21/11/2026, 14:20:05".
pub(super) fn date(ms: u64) -> String {
    of(ms).to_locale_string(Language::spoken().tag(), &JsValue::UNDEFINED).into()
}

fn of(ms: u64) -> Date {
    #[expect(clippy::cast_precision_loss, reason = "a time in ms is far below 2^53")]
    let ms = ms as f64;
    Date::new(&JsValue::from_f64(ms))
}
