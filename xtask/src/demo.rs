//! `cargo xtask demo`: a working session behind one link.
//!
//! `portcullis demo` is the whole system with the scripted agent on a throwaway project; trunk in front of it serves
//! the client from source and rebuilds it on every change.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, ExitCode};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::checkout::Checkout;
use crate::group::{self, Group, Interrupt};
use crate::http;
use crate::tools::{Tools, WasmTools};

/// How long `portcullis demo` may take until it is ready, once it is built.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Lines of our own children that may wait to be read.
const LINES_WAITING_MAX: usize = 64;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The port of the page
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The port of the ingress behind it
    #[arg(long, default_value_t = 7878)]
    ingress_port: u16,
}

pub(crate) fn run(checkout: &Checkout, options: &Options, interrupt: &Interrupt) -> Result<ExitCode> {
    match serve(checkout, options, interrupt) {
        Err(_) if interrupt.requested() => Ok(ExitCode::SUCCESS),
        served => served.map(|()| ExitCode::SUCCESS),
    }
}

fn serve(checkout: &Checkout, options: &Options, interrupt: &Interrupt) -> Result<()> {
    if options.port == options.ingress_port {
        bail!("the page and the ingress need two different ports");
    }
    http::must_be_free(options.port, "--port")?;
    http::must_be_free(options.ingress_port, "--ingress-port")?;
    let tools = Tools::new(checkout, interrupt)?.for_wasm()?;

    let mut build = checkout.cargo("build");
    build.args(["--package", "portcullis"]);
    group::run("cargo build", build, interrupt)?;

    // Trunk first: its first build takes minutes, and the pairing code lives for ten.
    let mut trunk = Group::spawn("trunk", trunk_serve(checkout, &tools, options)?, interrupt)?;
    wait_for_page(&mut trunk, options.port, interrupt)?;
    let (mut system, stdout) =
        Group::piped("portcullis demo", portcullis_demo(checkout, options), interrupt)?;
    let code = wait_for_code(&mut system, stdout, interrupt)?;

    println!("\n  http://127.0.0.1:{}/#pair={code}\n\nOpen this link. Ctrl-C ends everything.", options.port);
    loop {
        group::pause(interrupt)?;
        trunk.check_running()?;
        system.check_running()?;
    }
}

fn portcullis_demo(checkout: &Checkout, options: &Options) -> Command {
    let mut command = Command::new(checkout.target().join("debug/portcullis"));
    command.args(["demo", "--json", "--no-open"]);
    command.arg(format!("--listen=127.0.0.1:{}", options.ingress_port));
    command.arg(format!("--allow-origin=http://127.0.0.1:{}", options.port));
    command.current_dir(checkout.root());
    command
}

fn trunk_serve(checkout: &Checkout, tools: &WasmTools, options: &Options) -> Result<Command> {
    let mut command = tools.trunk(checkout, "serve")?;
    command.arg("--config").arg(write_trunk_config(checkout, options)?);
    Ok(command)
}

/// Writes the repository's `Trunk.toml` with the ports of this run, and absolute paths because trunk resolves them
/// against the file's own folder.
fn write_trunk_config(checkout: &Checkout, options: &Options) -> Result<PathBuf> {
    let original = checkout.root().join("Trunk.toml");
    let text =
        std::fs::read_to_string(&original).with_context(|| format!("reading {}", original.display()))?;
    let folder = checkout.scratch(&format!("demo-{}", options.port))?;
    let text = trunk_config(&text, checkout.root(), &folder.join("dist"), options)?;
    let file = folder.join("Trunk.toml");
    std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
    Ok(file)
}

fn trunk_config(text: &str, root: &Path, dist: &Path, options: &Options) -> Result<String> {
    let quoted = |path: &Path| Value::from(path.to_string_lossy()).to_string();
    let below = |name: &str| quoted(&root.join(name));
    let replacements = [
        ("target = \"index.html\"", format!("target = {}", below("index.html"))),
        ("dist = \"dist\"", format!("dist = {}", quoted(dist))),
        (
            "watch = [\"index.html\", \"web\", \"crates/protocol\"]",
            format!("watch = [{}, {}, {}]", below("index.html"), below("web"), below("crates/protocol")),
        ),
        ("port = 8080", format!("port = {}", options.port)),
        ("127.0.0.1:7878", format!("127.0.0.1:{}", options.ingress_port)),
    ];
    let mut config = text.to_owned();
    for (from, to) in replacements {
        if !config.contains(from) {
            bail!("Trunk.toml has no `{from}`");
        }
        config = config.replace(from, &to);
    }
    Ok(config)
}

/// Trunk listens only after its first build.
fn wait_for_page(trunk: &mut Group, port: u16, interrupt: &Interrupt) -> Result<()> {
    loop {
        group::pause(interrupt)?;
        trunk.check_running()?;
        match http::status(port, "/") {
            Some(200) => return Ok(()),
            Some(status) => bail!("the client could not be built: trunk answers {status}"),
            None => {}
        }
    }
}

fn wait_for_code(system: &mut Group, stdout: ChildStdout, interrupt: &Interrupt) -> Result<String> {
    let lines = lines_of(stdout);
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        group::pause(interrupt)?;
        match lines.try_recv() {
            Ok(line) => {
                if let Some(code) = pairing_code(&line) {
                    return Ok(code);
                }
            }
            Err(TryRecvError::Disconnected) => bail!("portcullis demo closed its output before it was ready"),
            Err(TryRecvError::Empty) if Instant::now() > deadline => {
                bail!("portcullis demo was not ready after {} s", READY_WITHIN.as_secs());
            }
            Err(TryRecvError::Empty) => system.check_running()?,
        }
    }
}

/// Reads to the end even when nobody listens any more, so that the child never blocks on a full pipe.
fn lines_of(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::sync_channel(LINES_WAITING_MAX);
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(std::io::Result::ok) {
            let _nobody_listens = sender.try_send(line);
        }
    });
    receiver
}

fn pairing_code(line: &str) -> Option<String> {
    let event: Value = serde_json::from_str(line).ok()?;
    if event["event"] != "ready" {
        return None;
    }
    Some(event["pair_code"].as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_code_from_the_ready_line_and_from_no_other() {
        let ready = r#"{"event":"ready","url":"u","pair_url":"u/#pair=abc","pair_code":"abc"}"#;
        assert_eq!(pairing_code(ready).as_deref(), Some("abc"));
        assert_eq!(pairing_code(r#"{"event":"log","pair_code":"abc"}"#), None);
        assert_eq!(pairing_code("listening"), None);
    }

    #[test]
    fn the_repositorys_trunk_config_takes_other_ports_and_absolute_paths() {
        let text = include_str!("../../Trunk.toml");
        let options = Options { port: 9090, ingress_port: 9191 };
        let config = trunk_config(text, Path::new("/checkout"), Path::new("/out"), &options).unwrap();
        for expected in
            ["port = 9090", "http://127.0.0.1:9191/v1", "Host = \"127.0.0.1:9191\"", "\"/checkout/web\""]
        {
            assert!(config.contains(expected), "{expected} is missing in {config}");
        }
        assert!(!config.contains("7878") && !config.contains("8080"));
    }
}
