//! The build tools that are not part of Rust, in exactly the versions we want.
//!
//! They go into a versioned folder of our own in the user's cache: a second checkout finds them, and the user's own
//! tools stay as they are. An installation is built beside its place and renamed into it, so half of one is never
//! taken for a whole one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::checkout::Checkout;
use crate::group::{self, Interrupt};

/// 0.22 wants a newer Rust than the workspace.
const TRUNK_VERSION: &str = "0.21.14";
/// Has to fit the version of `wasm_split_helpers` in the lock file.
const WASM_SPLIT_VERSION: &str = "0.2.4";
/// The npm package that carries `wasm-opt`.
const BINARYEN_VERSION: &str = "132.0.0";
/// What makes scripts and style sheets small.
const ESBUILD_VERSION: &str = "0.28.2";
/// The official browser client that a test holds a session with.
const AGENT_SDK: &str = "@anthropic-ai/claude-agent-sdk";
const AGENT_SDK_VERSION: &str = "0.3.329";
/// What judges pages for those who cannot see them, or not well.
const AXE_VERSION: &str = "4.14.1";
const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// The tools in the cache, fetched as they are asked for.
#[derive(Debug)]
pub(crate) struct Tools<'a> {
    checkout: &'a Checkout,
    interrupt: &'a Interrupt,
    cache: PathBuf,
}

/// A program from crates.io.
struct CargoTool<'a> {
    package: &'a str,
    version: &'a str,
    /// The name of its folder in the cache, and of its first program.
    name: &'a str,
    programs: &'a [&'a str],
    features: &'a [&'a str],
    locked: bool,
}

impl<'a> Tools<'a> {
    pub(crate) fn new(checkout: &'a Checkout, interrupt: &'a Interrupt) -> Result<Self> {
        Ok(Self { checkout, interrupt, cache: cache_folder()? })
    }

    pub(crate) fn cache(&self) -> &Path {
        &self.cache
    }

