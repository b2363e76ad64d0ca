//! How many tests passed, failed and were skipped, read from what the runners print.

use std::fmt;
use std::ops::AddAssign;

/// Tests that passed, failed and could not be run here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    pub(crate) skipped: u32,
}

impl Count {
    /// A check that is one thing, and held.
    pub(crate) fn success() -> Self {
        Self { passed: 1, ..Self::default() }
    }

    /// A check that is one thing, and did not hold.
    pub(crate) fn failure() -> Self {
        Self { failed: 1, ..Self::default() }
    }

    /// A test that needs something this machine does not have; the caller says what.
    pub(crate) fn skip() -> Self {
        Self { skipped: 1, ..Self::default() }
    }

    /// Adds what a runner's line says, if it is the one that closes a binary: libtest's and wasm-bindgen's are alike.
    pub(crate) fn take_line(&mut self, line: &str) {
        if let Some(counted) = parse(line) {
            *self += counted;
        }
    }

    /// What a run of tests counts for: one that failed without saying so counts as one failed test, and so does one
    /// that found no test at all.
    #[must_use]
    pub(crate) fn judged(self, success: bool) -> Self {
        if success && self.passed > 0 { self } else { Self { failed: self.failed.max(1), ..self } }
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>5} passed, {:>3} failed, {:>2} skipped", self.passed, self.failed, self.skipped)
    }
}

fn parse(line: &str) -> Option<Count> {
    let plain = without_colours(line);
    let (_, counts) = plain.trim_start().strip_prefix("test result: ")?.split_once(". ")?;
    let number = |word: &str| {
        let part = counts.split(';').find_map(|part| part.trim().strip_suffix(word))?;
        part.trim().parse().ok()
    };
    Some(Count { passed: number("passed")?, failed: number("failed")?, skipped: 0 })
}

fn without_colours(line: &str) -> String {
    let mut pieces = line.split('\u{1b}');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        plain += piece.split_once('m').map_or("", |(_, rest)| rest);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(passed: u32, failed: u32) -> Count {
        Count { passed, failed, skipped: 0 }
    }

    fn counted(lines: &str) -> Count {
        let mut count = Count::default();
        lines.lines().for_each(|line| count.take_line(line));
        count
    }

    #[test]
    fn adds_up_the_closing_lines_of_all_binaries() {
        let lines = "running 3 tests\ntest a ... ok\n\
            test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            test result: FAILED. 4 passed; 2 failed; 1 ignored; 0 filtered out; finished in 0.10s\n";
        assert_eq!(counted(lines), count(7, 2));
    }

    #[test]
    fn reads_a_closing_line_in_colour() {
        let line = "test result: \u{1b}[32mok\u{1b}[0m. 5 passed; 0 failed; 0 ignored; 0 filtered out";
        assert_eq!(counted(line), count(5, 0));
    }

    #[test]
    fn a_run_that_fails_without_saying_so_counts_as_one_failed() {
        assert_eq!(count(5, 0).judged(false), count(5, 1));
        assert_eq!(count(5, 2).judged(false), count(5, 2));
    }

    #[test]
    fn a_run_without_any_test_counts_as_one_failed() {
        assert_eq!(Count::default().judged(true), Count::failure());
        assert_eq!(count(5, 0).judged(true), count(5, 0));
    }

    #[test]
    fn what_was_skipped_is_neither_passed_nor_failed_and_is_said() {
        let mut total = count(5, 0);
        total += Count::skip();
        assert_eq!(total, Count { passed: 5, failed: 0, skipped: 1 });
        assert!(total.to_string().ends_with("1 skipped"), "{total}");
    }
}
