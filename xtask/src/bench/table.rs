//! What was measured, as a table: each work beside the bare parse of the same bytes.

use std::fmt::Write as _;

use serde_json::Value;

/// What a line with a result begins with.
const MARK: &str = "measured ";
const NATIVE_PARSE: &str = "serde_json::Value";
const BROWSER_PARSE: &str = "JSON.parse";
/// The corpus that is one session at several lengths.
const LENGTHS: &str = "length";
const WIDTHS: [usize; 7] = [16, 20, 9, 8, 12, 9, 0];

/// Where it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Native,
    Chromium,
}

impl Side {
    fn title(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Chromium => "headless Chromium",
        }
    }

    /// The bare parse that a page, or a program, would do without us.
    fn rival(self) -> &'static str {
        match self {
            Self::Native => NATIVE_PARSE,
            Self::Chromium => BROWSER_PARSE,
        }
    }
}

/// One case.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measured {
    side: Side,
    corpus: String,
    work: String,
    events: f64,
    bytes: f64,
    best_ns: f64,
}

impl Measured {
    /// Reads a line of the benchmark, if it is a result.
    pub(crate) fn read(side: Side, line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line.trim().strip_prefix(MARK)?).ok()?;
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let number = |key: &str| value[key].as_f64();
        Some(Self {
            side,
            corpus: text("corpus")?,
            work: text("work")?,
            events: number("events")?,
            bytes: number("bytes")?,
            best_ns: number("best_ns")?,
        })
    }
}

/// All of it, one part per side.
pub(crate) fn table(measured: &[Measured]) -> String {
    let mut out = String::new();
    for side in [Side::Native, Side::Chromium] {
        let rows: Vec<_> = measured.iter().filter(|row| row.side == side).collect();
        if rows.is_empty() {
            continue;
        }
        let rival = side.rival();
        let last = format!("× {rival}");
        line(
            &mut out,
            [side.title(), "work", "events", "MB/s", "events/s", "ns/event", &last].map(str::to_owned),
        );
        for row in &rows {
            let against = rows.iter().find(|other| other.corpus == row.corpus && other.work == rival);
            let times = against.map_or(String::new(), |rival| format!("{:.2}", row.best_ns / rival.best_ns));
            line(
                &mut out,
                [
                    row.corpus.clone(),
                    row.work.clone(),
                    row.events.to_string(),
                    format!("{:.1}", row.bytes * 1e3 / row.best_ns),
                    format!("{:.0}", row.events * 1e9 / row.best_ns),
                    format!("{:.0}", row.best_ns / row.events),
                    times,
                ],
            );
        }
        if let Some(spread) = spread(&rows) {
            let _ = writeln!(out, "ns/event of the longest session over that of the shortest: {spread:.2}");
        }
        out.push('\n');
    }
    out
}

/// How much dearer an event is in the longest session than in the shortest.
fn spread(rows: &[&Measured]) -> Option<f64> {
    let lengths = || rows.iter().filter(|row| row.corpus == LENGTHS);
    let shortest = lengths().min_by(|a, b| a.events.total_cmp(&b.events))?;
    let longest = lengths().max_by(|a, b| a.events.total_cmp(&b.events))?;
    Some((longest.best_ns / longest.events) / (shortest.best_ns / shortest.events))
}

fn line(out: &mut String, cells: [String; 7]) {
    for (column, (cell, width)) in cells.iter().zip(WIDTHS).enumerate() {
        let _ = match column {
            0 | 1 => write!(out, "{cell:<width$}  "),
            _ => write!(out, "{cell:>width$}  "),
        };
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(side: Side, corpus: &str, work: &str, events: f64, best_ns: f64) -> Measured {
        let (corpus, work) = (corpus.to_owned(), work.to_owned());
        Measured { side, corpus, work, events, bytes: events * 300.0, best_ns }
    }

    #[test]
    fn reads_a_result_and_no_other_line() {
        let line = r#"measured {"corpus":"c","work":"w","events":2,"bytes":600,"best_ns":1.5}"#;
        assert_eq!(Measured::read(Side::Native, line), Some(measured(Side::Native, "c", "w", 2.0, 1.5)));
        assert_eq!(Measured::read(Side::Native, "Benchmarking c/w/2"), None);
    }

    #[test]
    fn each_work_stands_beside_the_bare_parse_of_its_own_side() {
        let rows = [
            measured(Side::Native, "c", "serde_json::Value", 1000.0, 1e6),
            measured(Side::Native, "c", "decode + fold", 1000.0, 1.5e6),
            measured(Side::Chromium, "c", "JSON.parse", 1000.0, 2e6),
            measured(Side::Chromium, "c", "decode + fold", 1000.0, 8e6),
            measured(Side::Chromium, "length", "decode + fold", 1000.0, 1e6),
            measured(Side::Chromium, "length", "decode + fold", 2000.0, 3e6),
        ];
        let table = table(&rows);
        let cells = |at: usize| table.lines().nth(at).unwrap().split_whitespace().collect::<Vec<_>>();
        assert_eq!(cells(2), ["c", "decode", "+", "fold", "1000", "200.0", "666667", "1500", "1.50"]);
        assert_eq!(cells(6), ["c", "decode", "+", "fold", "1000", "37.5", "125000", "8000", "4.00"]);
        assert!(table.ends_with("shortest: 1.50\n\n"), "{table}");
    }
}
