//! What the agent noted: when each answer stood on its stdin, and how much it had printed by when.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

/// The notes of one agent.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Moments at which answers were read, ns since 1970, by request.
    pub(super) answered: BTreeMap<String, u128>,
    /// Bytes printed, and when, ns since 1970.
    poured: Vec<(u64, u128)>,
}

impl Notes {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let mut notes = Self::default();
        for line in std::fs::read_to_string(path)?.lines() {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["answer", request, at] => {
                    notes.answered.insert(request.to_owned(), at.parse()?);
                }
                ["poured", bytes, at] => notes.poured.push((bytes.parse()?, at.parse()?)),
                _ => {}
            }
        }
        Ok(notes)
    }

    /// What it got rid of, in MB/s.
    pub(super) fn mb_per_s(&self) -> f64 {
        let (Some((first, began)), Some((last, ended))) = (self.poured.first(), self.poured.last()) else {
            return 0.0;
        };
        let seconds = ended.saturating_sub(*began) as f64 / 1e9;
        if seconds > 0.0 { last.saturating_sub(*first) as f64 / 1e6 / seconds } else { 0.0 }
    }
}
