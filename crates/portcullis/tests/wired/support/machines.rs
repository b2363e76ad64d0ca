//! An ingress on one machine and a bridge on another, played by two folders.

use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, Process, data_dir_of, pair, ready, run};

/// Two machines, played by two folders.
pub(crate) struct Machines {
    folder: tempfile::TempDir,
    pub(crate) ingress: Process,
    pub(crate) url: String,
    pub(crate) owner: Client,
}

impl Machines {
    pub(crate) async fn start() -> Self {
        Self::behind(&[], None).await
    }

    /// The same, with further words for `serve`, and called by another address than the one it listens on.
    pub(crate) async fn behind(words: &[&str], url: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["server", "laptop/project"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let mut ingress = serve_with(&folder.path().join("server"), "127.0.0.1:0", words);
        let ready = ready(&mut ingress).await;
        let url = url.unwrap_or_else(|| ready["url"].as_str().unwrap().to_owned());
        Self { ingress, url, owner: pair(&ready).await, folder }
    }

    pub(crate) fn server(&self) -> PathBuf {
        self.folder.path().join("server")
    }

    pub(crate) fn laptop(&self) -> PathBuf {
        self.folder.path().join("laptop")
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.laptop().join("project").canonicalize().unwrap()
    }

    /// `login` on the laptop, confirmed by the owner.
    pub(crate) async fn log_in(&self) {
        self.log_in_with(&[]).await;
    }

    /// A fresh pairing code.
    pub(crate) fn code(&self) -> String {
        let (_, line) = run(&["pair", "--json"], &self.server());
        serde_json::from_str::<Value>(&line).unwrap()["pair_code"].as_str().unwrap().to_owned()
    }

    /// The same with further words.
    pub(crate) async fn log_in_with(&self, words: &[&str]) {
        let (code, data_dir) = (self.code(), data_dir_of(&self.laptop()));
        let words = [&["login", &self.url, &code, &data_dir], words].concat();
        let mut login = Process::start(&words, &self.laptop(), "login");
        let line = login.first_line().await;
        let devices = self.owner.get("/v1/auth/devices").await;
        let waiting =
            devices["data"].as_array().unwrap().iter().find(|device| device["confirm_code"].is_string());
        let waiting = waiting.unwrap_or_else(|| panic!("{devices}"));
        assert!(line.contains(waiting["confirm_code"].as_str().unwrap()), "both sides show the code: {line}");
        let path = format!("/v1/auth/devices/{}", waiting["id"].as_str().unwrap());
        self.owner.call(Method::PATCH, &path, Some(&json!({"confirm": true}))).await;
        assert_eq!(login.exit().await, Some(0), "{}", login.log());
    }

    /// `remote-control` on the laptop, with the built-in agent alone.
    pub(crate) async fn control(&self) -> Process {
        self.control_with("--capacity=8").await
    }

    pub(crate) async fn control_with(&self, flag: &str) -> Process {
        self.control_as("builtin", &[flag], &[]).await
    }

    /// `remote-control` with one agent, further flags and variables.
    pub(crate) async fn control_as(
        &self,
        agent: &str,
        flags: &[&str],
        variables: &[(&str, String)],
    ) -> Process {
        let policy = self.laptop().join("policy.json");
        std::fs::write(&policy, json!({"directories": [self.project()], "agents": [agent]}).to_string())
            .unwrap();
        let project = self.project().display().to_string();
        let (policy, data_dir) = (format!("--policy={}", policy.display()), data_dir_of(&self.laptop()));
        let words = [&["remote-control", &project, &policy, &data_dir], flags].concat();
        let bridge = Process::start_with(&words, &self.laptop(), "bridge", variables);
        self.online(true).await;
        bridge
    }

    /// Waits until the bridge is there, or not.
    pub(crate) async fn online(&self, wanted: bool) {
        let deadline = tokio::time::Instant::now() + super::PATIENCE;
        loop {
            let environments = self.owner.get("/v1/environments").await;
            let online = environments["data"].as_array().unwrap().iter().any(|row| row["online"] == true);
            if online == wanted {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "{environments}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

/// `serve` in `folder`.
pub(crate) fn serve(folder: &Path, listen: &str) -> Process {
    serve_with(folder, listen, &[])
}

fn serve_with(folder: &Path, listen: &str, words: &[&str]) -> Process {
    let (listen, data_dir) = (format!("--listen={listen}"), data_dir_of(folder));
    let words = [&["serve", "--json", "--no-open", &listen, &data_dir], words].concat();
    Process::start(&words, folder, "ingress")
}
