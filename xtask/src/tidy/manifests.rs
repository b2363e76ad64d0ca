//! What every member's manifest must say: versions live in the root, and so do the lints.

use super::{Finding, Source};

pub(crate) fn check(source: &Source) -> Vec<Finding> {
    // A manifest that is a workspace of its own is no member: the fuzz targets, which need nightly.
    let member = source.path.ends_with("/Cargo.toml") && !source.text.contains("\n[workspace]\n");
    if !member {
        return Vec::new();
    }
    let report = |line: usize, message: String| Finding { path: source.path.clone(), line, message };
    let mut findings = Vec::new();
    if !source.text.contains("[lints]\nworkspace = true") {
        findings.push(report(0, "the workspace's lints are not switched on".to_owned()));
    }
    for table in tables(&source.text) {
        match table.kind() {
            Kind::Dependencies => {
                for (line, entry) in &table.entries {
                    if !entry.contains("workspace = true") {
                        findings.push(report(*line, format!("versions live in the root manifest: {entry}")));
                    }
                }
            }
            Kind::OneDependency => {
                if !table.entries.iter().any(|(_, entry)| *entry == "workspace = true") {
                    findings.push(report(
                        table.line,
                        format!("versions live in the root manifest: {}", table.name),
                    ));
                }
            }
            Kind::Other => {}
        }
    }
    findings
}

struct Table<'a> {
    name: &'a str,
    line: usize,
    entries: Vec<(usize, &'a str)>,
}

enum Kind {
    Dependencies,
    OneDependency,
    Other,
}

impl Table<'_> {
    fn kind(&self) -> Kind {
        const NAMES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
        let words: Vec<_> = self.name.split('.').collect();
        let is_dependencies = |word: Option<&&str>| word.is_some_and(|word| NAMES.contains(word));
        if is_dependencies(words.last()) {
            Kind::Dependencies
        } else if is_dependencies(words.iter().rev().nth(1)) {
            Kind::OneDependency
        } else {
            Kind::Other
        }
    }
}

/// The tables of a manifest; entries that span lines are joined.
fn tables(text: &str) -> Vec<Table<'_>> {
    let mut tables: Vec<Table<'_>> = Vec::new();
    let mut open_brackets = 0_i32;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        let continues = open_brackets > 0;
        open_brackets += brackets(line);
        if line.is_empty() || line.starts_with('#') || continues {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            tables.push(Table { name, line: index + 1, entries: Vec::new() });
        } else if let Some(table) = tables.last_mut() {
            table.entries.push((index + 1, line));
        }
    }
    tables
}

fn brackets(line: &str) -> i32 {
    line.chars().map(|c| i32::from(c == '[') - i32::from(c == ']')).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(manifest: &str) -> Vec<usize> {
        let source = Source { path: "crates/x/Cargo.toml".to_owned(), text: manifest.to_owned() };
        check(&source).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_version_in_a_members_manifest_is_found() {
        let good =
            "[dependencies]\nserde.workspace = true\ntokio = { workspace = true, features = [\"net\"] }\n";
        let lints = "[lints]\nworkspace = true\n";
        assert_eq!(lines(&format!("{good}{lints}")), [0; 0]);
        assert_eq!(lines(&format!("[dev-dependencies]\nrand = \"0.9\"\n{lints}")), [2]);
        let in_target = "[target.'cfg(unix)'.dependencies]\nnix = { version = \"1\" }\n";
        assert_eq!(lines(&format!("{in_target}{lints}")), [2]);
    }

    #[test]
    fn a_dependency_with_a_table_of_its_own_counts_too() {
        let lints = "[lints]\nworkspace = true\n";
        assert_eq!(lines(&format!("[dependencies.web-sys]\nversion = \"0.3\"\n{lints}")), [1]);
        let features = "[dependencies.web-sys]\nworkspace = true\nfeatures = [\n  \"Window\",\n]\n";
        assert_eq!(lines(&format!("{features}{lints}")), [0; 0]);
    }

    #[test]
    fn a_member_without_the_workspaces_lints_is_found() {
        assert_eq!(lines("[package]\nname = \"x\"\n"), [0]);
    }
}
