//! What the front does for the agent on this machine: its files and its terminals. An agent asks by the protocol's own
//! requests; each is read, held to the session's directories, and only then carried out.

mod environment;
mod files;
mod terminals;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent_client_protocol::v1::schema::{
    CreateTerminalRequest, CreateTerminalResponse, KillTerminalRequest, ReadTextFileRequest,
    ReadTextFileResponse, ReleaseTerminalRequest, TerminalOutputRequest, WaitForTerminalExitRequest,
    WriteTextFileRequest,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::card::quoted;
use crate::outside::TerminalSeen;
use files::Roots;
use terminals::Terminals;

/// Words of one command, and bytes of them all.
const COMMAND_WORDS_MAX: usize = 1_024;
const COMMAND_BYTES_MAX: usize = 128 * 1024;
/// The protocol's code for what is not there.
const NOT_FOUND: i32 = -32002;
/// Who reads a whole line: agents write theirs for the first.
const SHELLS: [&str; 2] = ["/bin/bash", "/bin/sh"];

/// An error as the protocol tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: i32,
    pub(crate) message: String,
}

impl Refusal {
    /// The request itself is wrong.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self { code: -32602, message: message.into() }
    }

    /// It was right, and was not done.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { code: -32603, message: message.into() }
    }

    pub(crate) fn unknown_method(method: &str) -> Self {
        Self { code: -32601, message: format!("{method} is not offered here") }
    }

    /// It names something that is not there. Agents know this case by the words of the protocol's own libraries.
    fn not_found(what: impl std::fmt::Display) -> Self {
        Self { code: NOT_FOUND, message: format!("Resource not found: {what}") }
    }

    fn is_not_found(&self) -> bool {
        self.code == NOT_FOUND
    }
}

/// One thing to do, already held to the directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// `or_empty` = a file that is not there counts as an empty one.
    Read {
        path: PathBuf,
        line: Option<u32>,
        limit: Option<u32>,
        or_empty: bool,
    },
    Write {
        path: PathBuf,
        content: String,
    },
    Create(CommandLine),
    Output {
        id: String,
    },
    Wait {
        id: String,
    },
    Kill {
        id: String,
    },
    Release {
        id: String,
    },
}

/// A command for a terminal, word by word: a shell takes part only where it is the first word, and is shown as such.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandLine {
    pub(crate) words: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) cwd: PathBuf,
    pub(crate) output_bytes_max: Option<u64>,
}

/// A request of the agent that the desk may serve, and the session it names.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) session_id: String,
    pub(crate) job: Job,
}

/// Serves files and terminals. Dropped, it ends what it started.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    roots: Arc<Roots>,
    terminals: Arc<Terminals>,
}

impl Desk {
    /// A desk for `directory` and what else may be seen.
    pub(crate) fn new(directory: PathBuf, more: &[PathBuf]) -> Self {
        Self { roots: Arc::new(Roots::new(directory, more)), terminals: Arc::default() }
    }

    /// What a terminal shows, also after its release.
    pub(crate) fn seen(&self, id: &str) -> Option<TerminalSeen> {
        self.terminals.seen(id)
    }

    /// Ends every command that still runs.
    pub(crate) fn end(&self) {
        self.terminals.end();
    }

    /// Reads a request; `None` when its method is none of the desk's.
    pub(crate) fn prepare(&self, method: &str, params: &Value) -> Option<Result<Prepared, Refusal>> {
        Some(match method {
            "fs/read_text_file" => self.prepare_read(params),
            "fs/write_text_file" => self.prepare_write(params),
            "terminal/create" => self.prepare_create(params),
            "terminal/output" => read(params).map(|asked: TerminalOutputRequest| {
                prepared(&asked.session_id.0, Job::Output { id: asked.terminal_id.0.to_string() })
            }),
            "terminal/wait_for_exit" => read(params).map(|asked: WaitForTerminalExitRequest| {
                prepared(&asked.session_id.0, Job::Wait { id: asked.terminal_id.0.to_string() })
            }),
            "terminal/kill" => read(params).map(|asked: KillTerminalRequest| {
                prepared(&asked.session_id.0, Job::Kill { id: asked.terminal_id.0.to_string() })
            }),
            "terminal/release" => read(params).map(|asked: ReleaseTerminalRequest| {
                prepared(&asked.session_id.0, Job::Release { id: asked.terminal_id.0.to_string() })
            }),
            _ => return None,
        })
    }

    fn prepare_read(&self, params: &Value) -> Result<Prepared, Refusal> {
        let asked: ReadTextFileRequest = read(params)?;
        let path = self.roots.readable(&asked.path)?;
        let job = Job::Read { path, line: asked.line, limit: asked.limit, or_empty: false };
        Ok(prepared(&asked.session_id.0, job))
    }

    fn prepare_write(&self, params: &Value) -> Result<Prepared, Refusal> {
        let asked: WriteTextFileRequest = read(params)?;
        let path = self.roots.writable(&asked.path)?;
        Ok(prepared(&asked.session_id.0, Job::Write { path, content: asked.content }))
    }

