//! Logs go to stderr; stdout belongs to what a person or a program asked for.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::status::LogWriter;

/// Environment variable that says what is logged, such as `debug` or `portcullis_bridge=trace`.
const VARIABLE: &str = "PORTCULLIS_LOG";

/// Starts logging.
pub(crate) fn start() {
    let wanted = std::env::var(VARIABLE).unwrap_or_else(|_| "info".to_owned());
    let filter = EnvFilter::try_new(&wanted).unwrap_or_else(|_| EnvFilter::new("info"));
    let ansi = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(LogWriter)
        .with_ansi(ansi)
        .without_time()
        .init();
}
