//! The machine a benchmark ran on: no figure means anything without it.

/// Processors.
#[must_use]
pub fn cpus() -> usize {
    std::thread::available_parallelism().map_or(0, std::num::NonZero::get)
}

/// What else the machine does: the load averages of 1, 5 and 15 minutes.
#[must_use]
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
