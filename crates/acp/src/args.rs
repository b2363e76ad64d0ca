//! The front's command line: `-- PROGRAM ARGS -- FLAGS`. The program stands first because whoever starts an agent
//! appends flags; the flags are those of every agent of this wire, and what is not known is a warning.

use std::ffi::OsString;
use std::path::PathBuf;

/// What one run of the front is told before it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrontOptions {
    /// The agent: a program and its arguments. Never goes through a shell.
    pub program: Vec<OsString>,
    /// Where it works.
    pub directory: PathBuf,
    /// Directories whose files it may see beside that one.
    pub add_dirs: Vec<PathBuf>,
    /// The model to ask for.
    pub model: Option<String>,
    /// The permission mode to begin in.
    pub permission_mode: Option<String>,
    /// The conversation to go on with, by the agent's own id.
    pub resume: Option<String>,
    /// Whether prompts and matched answers are echoed.
    pub replays: bool,
    /// Whether text is told as it comes.
    pub streams: bool,
}

/// Why a command line is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// No `-- PROGRAM --`.
    #[error("usage: acp-front -- PROGRAM [ARGUMENTS] -- [FLAGS]")]
    NoProgram,
    /// A flag that is none of this wire's: another format than stream-json, or a value that is missing.
    #[error("{0}")]
    Flag(String),
}

/// Reads the words behind `acp-front`. `directory` is where the front was started. Returns the options and warnings.
///
/// # Errors
/// [`UsageError`] naming what is wrong.
pub fn parse_args(words: &[OsString], directory: PathBuf) -> Result<(FrontOptions, Vec<String>), UsageError> {
    let is_separator = |word: &OsString| word == "--";
    let last = words.iter().rposition(is_separator).ok_or(UsageError::NoProgram)?;
    let [first, program @ ..] = words.get(..last).unwrap_or_default() else {
        return Err(UsageError::NoProgram);
    };
    if !is_separator(first) || program.is_empty() {
        return Err(UsageError::NoProgram);
    }
    let mut options = FrontOptions {
        program: program.to_vec(),
        directory,
        add_dirs: Vec::new(),
        model: None,
        permission_mode: None,
        resume: None,
        replays: false,
        streams: false,
    };
    let mut warnings = Vec::new();
    for word in words.get(last + 1..).unwrap_or_default() {
        let Some(word) = word.to_str() else {
            warnings.push("a flag is no text and was left out".to_owned());
            continue;
        };
        let (flag, value) = word.split_once('=').map_or((word, None), |(flag, value)| (flag, Some(value)));
        let text = || value.filter(|value| !value.is_empty()).map(str::to_owned);
        match flag {
            "--print" | "--verbose" | "--permission-prompt-tool" => {}
            "--input-format" | "--output-format" => {
                if value != Some("stream-json") {
                    return Err(UsageError::Flag(format!("{flag} must be stream-json")));
                }
            }
            "--replay-user-messages" => options.replays = true,
            "--include-partial-messages" => options.streams = true,
            "--model" => options.model = text(),
            "--permission-mode" => options.permission_mode = text(),
            "--resume" => options.resume = text(),
            "--add-dir" => options.add_dirs.extend(text().map(PathBuf::from)),
            _ => warnings.push(format!("the flag {flag} is not known and was left out")),
        }
    }
    Ok((options, warnings))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<(FrontOptions, Vec<String>), UsageError> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        parse_args(&words, PathBuf::from("/p"))
    }

    #[test]
    fn the_program_keeps_its_own_separators_and_flags() {
        let (options, warnings) =
            parse(&["--", "gemini", "--", "--acp", "--model=x", "--", "--model=y", "--resume=r", "--odd"])
                .unwrap();
        assert_eq!(options.program, ["gemini", "--", "--acp", "--model=x"]);
        assert_eq!((options.model.as_deref(), options.resume.as_deref()), (Some("y"), Some("r")));
        assert_eq!(warnings, ["the flag --odd is not known and was left out"]);
    }

    #[test]
    fn a_value_stays_a_value_whatever_it_holds() {
        let (options, _) = parse(&["--", "a", "--", "--model=--resume=x", "--permission-mode="]).unwrap();
        assert_eq!(options.model.as_deref(), Some("--resume=x"));
        assert_eq!((options.resume, options.permission_mode), (None, None));
    }

    #[test]
    fn without_a_program_there_is_no_front() {
        for words in [&[][..], &["--"], &["--", "--"], &["a", "--"], &["--print"]] {
            assert_eq!(parse(words), Err(UsageError::NoProgram), "{words:?}");
        }
        assert!(matches!(parse(&["--", "a", "--", "--input-format=text"]), Err(UsageError::Flag(_))));
    }
}
