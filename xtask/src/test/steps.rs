//! What each step runs.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::browser::Browser;
use crate::checkout::Checkout;
use crate::dist;
use crate::group::{self, Group, Interrupt, Waited};
use crate::test::count::Count;
use crate::tidy;
use crate::tools::Tools;

const WASM_TARGET: &str = "wasm32-unknown-unknown";
/// Clippy's settings for wasm32; the native ones are in the root, where clippy finds them itself.
const WASM_CLIPPY_FOLDER: &str = ".cargo/clippy-wasm32";

/// The one test that needs what npm fetches.
const OFFICIAL_CLIENT_TEST: &str = "the_official_browser_client_holds_a_whole_session";

/// How the names of the tests begin that need axe-core, which npm fetches too.
const AXE_TESTS: &str = "axe_finds_nothing";

/// The package of the tests in a browser.
const BROWSER: &str = "portcullis-tests";

/// The package of the tests that need no browser.
const WIRED: &str = "portcullis-wired";

/// The package of the tests with agents nobody here wrote.
pub(super) const AGENTS: &str = "portcullis-agents-tests";

/// How the program is built.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Profile {
    /// Fast to build.
    Debug,
    /// As it is released.
    Release,
}

/// Builds the program, and says where it is.
pub(crate) fn build(checkout: &Checkout, profile: Profile, interrupt: &Interrupt) -> Result<PathBuf> {
    let mut command = checkout.cargo("build");
    command.args(["--package", "portcullis"]);
    let folder = match profile {
        Profile::Debug => "debug",
        Profile::Release => {
            command.arg("--release");
            "release"
        }
    };
    group::run("cargo build", command, interrupt)?;
    Ok(checkout.target().join(folder).join("portcullis"))
}

/// Runs steps in one checkout.
#[derive(Debug)]
pub(crate) struct Runner<'a> {
    checkout: &'a Checkout,
    interrupt: &'a Interrupt,
    tools: Tools<'a>,
}

impl<'a> Runner<'a> {
    pub(crate) fn new(checkout: &'a Checkout, interrupt: &'a Interrupt) -> Result<Self> {
        Ok(Self { checkout, interrupt, tools: Tools::new(checkout, interrupt)? })
    }

