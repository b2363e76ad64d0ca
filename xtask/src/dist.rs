//! `cargo xtask dist`: the browser client as it is shipped, and what it weighs.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::checkout::Checkout;
use crate::group::{self, Interrupt};
use crate::tools::Tools;

/// Brotli's best quality and largest ordinary window: files are compressed once and served often.
const BROTLI_QUALITY: u32 = 11;
const BROTLI_WINDOW_BITS: u32 = 22;
const BROTLI_BUFFER_BYTES: usize = 4096;

/// What one file weighs on disk and on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Weight {
    raw_bytes: usize,
    gzip_bytes: usize,
    brotli_bytes: usize,
}

pub(crate) fn run(checkout: &Checkout, interrupt: &Interrupt) -> Result<ExitCode> {
    let tools = Tools::new(checkout, interrupt)?;
    let mut build = tools.for_wasm()?.trunk(checkout, "build")?;
    build.args(["--release", "--cargo-profile", "wasm-release"]);
    group::run("trunk build", build, interrupt)?;

    let dist = checkout.root().join("dist");
    let files = files_below(&dist)?;
    match tools.wasm_opt()? {
        Some(programs) => {
            for file in files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "wasm")) {
                optimise(&programs, file, interrupt)?;
            }
        }
        None => println!("npm is missing, so wasm-opt is too: these are the sizes without it"),
    }

    let mut weights = Vec::new();
    for file in &files {
        let name = file.strip_prefix(&dist).unwrap_or(file).to_string_lossy().into_owned();
        weights.push((name, weigh(&fs::read(file).with_context(|| format!("reading {}", file.display()))?)?));
    }
    print!("{}", table(&weights));
    Ok(ExitCode::SUCCESS)
}

fn optimise(programs: &Path, file: &Path, interrupt: &Interrupt) -> Result<()> {
    let smaller = file.with_extension("wasm-opt");
    let mut command = Command::new(programs.join("wasm-opt"));
    command.args(["-Oz", "--strip-debug", "--strip-producers"]).arg(file).arg("--output").arg(&smaller);
    group::run("wasm-opt", command, interrupt)?;
    fs::rename(&smaller, file).with_context(|| format!("replacing {}", file.display()))
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

fn weigh(content: &[u8]) -> Result<Weight> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(content)?;
    let mut brotli =
        brotli::CompressorWriter::new(Vec::new(), BROTLI_BUFFER_BYTES, BROTLI_QUALITY, BROTLI_WINDOW_BITS);
    brotli.write_all(content)?;
    Ok(Weight {
        raw_bytes: content.len(),
        gzip_bytes: gzip.finish()?.len(),
        brotli_bytes: brotli.into_inner().len(),
    })
}

fn table(weights: &[(String, Weight)]) -> String {
    let total = weights.iter().fold(Weight::default(), |sum, (_, weight)| Weight {
        raw_bytes: sum.raw_bytes + weight.raw_bytes,
        gzip_bytes: sum.gzip_bytes + weight.gzip_bytes,
        brotli_bytes: sum.brotli_bytes + weight.brotli_bytes,
    });
    let width = weights.iter().map(|(name, _)| name.len()).max().unwrap_or_default().max("total".len());
    let mut table = format!("{:width$}  {:>12}  {:>12}  {:>12}\n", "bytes", "raw", "gzip", "brotli");
    for (name, weight) in
        weights.iter().map(|(name, weight)| (name.as_str(), weight)).chain([("total", &total)])
    {
        let Weight { raw_bytes, gzip_bytes, brotli_bytes } = weight;
        table += &format!("{name:width$}  {raw_bytes:>12}  {gzip_bytes:>12}  {brotli_bytes:>12}\n");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_weighs_less_on_the_wire_than_on_disk() {
        let weight = weigh(&[b'a'; 10_000]).unwrap();
        assert_eq!(weight.raw_bytes, 10_000);
        assert!(weight.gzip_bytes < 100 && weight.brotli_bytes < 100, "{weight:?}");
    }

    #[test]
    fn the_table_ends_with_the_sum_of_its_lines() {
        let weight = |raw_bytes| Weight { raw_bytes, gzip_bytes: raw_bytes / 2, brotli_bytes: raw_bytes / 4 };
        let table = table(&[("a.js".to_owned(), weight(400)), ("b.wasm".to_owned(), weight(800))]);
        let last = table.lines().last().unwrap().split_whitespace().collect::<Vec<_>>();
        assert_eq!(last, ["total", "1200", "600", "300"]);
    }
}
