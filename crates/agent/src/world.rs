//! The agent's only sources of time and randomness, behind a trait, so that a test can replay a conversation
//! with fixed ids and a fixed clock. Nothing else in this crate reads a clock or draws an id.

use std::{
    fmt::Debug,
    time::{SystemTime, UNIX_EPOCH},
};

/// Where ids and times come from.
pub trait World: Debug + Send + Sync {
    /// Milliseconds since the Unix epoch.
    fn unix_ms(&self) -> u64;

    /// A fresh UUID in its hyphenated text form.
    fn uuid(&self) -> String;

    /// A fresh lower-case hexadecimal token of at most 32 characters, for ids that are not UUIDs on the wire.
    fn token(&self, length: usize) -> String {
        self.uuid().chars().filter(|character| *character != '-').take(length).collect()
    }
}

/// The machine's clock and random version 4 UUIDs.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemWorld;

impl World for SystemWorld {
    fn unix_ms(&self) -> u64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
    }

    fn uuid(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }
}

/// Renders a Unix time as the wire's ISO 8601 form, `2026-11-21T09:11:20.933Z`.
pub(crate) fn iso_timestamp(unix_ms: u64) -> String {
    let (days, ms_of_day) = (unix_ms / MS_PER_DAY, unix_ms % MS_PER_DAY);
    let (year, month, day) = civil_date(days);
    let (hours, minutes) = (ms_of_day / 3_600_000, ms_of_day / 60_000 % 60);
    let (seconds, ms) = (ms_of_day / 1000 % 60, ms_of_day % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{ms:03}Z")
}

const MS_PER_DAY: u64 = 86_400_000;

/// Turns days since 1970-01-01 into year, month and day, counting in 400-year eras that start on 1 March.
fn civil_date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_known_instants() {
        assert_eq!(iso_timestamp(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso_timestamp(951_827_696_789), "2000-02-29T12:34:56.789Z");
        assert_eq!(iso_timestamp(1_795_252_280_933), "2026-11-21T09:11:20.933Z");
        assert_eq!(iso_timestamp(u64::MAX / 1_000_000).len(), 24);
    }

    #[test]
    fn tokens_have_the_asked_length_and_no_hyphens() {
        let token = SystemWorld.token(17);
        assert_eq!(token.len(), 17);
        assert!(token.chars().all(|character| character.is_ascii_hexdigit()));
    }
}
