//! How much is run: a tenth as part of the tests, everything in a soak.

/// Set by `cargo xtask soak`.
const FULL: &str = "PORTCULLIS_SOAK";

/// Whether everything is run at full size.
#[must_use]
pub fn is_full() -> bool {
    std::env::var_os(FULL).is_some()
}

/// `full` in a soak, `quick` otherwise.
#[must_use]
pub fn sized<T>(quick: T, full: T) -> T {
    if is_full() { full } else { quick }
}

/// Profile of the program under test, as its path says.
#[must_use]
pub fn profile() -> &'static str {
    let program = std::env::var("PORTCULLIS_BIN").unwrap_or_default();
    if program.contains("/release/") { "release" } else { "debug" }
}
