//! Numbers as people read them: ages, durations, money, sizes, and the name of a browser.

use crate::words::page;

/// How long ago, short: "now", "5 min", "3 h", "2 d".
#[must_use]
pub fn age(now_ms: u64, then_ms: u64) -> String {
    const MINUTE: u64 = 60;
    let seconds = now_ms.saturating_sub(then_ms) / 1_000;
    match seconds {
        0..45 => page::just_now().into(),
        45..3_600 => page::minutes(((seconds + MINUTE / 2) / MINUTE).max(1)),
        3_600..86_400 => page::hours(seconds / 3_600),
        _ => page::days(seconds / 86_400),
    }
}

/// How long something took: "0.4 s", "12 s", "3 min 5 s".
#[must_use]
pub fn duration(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        10_000..60_000 => format!("{} s", ms / 1_000),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms / 1_000 % 60),
        _ => format!("{} h {} min", ms / 3_600_000, ms / 60_000 % 60),
    }
}

/// A sum in US dollars, exact to the cent, and below one to a tenth of it.
#[must_use]
pub fn money(usd: f64) -> String {
    if usd > 0.0 && usd < 0.01 { format!("${usd:.4}") } else { format!("${usd:.2}") }
}

/// A size in bytes.
#[must_use]
pub fn bytes(count: usize) -> String {
    match count {
        0..1_024 => format!("{count} B"),
        1_024..1_048_576 => format!("{} KiB", count / 1_024),
        _ => format!("{} MiB", count / 1_048_576),
    }
}

/// A large number, short: "950", "34.5k", "1.2M".
#[must_use]
pub fn short_number(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        1_000..1_000_000 => format!("{}.{}k", number / 1_000, number % 1_000 / 100),
        _ => format!("{}.{}M", number / 1_000_000, number % 1_000_000 / 100_000),
    }
}

/// "1 line", "2 lines".
#[must_use]
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// What a hole of `missing` events says.
#[must_use]
pub fn gap(missing: usize) -> String {
    let them = if missing == 1 { "it" } else { "them" };
    format!("{} missing here. Asking the server for {them}.", count(missing, "event is", "events are"))
}

/// The first line of `text` that says something, at most `max` characters of it.
#[must_use]
pub fn first_line(text: &str, max: usize) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    if line.chars().count() <= max {
        return line.to_owned();
    }
    let mut cut: String = line.chars().take(max.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// The last two parts of a path: enough to recognise it in a list.
#[must_use]
pub fn short_path(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [.., parent, name] if parts.len() > 2 => format!("…/{parent}/{name}"),
        _ => path.to_owned(),
    }
}

/// A name for this device out of the browser's user agent: "Chrome on Linux".
#[must_use]
pub fn device_name(user_agent: &str) -> String {
    let first = |table: &[(&str, &'static str)], other: &'static str| {
        table.iter().find(|(mark, _)| user_agent.contains(mark)).map_or(other, |(_, name)| *name)
    };
    let browser = first(
        &[
            ("Edg", "Edge"),
            ("OPR/", "Opera"),
            ("Firefox/", "Firefox"),
            ("FxiOS/", "Firefox"),
            ("CriOS/", "Chrome"),
            ("Chrome/", "Chrome"),
            ("Safari/", "Safari"),
        ],
        "Browser",
    );
    let system = first(
        &[
            ("Android", "Android"),
            ("iPhone", "iPhone"),
            ("iPad", "iPad"),
            ("CrOS", "ChromeOS"),
            ("Windows", "Windows"),
            ("Mac OS X", "macOS"),
            ("Linux", "Linux"),
        ],
        "",
    );
    if system.is_empty() { browser.into() } else { format!("{browser} on {system}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_said_in_one_or_many() {
        assert_eq!(gap(1), "1 event is missing here. Asking the server for it.");
        assert_eq!(gap(12), "12 events are missing here. Asking the server for them.");
    }

    #[test]
    fn ages_and_durations_are_short() {
        let ages = [0, 50, 90, 3_599, 3_600, 90_000].map(|s| age(s * 1_000, 0));
        assert_eq!(ages, ["now", "1 min", "2 min", "60 min", "1 h", "1 d"]);
        let durations = [0, 440, 9_999, 12_300, 65_000, 3_700_000].map(duration);
        assert_eq!(durations, ["0.0 s", "0.4 s", "9.9 s", "12 s", "1 min 5 s", "1 h 1 min"]);
        assert_eq!(age(0, 5_000), "now", "a clock that runs ahead is no age");
    }

    #[test]
    fn money_shows_cents_and_small_sums_too() {
        assert_eq!(
            [0.0, 0.0042, 0.5, 12.345].map(money),
            ["$0.00", "$0.0042", "$0.50", "$12.35"].map(String::from)
        );
    }

    #[test]
    fn a_browser_gets_a_name_people_know() {
        let linux = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36";
        let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Mobile Safari/604.1";
        assert_eq!(device_name(linux), "Chrome on Linux");
        assert_eq!(device_name(phone), "Safari on iPhone");
        assert_eq!(device_name(""), "Browser");
    }

    #[test]
    fn lines_and_paths_are_cut_where_it_can_be_seen() {
        assert_eq!(first_line("\n  hello world\nmore", 8), "hello w…");
        assert_eq!(first_line("ééé", 3), "ééé");
        assert_eq!(short_path("/home/user/project"), "…/user/project");
        assert_eq!(short_path("src/a.rs"), "src/a.rs");
    }
}
