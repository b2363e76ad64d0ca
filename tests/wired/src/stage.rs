//! Two machines played by two folders: a server with its database, a laptop with a bridge and the scripted agent, and a
//! faulty network on each of the two hops.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use reqwest::Method;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::device::{Device, Paired};
use crate::patience::{PATIENCE, until};
use crate::process::{Process, Surroundings, processes_in, run};
use crate::proxy::Proxy;
use crate::tab::Tab;

/// A running system.
#[derive(Debug)]
pub struct Stage {
    ingress: Option<Process>,
    bridge: Option<Process>,
    address: SocketAddr,
    /// The hop between browsers and the server.
    pub front: Proxy,
    /// The hop between the bridge and the server.
    pub back: Proxy,
    /// The owner, without any proxy between.
    pub owner: Device,
    laptop: Laptop,
    folder: TempDir,
}

/// What is special about the machine of the bridge.
#[derive(Clone, Debug)]
pub struct Laptop {
    /// Programs the bridge finds before it looks on the PATH, by name.
    pub programs: Vec<(String, PathBuf)>,
    /// All variables of the bridge beside PATH, TMPDIR and a HOME of its own; absent = those of this process.
    pub variables: Option<Vec<(String, OsString)>>,
    /// Rules of its policy beside the directory.
    pub policy: Map<String, Value>,
    /// Further arguments of `remote-control`.
    pub words: Vec<String>,
}

impl Default for Laptop {
    fn default() -> Self {
        let mut policy = Map::new();
        policy.insert("agents".into(), json!(["builtin", "claude"]));
        Self { programs: Vec::new(), variables: None, policy, words: Vec::new() }
    }
}

