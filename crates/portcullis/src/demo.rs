//! `portcullis demo`: the whole system with the scripted agent, in a project that is thrown away afterwards.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;

use crate::cli::StationOptions;
use crate::outcome::Failure;
use crate::station::{self, Bridged};

const README: &str = "# A throwaway project\n\n\
    The scripted agent works here. Everything in this folder is deleted when the demo ends.\n\n\
    - `src/main.rs` greets.\n- `notes.md` is a list of things to do.\n";
const MAIN: &str = "fn main() {\n    println!(\"Hello from the demo.\");\n}\n";
const NOTES: &str = "# Notes\n\n- [ ] greet by name\n- [ ] write a test\n";

/// Runs the demo until told to end.
pub(crate) async fn run(mut options: StationOptions) -> Result<(), Failure> {
    let failed = |error: anyhow::Error| Failure::failed("the throwaway project cannot be made", &error);
    let folder = tempfile::Builder::new().prefix("portcullis-demo-").tempdir().context("no temporary folder");
    let folder = folder.map_err(failed)?;
    let project = make_project(folder.path()).map_err(failed)?;
    options.data_dir.get_or_insert_with(|| folder.path().join("data"));
    let bridged = Bridged::builtin(project.clone())?;
    let result = station::run(options, Some(bridged), Some(&project)).await;
    if let Err(error) = folder.close() {
        tracing::warn!(%error, "the throwaway project is still there");
    }
    result
}

fn make_project(folder: &Path) -> anyhow::Result<PathBuf> {
    let project = folder.canonicalize()?.join("project");
    std::fs::create_dir_all(project.join("src"))?;
    for (name, text) in [("README.md", README), ("src/main.rs", MAIN), ("notes.md", NOTES)] {
        std::fs::write(project.join(name), text).with_context(|| name.to_owned())?;
    }
    commit(&project);
    Ok(project)
}

/// Makes it a git project where git is installed; the demo does without.
fn commit(project: &Path) {
    let identity = ["-c", "user.name=Portcullis demo", "-c", "user.email=demo@localhost"];
    let steps: [&[&str]; 3] = [
        &["init", "--quiet", "--initial-branch=main"],
        &["add", "--all"],
        &["commit", "--quiet", "--no-gpg-sign", "--message=Start"],
    ];
    for step in steps {
        let mut git = Command::new("git");
        git.args(identity).args(step).current_dir(project);
        git.env_remove("GIT_DIR").env_remove("GIT_WORK_TREE").env("GIT_CONFIG_NOSYSTEM", "1");
        let done = git.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !done.is_ok_and(|status| status.success()) {
            tracing::debug!(?step, "the throwaway project is no git project");
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_has_something_to_read_to_edit_and_to_tick_off() {
        let folder = tempfile::tempdir().unwrap();
        let project = make_project(folder.path()).unwrap();
        for name in ["README.md", "src/main.rs", "notes.md"] {
            assert!(project.join(name).is_file(), "{name}");
        }
    }
}