    pub(super) fn checkout(&self) -> &'a Checkout {
        self.checkout
    }

    pub(super) fn interrupt(&self) -> &'a Interrupt {
        self.interrupt
    }

    pub(super) fn tools(&self) -> &Tools<'a> {
        &self.tools
    }

    pub(crate) fn formatting(&self) -> Result<Count> {
        self.tools.ensure_component("rustfmt", "fmt")?;
        let mut command = self.checkout.cargo("fmt");
        command.args(["--all", "--", "--check"]);
        self.check(command)
    }

    pub(crate) fn layout_rules(&self) -> Result<Count> {
        let findings = tidy::findings(self.checkout)?;
        findings.iter().for_each(|finding| println!("{finding}"));
        Ok(if findings.is_empty() { Count::success() } else { Count::failure() })
    }

    pub(crate) fn clippy_native(&self) -> Result<Count> {
        self.tools.ensure_component("clippy", "clippy")?;
        let mut command = self.checkout.cargo("clippy");
        command.args(["--workspace", "--all-targets", "--", "--deny", "warnings"]);
        self.check(command)
    }

    pub(crate) fn clippy_wasm(&self) -> Result<Count> {
        self.tools.ensure_component("clippy", "clippy")?;
        self.tools.ensure_wasm_target()?;
        let mut command = self.checkout.cargo("clippy");
        command.args([
            "--target",
            WASM_TARGET,
            "--package",
            "portcullis-protocol",
            "--package",
            "portcullis-web",
        ]);
        command.args(["--all-targets", "--", "--deny", "warnings"]);
        command.env("CLIPPY_CONF_DIR", self.checkout.root().join(WASM_CLIPPY_FOLDER));
        self.check(command)
    }

    pub(crate) fn native_tests(&self) -> Result<Count> {
        let mut command = self.checkout.cargo("test");
        command.args(["--workspace", "--no-fail-fast"]);
        for package in [BROWSER, WIRED, AGENTS] {
            command.args(["--exclude", package]);
        }
        self.count(command)
    }

    pub(crate) fn wired_faults(&self) -> Result<Count> {
        let mut command = self.checkout.cargo("test");
        command.args(["--package", WIRED, "--no-fail-fast"]);
        command.env("PORTCULLIS_BIN", build(self.checkout, Profile::Debug, self.interrupt)?);
        self.count(command)
    }

    /// The same at full size, one test after another, as released.
    pub(crate) fn soak(&self) -> Result<Count> {
        let mut command = self.checkout.cargo("test");
        command.args(["--package", WIRED, "--release", "--no-fail-fast", "--test", "wired"]);
        command.args(["--", "--nocapture", "--test-threads=1"]);
        command.env("PORTCULLIS_BIN", build(self.checkout, Profile::Release, self.interrupt)?);
        command.env("PORTCULLIS_SOAK", "1");
        self.count(command)
    }

    pub(crate) fn protocol_on_wasm(&self) -> Result<Count> {
        self.wasm_tests("portcullis-protocol")
    }

    pub(crate) fn web_in_browser(&self) -> Result<Count> {
        self.wasm_tests("portcullis-web")
    }

    pub(crate) fn system_build(&self) -> Result<Count> {
        let mut binary = self.checkout.cargo("build");
        binary.args(["--package", "portcullis"]);
        group::run("cargo build", binary, self.interrupt)?;
        let mut client = self.tools.for_wasm()?.trunk(self.checkout, "build")?;
        client.arg("--dist").arg(self.client_folder()?);
        self.check(client)
    }

    pub(crate) fn journey(&self) -> Result<Count> {
        let mut command = self.checkout.cargo("test");
        command.args(["--package", BROWSER, "--no-fail-fast"]);
        // They have steps of their own, for they need npm.
        command.args(["--", "--skip", OFFICIAL_CLIENT_TEST, "--skip", AXE_TESTS]);
        command.env("PORTCULLIS_XTASK", std::env::current_exe().context("finding this program")?);
        self.in_the_browser(command, &self.client_folder()?)
    }

    /// The same walk through the client as it is shipped: cut into parts that arrive one after the other.
    pub(crate) fn journey_in_parts(&self) -> Result<Count> {
        // It says by itself what is too big; here it is used.
        dist::run(self.checkout, self.interrupt)?;
        build(self.checkout, Profile::Debug, self.interrupt)?;
        let mut command = self.checkout.cargo("test");
        command.args(["--package", BROWSER, "--no-fail-fast", "--test", "journey", "--test", "scenarios"]);
        self.in_the_browser(command, &self.checkout.root().join("dist"))
    }

    pub(crate) fn accessibility(&self) -> Result<Count> {
        let Some(axe) = self.tools.axe()? else {
            println!("skipped: npm is not on the PATH, so axe-core cannot be fetched");
            return Ok(Count::skip());
        };
        let mut command = self.checkout.cargo("test");
        command.args(["--package", BROWSER, "--no-fail-fast", "--test", "pages", "--", AXE_TESTS]);
        command.env("PORTCULLIS_AXE", axe);
        self.in_the_browser(command, &self.client_folder()?)
    }

    /// Takes the pictures of `docs/screenshots`.
    pub(crate) fn pictures(&self, into: &Path) -> Result<Count> {
        let mut command = self.checkout.cargo("run");
        command.args(["--package", BROWSER, "--bin", "screenshots"]);
        command.env("PORTCULLIS_PICTURES", into);
        self.tell_of_the_system(&mut command, &self.client_folder()?)?;
        self.check(command)
    }

    fn in_the_browser(&self, mut command: Command, client: &Path) -> Result<Count> {
        command.env("PORTCULLIS_SCREENSHOTS", self.checkout.target().join("journey"));
        self.tell_of_the_system(&mut command, client)?;
        self.count(command)
    }

    /// Says where the program, the client and the browser are.
    fn tell_of_the_system(&self, command: &mut Command, client: &Path) -> Result<()> {
        let binary = self.checkout.target().join("debug/portcullis");
        if !binary.is_file() || !client.join("index.html").is_file() {
            bail!("there is no build of the system to walk through");
        }
        command.env("PORTCULLIS_BIN", binary).env("PORTCULLIS_WEB_ROOT", client);
        Browser::ensure(self.interrupt)?.tell(command, self.checkout)
    }

    pub(crate) fn official_client(&self) -> Result<Count> {
        let Some(package) = self.tools.agent_sdk()? else {
            println!("skipped: npm is not on the PATH, so the official browser client cannot be fetched");
            return Ok(Count::skip());
        };
        let mut binary = self.checkout.cargo("build");
        binary.args(["--package", "portcullis"]);
        group::run("cargo build", binary, self.interrupt)?;
        let mut command = self.checkout.cargo("test");
        command.args(["--package", BROWSER, "--test", "sdk", "--", OFFICIAL_CLIENT_TEST]);
        command.env("PORTCULLIS_BIN", self.checkout.target().join("debug/portcullis"));
        command.env("PORTCULLIS_SDK", package);
        Browser::ensure(self.interrupt)?.tell(&mut command, self.checkout)?;
        self.count(command)
    }

    fn wasm_tests(&self, package: &str) -> Result<Count> {
        self.tools.ensure_wasm_target()?;
        let runner = self.tools.wasm_bindgen()?.join("wasm-bindgen-test-runner");
        let mut command = self.checkout.cargo("test");
        command.args(["--target", WASM_TARGET, "--package", package, "--tests", "--no-fail-fast"]);
        command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner);
        Browser::ensure(self.interrupt)?.tell(&mut command, self.checkout)?;
        self.count(command)
    }

    fn client_folder(&self) -> Result<PathBuf> {
        self.checkout.scratch("client")
    }

    /// Runs a command that is one check as a whole.
    fn check(&self, command: Command) -> Result<Count> {
        let mut group = Group::spawn("the check", command, self.interrupt)?;
        match group.wait()? {
            Waited::Exited(status) if status.success() => Ok(Count::success()),
            Waited::Exited(_) => Ok(Count::failure()),
            Waited::Interrupted => bail!("interrupted"),
        }
    }

    /// Runs a command that runs tests, shows its output and counts along.
    pub(super) fn count(&self, command: Command) -> Result<Count> {
        let (mut group, stdout) = Group::piped("the tests", command, self.interrupt)?;
        let reader = std::thread::spawn(move || {
            let mut count = Count::default();
            for line in BufReader::new(stdout).split(b'\n').map_while(std::io::Result::ok) {
                let line = String::from_utf8_lossy(&line);
                println!("{line}");
                count.take_line(&line);
            }
            count
        });
        let Waited::Exited(status) = group.wait()? else { bail!("interrupted") };
        drop(group);
        let count = reader.join().expect("counting lines does not panic");
        Ok(count.judged(status.success()))
    }
}
