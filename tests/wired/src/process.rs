//! One process of the program under test, with its log; dropped, it is gone, and so is all it started.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;

use crate::patience::{PATIENCE, until};

/// A running `portcullis …`.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Kept, so that it can go on writing.
    stdout: Option<BufReader<ChildStdout>>,
    log: PathBuf,
}

/// What a process finds around itself.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Where programs are looked for before the PATH.
    pub programs: Option<PathBuf>,
    /// All variables beside PATH and TMPDIR; absent = those of this process.
    pub variables: Option<Vec<(String, OsString)>>,
}

impl Surroundings {
    fn tell(&self, command: &mut Command) -> Result<()> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        if let Some(variables) = &self.variables {
            command.env_clear().envs(variables.iter().map(|(name, value)| (name, value)));
        }
        let folders = self.programs.iter().cloned().chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(folders)?);
        Ok(())
    }
}

/// The program under test, as the command that runs the tests says.
///
/// # Errors
/// When it does not say.
pub fn program() -> Result<PathBuf> {
    let path = std::env::var_os("PORTCULLIS_BIN");
    path.map(PathBuf::from).context("PORTCULLIS_BIN is not set: run `cargo xtask test wired`")
}

/// Runs a command to its end and returns its standard output.
///
/// # Errors
/// When it fails.
pub fn run<W: AsRef<OsStr>>(words: &[W]) -> Result<String> {
    let output = Command::new(program()?).args(words).output().context("running portcullis")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).context("its output is text")
}

impl Process {
    /// Starts it in `folder`, where its log goes too.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start<W: AsRef<OsStr>>(words: &[W], folder: &Path, name: &str) -> Result<Self> {
        Self::start_in(words, folder, name, &Surroundings::default())
    }

    /// The same among other programs or variables than this process has.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_in<W: AsRef<OsStr>>(
        words: &[W],
        folder: &Path,
        name: &str,
        surroundings: &Surroundings,
    ) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = OpenOptions::new().create(true).append(true).open(&log)?;
        let temporary = folder.join("tmp");
        std::fs::create_dir_all(&temporary)?;
        let mut command = Command::new(program()?);
        surroundings.tell(&mut command)?;
        command.args(words).env("TMPDIR", temporary).current_dir(folder).process_group(0);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).spawn()?;
        let stdout = child.stdout.take().map(BufReader::new);
        Ok(Self { child, stdout, log })
    }

    /// The first line on its stdout, as JSON.
    ///
    /// # Errors
    /// When none comes in time, or another one.
    pub async fn first_line(&mut self) -> Result<Value> {
        let mut stdout = self.stdout.take().context("its first line was read before")?;
        let reading = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            stdout.read_line(&mut line).map(|_| (line, stdout))
        });
        let (line, stdout) =
            tokio::time::timeout(PATIENCE, reading).await.context("no line in time")???;
        self.stdout = Some(stdout);
        serde_json::from_str(&line).with_context(|| format!("its first line is {line:?}\n{}", self.log()))
    }

    /// Its end, and the exit code.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn exit(&mut self) -> Result<Option<i32>> {
        until("the end of a process", PATIENCE, async || Ok(self.child.try_wait()?))
            .await
            .map(|status| status.code())
            .with_context(|| self.log())
    }

    /// As Ctrl-C asks.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn interrupt(&mut self) -> Result<Option<i32>> {
        kill_process(Pid::from_child(&self.child), Signal::INT)?;
        self.exit().await
    }

    /// As the kernel does when memory runs out: this process alone, at once.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Stops it where it is, or lets it go on.
    ///
    /// # Errors
    /// When it is gone.
    pub fn freeze(&self, frozen: bool) -> Result<()> {
        let signal = if frozen { Signal::STOP } else { Signal::CONT };
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// Largest resident size it ever had, in KiB.
    ///
    /// # Errors
    /// When it is gone.
    pub fn peak_kib(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
        number.context("no VmHWM in its status")
    }

    /// What it logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A test that failed leaves nothing behind either; a frozen process dies too.
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// Processes that work in `folder`, wherever they came from.
#[must_use]
pub fn processes_in(folder: &Path) -> usize {
    ids_in(folder).len()
}

/// `kill -9` of every process that works in `folder`; returns how many there were.
///
/// # Errors
/// When one cannot be killed that is still there.
pub fn kill_in(folder: &Path) -> Result<usize> {
    let ids = ids_in(folder);
    for id in &ids {
        let killed = kill_process(*id, Signal::KILL);
        ensure!(killed.is_ok() || !ids_in(folder).contains(id), "{id:?}: {killed:?}");
    }
    Ok(ids.len())
}

fn ids_in(folder: &Path) -> Vec<Pid> {
    let Ok(all) = std::fs::read_dir("/proc") else { return Vec::new() };
    all.flatten()
        .filter(|entry| std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder)))
        .filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
        .collect()
}
