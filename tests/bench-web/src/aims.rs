//! What has to hold, and the table that says whether it does.

use std::fmt::Write as _;
use std::time::Duration;

/// Script, layout and paint of the client over those of the floor.
pub const TIMES_THE_FLOOR: f64 = 2.0;
/// The longest task while deltas come.
pub const TASK: Duration = Duration::from_millis(50);
/// From a key to the frame that shows it.
pub const TYPING: Duration = Duration::from_millis(50);
/// Long tasks while a session of 2,000 turns opens, together.
pub const OPENING: Duration = Duration::from_millis(150);
/// Opening 100,000 events over opening 1,000.
pub const TIMES_THE_SHORT: f64 = 2.0;

/// Elements in the document, as Lighthouse counts the size of one.
pub const ELEMENTS: f64 = 3_000.0;

/// What memory may grow by where it has to be flat, over what it was.
pub const GROWTH: f64 = 0.10;
/// The same of a small one, in MiB: a collector does not leave the same behind each time.
pub const GROWTH_MIB: f64 = 1.0;
/// Between two frames.
pub const FRAME_MS: f64 = 1e3 / 60.0;
/// Frames from the bytes of a request to the one that shows it.
pub const SHOWN_FRAMES: f64 = 2.0;
/// Frames that begin between a click and its answer on the wire.
pub const SENT_FRAMES: f64 = 1.0;

/// Rows of the table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: String,
    missed: Vec<String>,
}

impl Table {
    /// A heading.
    pub fn part(&mut self, name: &str) {
        let _ = writeln!(self.rows, "\n{name}");
    }

    /// Something that is told and has no aim.
    pub fn tell(&mut self, what: &str, found: &str) {
        let _ = writeln!(self.rows, "  {what:<58} {found:>24}");
    }

    /// Something that has to stay below an aim, or at it.
    pub fn hold(&mut self, what: &str, found: f64, aim: f64, unit: &str) {
        let met = found <= aim;
        let word = if met { "met" } else { "MISSED" };
        let shown = |number: f64| if number < 10.0 { format!("{number:.2}") } else { format!("{number:.0}") };
        let (found, aim) = (format!("{} {unit}", shown(found)), format!("at most {} {unit}", shown(aim)));
        let _ = writeln!(self.rows, "  {what:<58} {found:>24}   {aim:<22} {word}");
        if !met {
            self.missed.push(format!("{what}: {found}, {aim}"));
        }
    }

    /// A time that has to stay below an aim.
    pub fn hold_time(&mut self, what: &str, found: Duration, aim: Duration) {
        self.hold(what, ms(found), ms(aim), "ms");
    }

    /// The table so far.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.rows
    }

    /// The aims that were missed, in words.
    #[must_use]
    pub fn missed(&self) -> &[String] {
        &self.missed
    }
}

/// In ms.
#[must_use]
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The one in the middle; of an even number the lower. Zero without any.
#[must_use]
pub fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_that_is_missed_is_said_in_the_table_and_at_its_end() {
        let mut table = Table::default();
        table.hold("a", 2.0, 2.0, "×");
        assert!(table.missed().is_empty());
        table.hold_time("b", Duration::from_millis(51), TASK);
        assert_eq!(table.missed(), ["b: 51 ms, at most 50 ms"]);
        assert!(table.text().lines().last().unwrap().ends_with("MISSED"));
    }

    #[test]
    fn the_median_is_one_that_was_measured() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0]), 1.0);
        assert_eq!(median(Vec::new()), 0.0);
    }
}
