//! The command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The hidden command that ties an agent's life to its bridge.
pub(crate) const SHIM: &str = "agent-shim";
/// The hidden command that lets an agent of the Agent Client Protocol pass for one of this wire.
pub(crate) const ACP_FRONT: &str = "acp-front";

/// Watch, steer and approve coding agents from a browser tab.
#[derive(Debug, Parser)]
#[command(version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the current directory: ingress and bridge in one process, with the agent found on PATH.
    Up(BridgedOptions),
    /// The same with the scripted agent in a throwaway project.
    Demo(StationOptions),
    /// The ingress alone.
    Serve(StationOptions),
    /// The bridge alone: run agents here for an ingress elsewhere. Needs `login` first.
    RemoteControl(RemoteOptions),
    /// Print a fresh pairing link of the ingress that runs here.
    Pair(PairOptions),
    /// Pair this machine with an ingress, to run agents for it.
    Login(LoginOptions),
    /// Read a recorded stream and print its transcript.
    Inspect(InspectOptions),
    /// The built-in agent: speaks stream-json on stdio.
    Agent {
        /// Its own flags, as other agents take them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<OsString>,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct StationOptions {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:7878")]
    pub(crate) listen: SocketAddr,
    /// Where keys and the log are kept.
    #[arg(long)]
    pub(crate) data_dir: Option<PathBuf>,
    /// The built web client; `dist` in the current directory when it is there.
    #[arg(long)]
    pub(crate) web_root: Option<PathBuf>,
    /// Do not open a browser.
    #[arg(long)]
    pub(crate) no_open: bool,
    /// Print one JSON line when ready, for programs, and one about whatever a bridge in this process does.
    #[arg(long)]
    pub(crate) json: bool,
    /// A further exact origin that pages may come from, such as `http://127.0.0.1:8080`.
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    pub(crate) allow_origins: Vec<String>,
    /// A proxy in front of this one terminates TLS: needed to listen on another address than loopback.
    #[arg(long)]
    pub(crate) behind_proxy: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BridgedOptions {
    #[command(flatten)]
    pub(crate) station: StationOptions,
    #[command(flatten)]
    pub(crate) bridge: BridgeOptions,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BridgeOptions {
    /// A JSON file that says which directories, permission modes and agents are allowed.
    #[arg(long)]
    pub(crate) policy: Option<PathBuf>,
    /// Sessions at once.
    #[arg(long, default_value_t = portcullis_bridge::CAPACITY_DEFAULT as u16, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) capacity: u16,
    /// Where sessions work: in the directory itself, or each in a git working tree of its own.
    #[arg(long, value_enum, default_value_t = Spawn::SameDir)]
    pub(crate) spawn: Spawn,
    /// Archive every session that was served, when the bridge ends; otherwise they are kept and go on later.
    #[arg(long)]
    pub(crate) archive: bool,
    /// End when the ingress was away for so many seconds; otherwise it is waited for.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) give_up_after: Option<u64>,
}

impl Default for BridgeOptions {
    fn default() -> Self {
        Self {
            policy: None,
            capacity: portcullis_bridge::CAPACITY_DEFAULT as u16,
            spawn: Spawn::SameDir,
            archive: false,
            give_up_after: None,
        }
    }
}

/// Where sessions work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Spawn {
    SameDir,
    Worktree,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RemoteOptions {
    /// Directory the agents work in.
    #[arg(default_value = ".")]
    pub(crate) directory: PathBuf,
    /// Where keys and journals are kept.
    #[arg(long)]
    pub(crate) data_dir: Option<PathBuf>,
    /// A PEM file with the certificate of an authority of your own; `login` remembers the one it was given.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Print one JSON object a line about what happens, for programs.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) bridge: BridgeOptions,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct PairOptions {
    /// Data directory of the ingress.
    #[arg(long)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Print one JSON line, for programs.
    #[arg(long)]
    pub(crate) json: bool,
    /// Forget every paired device but the bridges first, so that the next one is the owner: for a lost key.
    #[arg(long)]
    pub(crate) local_reset: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct LoginOptions {
    /// Where the ingress is, such as `https://portcullis.example.com`.
    pub(crate) url: String,
    /// A fresh pairing code. Without one it is read from stdin, where nobody else on this machine sees it.
    pub(crate) code: Option<String>,
    /// A PEM file with the certificate of an authority of your own.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Name of this machine, for people; its host name otherwise.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Where the key is kept.
    #[arg(long)]
    pub(crate) data_dir: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct InspectOptions {
    /// Say whether every line survives being read and written, and how many are of a known kind; 1 if one does not.
    #[arg(long)]
    pub(crate) check: bool,
    /// Print the folded items, one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
    /// The recording: stream-json lines or capture lines; `-` reads stdin.
    pub(crate) file: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn listens_on_loopback_unless_told_otherwise() {
        let Command::Demo(options) = Cli::parse_from(["portcullis", "demo"]).command else {
            panic!("another command")
        };
        assert_eq!(options.listen.to_string(), "127.0.0.1:7878");
    }
}
