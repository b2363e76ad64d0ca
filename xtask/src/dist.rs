//! `cargo xtask dist`: the browser client as it is shipped, what it weighs, and what takes the room.
//!
//! What a tab transfers before it can be used has a budget; above it the command fails. What arrives later is listed
//! apart. Beside each file lie a `.br` and a `.gz`, which the ingress serves to whoever can read them.

mod cut;
mod module;
mod order;
mod page;
mod press;
mod surface;
mod weight;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

use self::weight::{Weight, pack, table};
use crate::checkout::Checkout;
use crate::group::{self, Interrupt};
use crate::tools::Tools;

/// Bytes in brotli that a tab may transfer before it can be used: a second on a phone's 1.6 Mbit/s, and a third of what
/// the smallest of its peers needs.
const FIRST_USE_BYTES_MAX: usize = 200_000;
/// Rows of each table that tells what takes the room.
const ROOM_ROWS: usize = 30;
/// Kinds of files that are worth compressing.
const COMPRESSED: [&str; 7] = ["css", "html", "js", "json", "svg", "wasm", "webmanifest"];
/// Icons, the manifest and the service worker: fetched when the browser likes, or by the page when it stands.
const ASIDE: [&str; 2] = ["assets/", "sw.js"];

pub(crate) fn run(checkout: &Checkout, interrupt: &Interrupt) -> Result<ExitCode> {
    let tools = Tools::new(checkout, interrupt)?;
    let mut build = tools.for_wasm()?.trunk(checkout, "build")?;
    build.args(["--release", "--cargo-profile", "wasm-release", "--features", cut::FEATURE]);
    build.env("RUSTFLAGS", cut::RUSTFLAGS);
    group::run("trunk build", build, interrupt)?;

    let dist = checkout.root().join("dist");
    let pieces = cut::cut(&tools, checkout, &dist)?;
    let (mut first, mut session, mut later) = (Vec::new(), Vec::new(), Vec::new());
    for file in files_below(&dist)? {
        let name = file.strip_prefix(&dist).unwrap_or(&file).to_string_lossy().into_owned();
        let weight = compress(&file)?;
        let list = match pieces.later.iter().find(|(later, _)| *later == name) {
            Some((_, true)) => &mut session,
            Some((_, false)) => &mut later,
            None if ASIDE.iter().any(|aside| name.starts_with(aside)) => &mut later,
            None => &mut first,
        };
        list.push((name, weight));
    }
    println!("{}", module::room(&pieces.functions, ROOM_ROWS));
    println!("{}", table("arrives later", &later));
    println!("{}", table("more before an open session is shown", &session));
    print!("{}", table("before the list can be used", &first));
    let sum = |list: &[(String, Weight)]| Weight::sum(list.iter().map(|(_, weight)| weight)).brotli_bytes;
    println!("\nlist {} bytes, session {} bytes", sum(&first), sum(&first) + sum(&session));
    Ok(verdict(sum(&first)))
}

fn verdict(first_use_bytes: usize) -> ExitCode {
    let Some(over) = first_use_bytes.checked_sub(FIRST_USE_BYTES_MAX + 1) else {
        println!(
            "\n{first_use_bytes} of {FIRST_USE_BYTES_MAX} bytes that a tab may transfer before it can be used"
        );
        return ExitCode::SUCCESS;
    };
    println!(
        "\ntoo big: {first_use_bytes} bytes before the page can be used, {} above the {FIRST_USE_BYTES_MAX} there are",
        over + 1
    );
    ExitCode::FAILURE
}

/// Weighs a file, and writes it compressed beside itself where that is of use.
fn compress(file: &Path) -> Result<Weight> {
    let content = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    let packed = pack(&content)?;
    let ending = file.extension().unwrap_or_default().to_string_lossy().into_owned();
    if !COMPRESSED.contains(&ending.as_str()) {
        return Ok(Weight {
            gzip_bytes: content.len(),
            brotli_bytes: content.len(),
            raw_bytes: content.len(),
        });
    }
    for (kind, packed) in [("br", &packed.brotli), ("gz", &packed.gzip)] {
        let beside = file.with_extension(format!("{ending}.{kind}"));
        fs::write(&beside, packed).with_context(|| format!("writing {}", beside.display()))?;
    }
    Ok(Weight::of(&content, &packed))
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            files.append(&mut files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_above_the_budget_is_a_failure() {
        assert_eq!(verdict(FIRST_USE_BYTES_MAX), ExitCode::SUCCESS);
        assert_eq!(verdict(FIRST_USE_BYTES_MAX + 1), ExitCode::FAILURE);
    }

    #[test]
    fn a_file_lies_beside_its_compressed_selves_where_it_can_be_compressed() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.js", "b.png"] {
            fs::write(folder.path().join(name), [b'a'; 1_000]).unwrap();
            compress(&folder.path().join(name)).unwrap();
        }
        let names = files_below(folder.path()).unwrap();
        let names: Vec<_> = names.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.js", "a.js.br", "a.js.gz", "b.png"]);
    }
}