    fn prepare_create(&self, params: &Value) -> Result<Prepared, Refusal> {
        let asked: CreateTerminalRequest = read(params)?;
        let cwd = match &asked.cwd {
            Some(cwd) => self.roots.directory(cwd)?,
            None => self.roots.first().to_owned(),
        };
        let words = words(asked.command, asked.args);
        let bytes: usize = words.iter().map(String::len).sum();
        if words.len() > COMMAND_WORDS_MAX || bytes > COMMAND_BYTES_MAX {
            return Err(Refusal::invalid("the command is too long"));
        }
        if words[0].is_empty() || words.iter().any(|word| word.contains('\0')) {
            return Err(Refusal::invalid("the command is empty or holds a NUL"));
        }
        let env = asked.env.into_iter().map(|variable| (variable.name, variable.value)).collect();
        let command = CommandLine {
            words,
            env: environment::checked(env)?,
            cwd,
            output_bytes_max: asked.output_byte_limit,
        };
        Ok(prepared(&asked.session_id.0, Job::Create(command)))
    }

    /// Does it. What waits for a command to end waits as long as that takes.
    pub(crate) async fn run(&self, job: Job) -> Result<Value, Refusal> {
        match job {
            Job::Read { path, line, limit, or_empty } => {
                let content = match files::read(path, line, limit).await {
                    Err(refusal) if or_empty && refusal.is_not_found() => String::new(),
                    content => content?,
                };
                Ok(written(&ReadTextFileResponse::new(content)))
            }
            Job::Write { path, content } => {
                // A link may have come in the meantime.
                let path = self.roots.writable(&path)?;
                files::write(path, content).await.map(|()| json!({}))
            }
            Job::Create(command) => {
                let id = self.terminals.create(command)?;
                Ok(written(&CreateTerminalResponse::new(id)))
            }
            Job::Output { id } => self.terminals.output(&id),
            Job::Wait { id } => self.terminals.wait(&id).await,
            Job::Kill { id } => self.terminals.kill(&id).map(|()| json!({})),
            Job::Release { id } => self.terminals.release(&id).map(|()| json!({})),
        }
    }
}

/// The words of a command. Some agents say a whole line for a shell where the protocol has a program.
fn words(command: String, args: Vec<String>) -> Vec<String> {
    let is_plain = command.is_empty() || quoted(&[&command]) == command;
    let is_line = args.is_empty() && !is_plain && !Path::new(&command).is_file();
    if is_line {
        let shell = SHELLS.into_iter().find(|shell| Path::new(shell).exists()).unwrap_or("sh");
        return vec![shell.to_owned(), "-c".to_owned(), command];
    }
    std::iter::once(command).chain(args).collect()
}

fn prepared(session_id: &str, job: Job) -> Prepared {
    Prepared { session_id: session_id.to_owned(), job }
}

fn read<T: DeserializeOwned>(params: &Value) -> Result<T, Refusal> {
    T::deserialize(params).map_err(|error| Refusal::invalid(error.to_string()))
}

fn written(response: &impl Serialize) -> Value {
    serde_json::to_value(response).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(command: &str, args: &[&str]) -> Vec<String> {
        let desk = Desk::new(std::env::temp_dir(), &[]);
        let params = json!({"sessionId": "s", "command": command, "args": args});
        let Ok(Prepared { job: Job::Create(line), .. }) = desk.prepare("terminal/create", &params).unwrap()
        else {
            return Vec::new();
        };
        line.words
    }

    #[test]
    fn a_whole_line_is_for_a_shell_that_is_named_and_words_are_words() {
        for line in ["echo a; echo b", "touch x", "ls|wc", "echo $HOME"] {
            let words = create(line, &[]);
            assert!(SHELLS.contains(&words[0].as_str()), "{words:?}");
            assert_eq!(words[1..], ["-c", line]);
        }
        assert_eq!(create("make", &[]), ["make"]);
        assert_eq!(create("touch", &["a b; c"]), ["touch", "a b; c"]);
        assert_eq!(create("a b", &["c"]), ["a b", "c"], "with arguments it is a program");
        assert_eq!(create("", &[]), Vec::<String>::new());
    }

    #[test]
    fn a_program_whose_path_holds_a_space_is_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("my program");
        std::fs::write(&program, "").unwrap();
        let program = program.display().to_string();
        assert_eq!(create(&program, &[]), [program.as_str()]);
    }

    #[tokio::test]
    async fn what_is_not_there_is_said_in_the_protocols_own_words_or_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let desk = Desk::new(folder.path().to_owned(), &[]);
        let asked = |path: &Path| {
            let params = json!({"sessionId": "s", "path": path});
            desk.prepare("fs/read_text_file", &params).unwrap().map(|prepared| prepared.job)
        };
        let job = asked(&folder.path().canonicalize().unwrap().join("deep/none")).unwrap();
        let Job::Read { path, line, limit, .. } = job.clone() else { unreachable!("a reading") };
        let refusal = desk.run(job).await.unwrap_err();
        assert!(refusal.is_not_found() && refusal.message.starts_with("Resource not found: "), "{refusal:?}");
        let job = Job::Read { path, line, limit, or_empty: true };
        assert_eq!(desk.run(job).await.unwrap()["content"], "");
        let outside = asked(Path::new("/portcullis-none")).unwrap_err();
        assert!(!outside.is_not_found(), "{outside:?}");
    }
}
