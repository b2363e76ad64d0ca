//! File names for completion in a composer: those that contain the query first, then those that contain its
//! letters in order.

use std::path::Path;

use super::{glob::tidy, search};

/// Names offered at once.
const SUGGESTIONS_MAX: usize = 20;
/// Files looked at: completion is asked for at every key.
const FILES_MAX: usize = 5_000;

/// Paths relative to `cwd` that fit `query`, best first.
pub(crate) fn files(cwd: &Path, query: &str) -> Vec<String> {
    let query = query.to_lowercase();
    let names = search::files(cwd).take(FILES_MAX).map(|path| tidy(cwd, &path));
    let mut ranked: Vec<(usize, String)> =
        names.filter_map(|name| Some((rank(&name, &query)?, name))).collect();
    ranked.sort();
    ranked.into_iter().take(SUGGESTIONS_MAX).map(|(_, name)| name).collect()
}

/// Lower is better; `None` if the name does not fit.
fn rank(name: &str, query: &str) -> Option<usize> {
    let name = name.to_lowercase();
    if let Some(at) = name.find(query) {
        return Some(at);
    }
    let mut letters = name.chars();
    query.chars().all(|wanted| letters.any(|letter| letter == wanted)).then_some(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_the_closest_names_first() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("src")).unwrap();
        for file in ["README.md", "src/main.rs", "main.txt", "notes.md"] {
            std::fs::write(home.path().join(file), "").unwrap();
        }
        assert_eq!(files(home.path(), "main"), ["main.txt", "src/main.rs"]);
        assert_eq!(files(home.path(), "smrs"), ["src/main.rs"]);
        assert_eq!(files(home.path(), "").len(), 4);
        assert!(files(home.path(), "zzz").is_empty());
    }
}
