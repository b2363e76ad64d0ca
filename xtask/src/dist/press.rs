//! Makes what is sent small, with programs from npm: `wasm-opt` and esbuild. Without npm all stays as it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::module::stripped;
use super::order::named_by_likeness;
use crate::group;
use crate::tools::Tools;

/// What is asked of `wasm-opt`, over and over until nothing gets smaller. Names stay, for the table of what takes room.
const WASM_OPT: [&str; 3] = ["-Oz", "--converge", "-g"];

/// The programs, where they are.
#[derive(Debug)]
pub(super) struct Press<'a> {
    tools: &'a Tools<'a>,
    /// A folder for what they read and write.
    work: PathBuf,
    wasm_opt: Option<PathBuf>,
    esbuild: Option<PathBuf>,
}

impl<'a> Press<'a> {
    pub(super) fn new(tools: &'a Tools<'a>, work: &Path) -> Result<Self> {
        let (wasm_opt, esbuild) = (tools.wasm_opt()?, tools.esbuild()?);
        let press = Self { tools, work: work.to_owned(), wasm_opt, esbuild };
        if press.wasm_opt.is_none() {
            println!("npm is missing, so wasm-opt and esbuild are too: these are the sizes without them");
        }
        Ok(press)
    }

    /// A module as small as it gets, with its names.
    pub(super) fn module(&self, file: &Path) -> Result<Vec<u8>> {
        self.pressed(self.wasm_opt.as_deref(), file, &WASM_OPT, "--output")
    }

    /// The same without names, in an order that compresses well.
    pub(super) fn ordered(&self, module: &[u8]) -> Result<Vec<u8>> {
        if self.wasm_opt.is_none() {
            return stripped(module);
        }
        let file = self.work.join("named.wasm");
        fs::write(&file, named_by_likeness(module)?)
            .with_context(|| format!("writing {}", file.display()))?;
        stripped(&self.pressed(
            self.wasm_opt.as_deref(),
            &file,
            &["--reorder-functions-by-name"],
            "--output",
        )?)
    }

    /// A style sheet without its comments.
    pub(super) fn styles(&self, name: &str, styles: &str) -> Result<Vec<u8>> {
        self.text(name, styles, &["--minify", "--log-level=warning"])
    }

    /// A script with short names inside.
    pub(super) fn script(&self, name: &str, script: &str) -> Result<Vec<u8>> {
        self.text(name, script, &["--minify", "--log-level=warning", "--format=esm"])
    }

    fn text(&self, name: &str, text: &str, flags: &[&str]) -> Result<Vec<u8>> {
        let file = self.work.join(name);
        fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
        self.pressed(self.esbuild.as_deref(), &file, flags, "--outfile")
    }

    fn pressed(&self, program: Option<&Path>, file: &Path, flags: &[&str], output: &str) -> Result<Vec<u8>> {
        let read = |file: &Path| fs::read(file).with_context(|| format!("reading {}", file.display()));
        let Some(program) = program else { return read(file) };
        let mut beside = file.file_name().unwrap_or_default().to_owned();
        beside.push(".small");
        let beside = file.with_file_name(beside);
        let mut command = Command::new(program);
        command.args(flags).arg(file).arg(format!("{output}={}", beside.display()));
        group::run(
            &program.file_name().unwrap_or_default().to_string_lossy(),
            command,
            self.tools.interrupt(),
        )?;
        read(&beside)
    }
}
