//! The system in its parts: a server, a bridge on "another machine", the network in front of the server, and an owner
//! who watches. Each can be taken away and given back while the others go on.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::owner::Owner;
use crate::processes::Family;
use crate::proxy::Proxy;
use crate::system::{given, wait_until_ready};
use crate::walk::Place;

/// A running system.
#[derive(Debug)]
pub struct Apart {
    server: Option<Family>,
    bridge: Option<Family>,
    proxy: Proxy,
    owner: Owner,
    folders: Folders,
}

/// Where its parts keep their things.
#[derive(Debug)]
struct Folders {
    root: TempDir,
    port: u16,
    /// The server's origin as the browser knows it: the proxy's.
    origin: String,
    /// What the bridge has in its environment beside our own.
    variables: Vec<(String, String)>,
}

impl Apart {
    /// Starts all of it, and pairs the owner and the bridge.
    pub async fn start() -> Result<Self> {
        Self::start_with(Vec::new()).await
    }

    /// The same with further variables for the bridge and its agents.
    pub async fn start_with(variables: Vec<(String, String)>) -> Result<Self> {
        let root =
            tempfile::Builder::new().prefix("portcullis-apart-").tempdir().context("making a folder")?;
        for folder in ["tmp", "project"] {
            fs::create_dir(root.path().join(folder))?;
        }
        let port = free_port()?;
        let proxy = Proxy::start(port).await?;
        let folders = Folders { root, port, origin: proxy.origin(), variables };
        let (server, code) = folders.start_server()?;
        let owner = Owner::pair(&folders.url(), &code).await.with_context(|| folders.log())?;
        let system = Self { server: Some(server), bridge: None, proxy, owner, folders };
        system.log_the_bridge_in().await.with_context(|| system.folders.log())?;
        let mut system = system;
        system.start_bridge().await?;
        Ok(system)
    }

    /// The network between the browser and the server.
    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// Somebody who looks past the page.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// A fresh link that pairs one browser.
    pub fn pair_url(&self) -> Result<String> {
        Ok(format!("{}/#pair={}", self.folders.origin, self.folders.pair_code()?))
    }

    /// Kills the server as a machine's sudden end does.
    pub fn kill_server(&mut self) -> Result<()> {
        self.server.take().context("no server runs")?.kill()
    }

    /// Starts it again where it was.
    pub fn start_server(&mut self) -> Result<()> {
        ensure!(self.server.is_none(), "a server runs");
        self.server = Some(self.folders.start_server()?.0);
        Ok(())
    }

    /// Kills the bridge, and with it its agents.
    pub fn kill_bridge(&mut self) -> Result<()> {
        self.bridge.take().context("no bridge runs")?.kill()
    }

    /// Starts the bridge and waits until the server knows its machine.
    pub async fn start_bridge(&mut self) -> Result<()> {
        ensure!(self.bridge.is_none(), "a bridge runs");
        let mut command = self.folders.command("remote-control", "bridge")?;
        command.arg(self.folders.project());
        command.arg(format!("--policy={}", self.folders.write_policy()?.display()));
        command.envs(self.folders.variables.iter().map(|(name, value)| (name, value)));
        command.stdout(Stdio::null());
        self.bridge = Some(Family::start("portcullis remote-control", &mut command)?);
        self.owner.see_environment(true).await.with_context(|| self.folders.log())
    }

    /// Holds the bridge still: it keeps its connections and does nothing, as on a machine that hangs.
    pub fn pause_bridge(&self) -> Result<()> {
        self.bridge.as_ref().context("no bridge runs")?.pause()
    }

    /// Lets it go on.
    pub fn resume_bridge(&self) -> Result<()> {
        self.bridge.as_ref().context("no bridge runs")?.resume()
    }

    /// A folder for files of a test, outside of the project.
    pub fn root(&self) -> &Path {
        self.folders.root.path()
    }

    /// A file of the project that agents work in, if it is there.
    pub fn project_file(&self, name: &str) -> Option<PathBuf> {
        Some(self.folders.project().join(name)).filter(|file| file.exists())
    }

    async fn log_the_bridge_in(&self) -> Result<()> {
        let mut command = self.folders.command("login", "bridge")?;
        command.args([self.folders.url(), self.folders.pair_code()?]).stdout(Stdio::null());
        let mut login = command.spawn().context("starting portcullis login")?;
        self.owner.admit("bridge").await?;
        let status = tokio::task::spawn_blocking(move || login.wait()).await??;
        ensure!(status.success(), "the bridge could not log in: {status}");
        Ok(())
    }
}

impl Place for Apart {
    fn log(&self) -> String {
        self.folders.log()
    }

    fn end(self) -> Result<()> {
        let Self { server, bridge, folders, .. } = self;
        // The bridge says goodbye to the server, so it goes first.
        for mut family in [bridge, server].into_iter().flatten() {
            family.end().with_context(|| folders.log())?;
        }
        Ok(())
    }
}

impl Folders {
    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn project(&self) -> PathBuf {
        self.root.path().join("project")
    }

    /// Starts the server; gives it and the pairing code it made.
    fn start_server(&self) -> Result<(Family, String)> {
        let mut command = self.command("serve", "server")?;
        command.args(["--json", "--no-open"]).arg(format!("--listen=127.0.0.1:{}", self.port));
        command.arg(format!("--web-root={}", given("PORTCULLIS_WEB_ROOT")?.display()));
        command.arg(format!("--allow-origin={}", self.origin)).stdout(Stdio::piped());
        let mut server = Family::start("portcullis serve", &mut command)?;
        let ready = wait_until_ready(&mut server).with_context(|| self.log())?;
        let code = ready["pair_code"].as_str().with_context(|| format!("no code in {ready}"))?;
        Ok((server, code.to_owned()))
    }

    fn pair_code(&self) -> Result<String> {
        let mut command = self.command("pair", "server")?;
        let said = command.arg("--json").output().context("asking for a code")?;
        let said: Value = serde_json::from_slice(&said.stdout).with_context(|| self.log())?;
        said["pair_code"].as_str().map(str::to_owned).with_context(|| format!("no code in {said}"))
    }

    /// Only the agent that is always there, whatever else this machine has.
    fn write_policy(&self) -> Result<PathBuf> {
        let file = self.root.path().join("policy.json");
        let policy = json!({ "directories": [self.project()], "agents": ["builtin"] });
        fs::write(&file, policy.to_string())?;
        Ok(file)
    }

    /// The program, with what a part of the system keeps below a folder of this test.
    fn command(&self, name: &str, part: &str) -> Result<Command> {
        let root = self.root.path();
        let log = OpenOptions::new().create(true).append(true).open(log_file(root, part))?;
        let mut command = Command::new(given("PORTCULLIS_BIN")?);
        command.arg(name).arg(format!("--data-dir={}", root.join(part).display()));
        command.env("TMPDIR", root.join("tmp")).current_dir(root);
        command.stdin(Stdio::null()).stderr(log);
        Ok(command)
    }

    fn log(&self) -> String {
        let read = |part| fs::read_to_string(log_file(self.root.path(), part)).unwrap_or_default();
        format!("the log of the server:\n{}\nthe log of the bridge:\n{}", read("server"), read("bridge"))
    }
}

fn log_file(root: &Path, part: &str) -> PathBuf {
    root.join(format!("{part}.log"))
}

/// A port that nobody listens on; the server has to come back where it was.
fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
