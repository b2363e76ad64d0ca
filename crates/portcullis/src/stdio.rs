//! The shell around whatever converses on this process's stdin and stdout until its end, or until SIGTERM.

use std::fmt::Display;
use std::future::Future;
use std::io::Write as _;

use tokio::signal::unix::{SignalKind, signal};

pub(crate) const EXIT_FAILED: i32 = 1;
pub(crate) const EXIT_USAGE: i32 = 2;
/// As shells report a process that SIGTERM ended.
const EXIT_TERMINATED: i32 = 143;

/// Runs `conversation` of the command called `name`, and says the exit code. Dropping it ends what it started.
pub(crate) fn converse<E: Display>(name: &str, conversation: impl Future<Output = Result<i32, E>>) -> i32 {
    let failed = |error: &dyn Display| {
        say(name, error);
        EXIT_FAILED
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let code = runtime.block_on(async {
        let Ok(mut terminate) = signal(SignalKind::terminate()) else { return EXIT_FAILED };
        tokio::select! {
            ended = conversation => ended.unwrap_or_else(|error| failed(&error)),
            _ = terminate.recv() => EXIT_TERMINATED,
        }
    });
    // A read of stdin cannot be cancelled, and must not be waited for.
    runtime.shutdown_background();
    code
}

/// Says `text` on stderr.
pub(crate) fn say(name: &str, text: impl Display) {
    // Nobody reads it if this fails.
    let _ = writeln!(std::io::stderr(), "portcullis {name}: {text}");
}