impl Stage {
    /// Starts everything, and waits until the bridge is there.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn set() -> Result<Self> {
        Self::set_with(Laptop::default()).await
    }

    /// The same with another machine at the bridge's end.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn set_with(laptop: Laptop) -> Result<Self> {
        let mut stage = Self::server_alone().await?;
        let programs = stage.programs();
        std::fs::create_dir_all(&programs)?;
        for (name, program) in &laptop.programs {
            std::os::unix::fs::symlink(program, programs.join(name))?;
        }
        stage.laptop = laptop;
        stage.log_in().await?;
        stage.start_bridge().await?;
        Ok(stage)
    }

    /// The same with another agent, which is found as `claude`.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn set_with_agent(program: &Path) -> Result<Self> {
        let programs = vec![("claude".to_owned(), program.to_owned())];
        Self::set_with(Laptop { programs, ..Laptop::default() }).await
    }

    /// The server and its owner, without a bridge.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn server_alone() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("portcullis-wired-").tempdir()?;
        for name in ["server", "laptop/project", "laptop/home"] {
            std::fs::create_dir_all(folder.path().join(name))?;
        }
        let (front, back) = (Proxy::start().await?, Proxy::start().await?);
        let mut ingress = serve(folder.path(), "127.0.0.1:0", &front, &back)?;
        let ready = ingress.first_line().await?;
        let url = ready["url"].as_str().with_context(|| ready.to_string())?;
        let address: SocketAddr = url.strip_prefix("http://").context("a plain URL")?.parse()?;
        front.lead_to(Some(address));
        back.lead_to(Some(address));
        let code = ready["pair_code"].as_str().with_context(|| ready.to_string())?;
        let Paired::Owner(owner) = Device::pair(url, code, "owner").await? else {
            bail!("not the first device")
        };
        let laptop = Laptop::default();
        Ok(Self { ingress: Some(ingress), bridge: None, address, front, back, owner, laptop, folder })
    }

    /// A further device, confirmed by the owner as `role`.
    ///
    /// # Errors
    /// When it is not let in.
    pub async fn invite(&self, name: &str, role: &str) -> Result<Device> {
        let line = run(&["pair", "--json", &self.server_data()])?;
        let line: Value = serde_json::from_str(&line)?;
        let code = line["pair_code"].as_str().with_context(|| line.to_string())?;
        let Paired::Waiting(device, _) = Device::pair(self.owner.url(), code, name).await? else {
            bail!("a further device was let in by itself")
        };
        self.confirm(device.id(), role).await?;
        Ok(device)
    }

    async fn confirm(&self, device: &str, role: &str) -> Result<()> {
        let path = format!("/v1/auth/devices/{device}");
        self.owner.must(Method::PATCH, &path, Some(json!({"confirm": true, "role": role}))).await.map(drop)
    }

    /// `login` on the laptop, over the faulty hop.
    async fn log_in(&self) -> Result<()> {
        let line = run(&["pair", "--json", &self.server_data()])?;
        let line: Value = serde_json::from_str(&line)?;
        let code = line["pair_code"].as_str().with_context(|| line.to_string())?;
        let words = ["login", &self.back.url(), code, &self.laptop_data()];
        let mut login = Process::start(&words, &self.laptop(), "login")?;
        let waiting = until("a machine that waits to be confirmed", PATIENCE, async || {
            let devices = self.owner.must(Method::GET, "/v1/auth/devices", None).await?;
            let rows = devices["data"].as_array().cloned().unwrap_or_default();
            Ok(rows.into_iter().find(|row| row["confirm_code"].is_string()))
        })
        .await?;
        self.confirm(waiting["id"].as_str().context("a device has an id")?, "bridge").await?;
        ensure!(login.exit().await? == Some(0), "{}", login.log());
        Ok(())
    }

    /// Starts the bridge, and waits until the server knows that it is there.
    ///
    /// # Errors
    /// When it does not come.
    pub async fn start_bridge(&mut self) -> Result<()> {
        let policy = self.laptop().join("policy.json");
        let mut rules = self.laptop.policy.clone();
        rules.insert("directories".into(), json!([self.project()?]));
        std::fs::write(&policy, Value::Object(rules).to_string())?;
        let mut words = vec![
            "remote-control".to_owned(),
            self.project()?.display().to_string(),
            format!("--policy={}", policy.display()),
            self.laptop_data(),
        ];
        words.extend(self.laptop.words.iter().cloned());
        let mut surroundings =
            Surroundings { programs: Some(self.programs()), variables: self.laptop.variables.clone() };
        if let Some(variables) = &mut surroundings.variables {
            variables.push(("HOME".to_owned(), self.home().into_os_string()));
        }
        self.bridge = Some(Process::start_in(&words, &self.laptop(), "bridge", &surroundings)?);
        until("a bridge that is online", PATIENCE, async || {
            let rows = self.owner.must(Method::GET, "/v1/environments", None).await?;
            let rows = rows["data"].as_array().cloned().unwrap_or_default();
            Ok(rows.iter().any(|row| row["online"] == true).then_some(()))
        })
        .await
        .with_context(|| self.logs())
    }

    /// `kill -9` of the bridge. Its agents die with it; this waits for that.
    ///
    /// # Errors
    /// When something of it stays.
    pub async fn kill_bridge(&mut self) -> Result<()> {
        self.bridge.take().context("there is no bridge")?.kill()?;
        let project = self.project()?;
        until("the end of the agents", PATIENCE, async || Ok((processes_in(&project) == 0).then_some(())))
            .await
    }

    /// Ends the bridge in order.
    ///
    /// # Errors
    /// When it does not end well.
    pub async fn end_bridge(&mut self) -> Result<()> {
        let mut bridge = self.bridge.take().context("there is no bridge")?;
        ensure!(bridge.interrupt().await? == Some(0), "{}", bridge.log());
        Ok(())
    }

    /// As [`Self::end_bridge`]: how long after `began` it was gone.
    ///
    /// # Errors
    /// When it does not end well.
    pub async fn end_bridge_timed(&mut self, began: tokio::time::Instant) -> Result<std::time::Duration> {
        self.end_bridge().await?;
        Ok(began.elapsed())
    }

    /// Stops the bridge where it is, or lets it go on.
    ///
    /// # Errors
    /// When there is none.
    pub fn freeze_bridge(&self, frozen: bool) -> Result<()> {
        self.bridge.as_ref().context("there is no bridge")?.freeze(frozen)
    }

    /// `kill -9` of the server.
    ///
    /// # Errors
    /// When there is none.
    pub fn kill_ingress(&mut self) -> Result<()> {
        self.ingress.take().context("there is no server")?.kill()
    }

    /// Ends the server in order.
    ///
    /// # Errors
    /// When it does not end well.
    pub async fn end_ingress(&mut self) -> Result<()> {
        let mut ingress = self.ingress.take().context("there is no server")?;
        ensure!(ingress.interrupt().await? == Some(0), "{}", ingress.log());
        Ok(())
    }

    /// Starts the server again where it was.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_ingress(&mut self) -> Result<()> {
        let address = self.address.to_string();
        let mut ingress = serve(self.folder.path(), &address, &self.front, &self.back)?;
        let ready = ingress.first_line().await?;
        ensure!(ready["event"] == "ready", "{ready}");
        self.ingress = Some(ingress);
        Ok(())
    }

    /// A tab on `session`, over the faulty hop.
    ///
    /// # Errors
    /// When there is no room for another client.
    pub fn tab(&self, session: &str, seed: u64) -> Result<Tab> {
        Ok(Tab::open(self.owner.through(&self.front.url())?, session, seed))
    }

    /// Largest resident size of the server, in KiB.
    ///
    /// # Errors
    /// When there is no server.
    pub fn server_peak_kib(&self) -> Result<u64> {
        self.ingress.as_ref().context("there is no server")?.peak_kib()
    }

    /// Largest resident size of the bridge, in KiB.
    ///
    /// # Errors
    /// When there is no bridge.
    pub fn bridge_peak_kib(&self) -> Result<u64> {
        self.bridge.as_ref().context("there is no bridge")?.peak_kib()
    }

    /// The server's own address, without any proxy between.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where agents work.
    ///
    /// # Errors
    /// When it is gone.
    pub fn project(&self) -> Result<PathBuf> {
        Ok(self.laptop().join("project").canonicalize()?)
    }

    /// The home directory of a bridge that has variables of its own.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.laptop().join("home")
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.folder.path().join("server/data/ingress/portcullis.sqlite")
    }

    /// What everybody logged, for the message of a failed test.
    #[must_use]
    pub fn logs(&self) -> String {
        let read = |name: &str| std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        let tail = |text: String| {
            let lines: Vec<_> = text.lines().rev().take(40).collect();
            lines.into_iter().rev().collect::<Vec<_>>().join("\n")
        };
        format!("server:\n{}\nbridge:\n{}", tail(read("server/ingress.log")), tail(read("laptop/bridge.log")))
    }

    fn laptop(&self) -> PathBuf {
        self.folder.path().join("laptop")
    }

    fn programs(&self) -> PathBuf {
        self.laptop().join("programs")
    }

    fn server_data(&self) -> String {
        data_dir(&self.folder.path().join("server"))
    }

    fn laptop_data(&self) -> String {
        data_dir(&self.laptop())
    }
}

fn data_dir(folder: &Path) -> String {
    format!("--data-dir={}", folder.join("data").display())
}

/// The server answers under the names of both proxies; bridges reach it by the first.
fn serve(folder: &Path, listen: &str, front: &Proxy, back: &Proxy) -> Result<Process> {
    let server = folder.join("server");
    let words = [
        "serve".to_owned(),
        "--json".to_owned(),
        "--no-open".to_owned(),
        "--behind-proxy".to_owned(),
        format!("--allow-origin={}", back.url()),
        format!("--allow-origin={}", front.url()),
        format!("--listen={listen}"),
        data_dir(&server),
    ];
    Process::start(&words, &server, "ingress")
}
