//! `cargo xtask tidy`: the rules of the layout that a compiler does not hold.
//!
//! Who may depend on whom is read from `cargo metadata`; what no source may contain is looked up in the text, with
//! comments taken out where a rule is about code.

mod code;
mod dependencies;
mod manifests;
mod sources;

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::checkout::Checkout;

/// Larger files are data, in bytes.
const TEXT_MAX_BYTES: u64 = 1024 * 1024;
/// Folders that hold nothing anybody wrote.
const SKIPPED: [&str; 5] = [".git", "target", "dist", "node_modules", "artifacts"];

/// A place that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    /// Counted from 1; 0 is the file as a whole.
    line: usize,
    message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// A text file of the checkout, by its path below the root.
#[derive(Debug)]
struct Source {
    path: String,
    text: String,
}

pub(crate) fn run(checkout: &Checkout) -> Result<ExitCode> {
    let findings = findings(checkout)?;
    for finding in &findings {
        println!("{finding}");
    }
    println!("{} findings", findings.len());
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every place in the checkout that breaks a rule, in the order of their paths.
pub(crate) fn findings(checkout: &Checkout) -> Result<Vec<Finding>> {
    let mut sources = Vec::new();
    collect(checkout.root(), checkout.root(), checkout.target(), &mut sources)?;
    let private = sources::private_folders(checkout.root());
    let mut findings = dependencies::check(&dependencies::packages(checkout));
    for source in &sources {
        findings.extend(manifests::check(source));
        findings.extend(sources::check(source));
        findings.extend(sources::check_private_paths(source, &private));
    }
    findings.sort();
    Ok(findings)
}

fn collect(root: &Path, folder: &Path, target: &Path, sources: &mut Vec<Source>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            let skipped = path == target || SKIPPED.iter().any(|name| entry.file_name() == *name);
            if !skipped {
                collect(root, &path, target, sources)?;
            }
        } else if kind.is_file() && entry.metadata()?.len() <= TEXT_MAX_BYTES {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            if let Ok(text) = fs::read_to_string(&path) {
                sources.push(Source { path: name, text });
            }
        }
    }
    Ok(())
}