    pub(crate) fn interrupt(&self) -> &'a Interrupt {
        self.interrupt
    }

    /// Everything that building the browser client for development needs.
    pub(crate) fn for_wasm(&self) -> Result<WasmTools> {
        self.ensure_wasm_target()?;
        Ok(WasmTools { trunk: self.trunk()?, bindgen: self.wasm_bindgen()? })
    }

    /// Adds a component of the toolchain that `probe` shows to be missing.
    pub(crate) fn ensure_component(&self, component: &str, probe: &str) -> Result<()> {
        let mut command = self.checkout.cargo(probe);
        if command.arg("--version").output().is_ok_and(|output| output.status.success()) {
            return Ok(());
        }
        self.rustup(&["component", "add", component])
    }

    pub(crate) fn ensure_wasm_target(&self) -> Result<()> {
        let output = Command::new("rustc")
            .args(["--print", "target-libdir", "--target", WASM_TARGET])
            .current_dir(self.checkout.root())
            .output()
            .context("running rustc")?;
        let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        if folder.is_dir() {
            return Ok(());
        }
        self.rustup(&["target", "add", WASM_TARGET])
    }

    fn rustup(&self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new("rustup");
        command.args(arguments).current_dir(self.checkout.root());
        group::run("rustup", command, self.interrupt)
            .with_context(|| format!("without rustup, install it by hand: rustup {}", arguments.join(" ")))
    }

    fn trunk(&self) -> Result<PathBuf> {
        self.ensure_cargo_tool(&CargoTool {
            package: "trunk",
            version: TRUNK_VERSION,
            name: "trunk",
            programs: &["trunk"],
            features: &[],
            locked: true,
        })
    }

    /// The folder of `wasm-bindgen` and its test runner; their version must be the library's.
    pub(crate) fn wasm_bindgen(&self) -> Result<PathBuf> {
        let version = self.checkout.locked_version("wasm-bindgen")?;
        self.ensure_cargo_tool(&CargoTool {
            package: "wasm-bindgen-cli",
            version: &version,
            name: "wasm-bindgen",
            programs: &["wasm-bindgen", "wasm-bindgen-test-runner"],
            features: &[],
            // Its own lock file names versions that were withdrawn from the registry.
            locked: false,
        })
    }

    /// The folder of what cuts a module into pieces.
    pub(crate) fn wasm_split(&self) -> Result<PathBuf> {
        self.ensure_cargo_tool(&CargoTool {
            package: "wasm_split_cli_support",
            version: WASM_SPLIT_VERSION,
            name: "wasm-split",
            programs: &["wasm-split-cli"],
            features: &["build-binary"],
            locked: true,
        })
    }

    /// `wasm-opt`, or `None` where there is no npm to fetch it with.
    pub(crate) fn wasm_opt(&self) -> Result<Option<PathBuf>> {
        let place = format!("binaryen-{BINARYEN_VERSION}");
        self.ensure_npm_package(&place, &format!("binaryen@{BINARYEN_VERSION}"), ".bin/wasm-opt", &[])
    }

    /// `esbuild`, or `None` where there is no npm to fetch it with.
    pub(crate) fn esbuild(&self) -> Result<Option<PathBuf>> {
        let place = format!("esbuild-{ESBUILD_VERSION}");
        self.ensure_npm_package(&place, &format!("esbuild@{ESBUILD_VERSION}"), ".bin/esbuild", &[])
    }

    /// The folder of the official client's package, or `None` where there is no npm to fetch it with.
    pub(crate) fn agent_sdk(&self) -> Result<Option<PathBuf>> {
        let place = format!("claude-agent-sdk-{AGENT_SDK_VERSION}");
        let bundle = format!("{AGENT_SDK}/browser-sdk.js");
        // The browser's entry is one file: neither the agents of all platforms nor the libraries of the others.
        let sparing = ["--ignore-scripts", "--omit=optional", "--legacy-peer-deps"];
        self.ensure_npm_package(&place, &format!("{AGENT_SDK}@{AGENT_SDK_VERSION}"), &bundle, &sparing)
            .map(|bundle| bundle.and_then(|bundle| Some(bundle.parent()?.to_path_buf())))
    }

    /// The script of axe-core, or `None` where there is no npm to fetch it with.
    pub(crate) fn axe(&self) -> Result<Option<PathBuf>> {
        let (place, package) = (format!("axe-core-{AXE_VERSION}"), format!("axe-core@{AXE_VERSION}"));
        self.ensure_npm_package(&place, &package, "axe-core/axe.min.js", &["--ignore-scripts"])
    }

    /// The file `wanted` of a package from npm, fetched once into `place`; `None` without npm.
    pub(crate) fn ensure_npm_package(
        &self,
        place: &str,
        package: &str,
        wanted: &str,
        flags: &[&str],
    ) -> Result<Option<PathBuf>> {
        let place = self.cache.join(place);
        let wanted = place.join("node_modules").join(wanted);
        if wanted.exists() {
            return Ok(Some(wanted));
        }
        if !on_path("npm") {
            return Ok(None);
        }
        println!("fetching {package} into {}", place.display());
        self.install(&place, |staging| {
            std::fs::create_dir_all(staging)?;
            let mut command = Command::new("npm");
            command.args(["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"]);
            command.args(flags).arg("--prefix").arg(staging).arg(package);
            group::run("npm", command, self.interrupt)
        })?;
        Ok(Some(wanted))
    }

    fn ensure_cargo_tool(&self, tool: &CargoTool<'_>) -> Result<PathBuf> {
        let place = self.cache.join(format!("{}-{}", tool.name, tool.version));
        let programs = place.join("bin");
        if tool.programs.iter().all(|program| programs.join(program).is_file()) {
            return Ok(programs);
        }
        println!("building {} {} once, into {}", tool.package, tool.version, place.display());
        let started = Instant::now();
        let build = self.cache.join(".build");
        self.install(&place, |staging| {
            group::run(tool.package, install_command(tool, staging, &build)?, self.interrupt)
        })?;
        std::fs::remove_dir_all(&build).with_context(|| format!("removing {}", build.display()))?;
        println!("built {} {} in {:.0} s", tool.package, tool.version, started.elapsed().as_secs_f32());
        Ok(programs)
    }

    /// Fills a folder beside `place`, and puts it there once it is whole.
    fn install(&self, place: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        std::fs::create_dir_all(&self.cache).with_context(|| format!("making {}", self.cache.display()))?;
        let staging = self.cache.join(format!(".staging-{}", std::process::id()));
        let filled = fill(&staging).and_then(|()| replace(&staging, place));
        let _cleaned = std::fs::remove_dir_all(&staging);
        filled
    }
}

