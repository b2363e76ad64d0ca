//! The real program with agents nobody here wrote, and with the built-in one beside them.

use anyhow::Result;

use crate::test::count::Count;
use crate::test::steps::{AGENTS, Profile, Runner, build};

impl Runner<'_> {
    pub(crate) fn agents(&self) -> Result<Count> {
        let mut command = self.checkout().cargo("test");
        command.args(["--package", AGENTS, "--no-fail-fast"]);
        command.env("PORTCULLIS_BIN", build(self.checkout(), Profile::Debug, self.interrupt())?);
        self.count(command)
    }
}