/// What builds the browser client, as folders to put in front of the PATH.
#[derive(Debug)]
pub(crate) struct WasmTools {
    trunk: PathBuf,
    bindgen: PathBuf,
}

impl WasmTools {
    /// A trunk command in the root of `checkout` that finds the tools it needs.
    pub(crate) fn trunk(&self, checkout: &Checkout, subcommand: &str) -> Result<Command> {
        let mut command = Command::new(self.trunk.join("trunk"));
        command.arg(subcommand).current_dir(checkout.root());
        command.env("PATH", path_with(&[&self.trunk, &self.bindgen])?);
        command.env("TRUNK_SKIP_VERSION_CHECK", "true");
        Ok(command)
    }
}

fn install_command(tool: &CargoTool<'_>, staging: &Path, build: &Path) -> Result<Command> {
    let mut command = Command::new("cargo");
    command.args(["install", tool.package, "--version", &format!("={}", tool.version)]);
    command.arg("--root").arg(staging).arg("--target-dir").arg(build);
    for program in tool.programs {
        command.args(["--bin", program]);
    }
    if !tool.features.is_empty() {
        command.arg("--features").arg(tool.features.join(","));
    }
    if tool.locked {
        command.arg("--locked");
    }
    // Built once and run often enough: an unoptimised build is ready in a fifth of the time.
    command.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0");
    command.env("CARGO_PROFILE_RELEASE_LTO", "off");
    command.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    command.env("CARGO_PROFILE_RELEASE_DEBUG", "0");
    command.env_remove("RUSTFLAGS");
    // Keeps cargo from advising to put the staging folder on the PATH.
    command.env("PATH", path_with(&[&staging.join("bin")])?);
    Ok(command)
}

fn replace(staging: &Path, place: &Path) -> Result<()> {
    if place.exists() {
        std::fs::remove_dir_all(place).with_context(|| format!("removing {}", place.display()))?;
    }
    std::fs::rename(staging, place).with_context(|| format!("putting {} in place", place.display()))
}

fn cache_folder() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let Some(cache) = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache"))) else {
        bail!("neither XDG_CACHE_HOME nor HOME is set: no place for the build tools");
    };
    Ok(cache.join("portcullis/tools"))
}

fn path_with(folders: &[&Path]) -> Result<std::ffi::OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = folders.iter().map(|folder| folder.to_path_buf()).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).context("building PATH")
}

/// Whether a program of that name can be started.
pub(crate) fn on_path(program: &str) -> bool {
    find_on_path(program).is_some()
}

pub(crate) fn find_on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_takes_the_place_of_an_older_one_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (staging, place) = (folder.path().join("new"), folder.path().join("tool"));
        for (at, file) in [(&place, "half"), (&staging, "whole")] {
            std::fs::create_dir(at).unwrap();
            std::fs::write(at.join(file), "").unwrap();
        }
        replace(&staging, &place).unwrap();
        assert!(place.join("whole").exists() && !place.join("half").exists() && !staging.exists());
    }

    #[test]
    fn wasm_bindgen_is_built_without_its_lock_file_and_trunk_with_it() {
        let tool = |locked| CargoTool {
            package: "p",
            version: "1.2.3",
            name: "p",
            programs: &["p"],
            features: &[],
            locked,
        };
        let arguments = |locked| {
            let command = install_command(&tool(locked), Path::new("staging"), Path::new("build")).unwrap();
            command.get_args().map(|a| a.to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        assert!(arguments(true).contains(&"--locked".to_owned()));
        assert!(!arguments(false).contains(&"--locked".to_owned()));
        assert!(arguments(true).contains(&"=1.2.3".to_owned()));
    }
}
