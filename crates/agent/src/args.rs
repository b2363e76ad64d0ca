//! The agent's command line. Hosts written for other agents pass many flags this one has no use for, so
//! unknown flags are tolerated and reported as warnings; only what would change what the agent *is* (another
//! wire format, a mode it lacks, an id that is none) is an error.

use std::{collections::VecDeque, path::PathBuf, str::FromStr};

use serde_json::{Map, Value};

use crate::{
    model::messages::request::Thinking,
    options::{AgentOptions, PermissionMode, Resume},
    permission::rule::Rule,
};

/// What the command line asks for.
#[derive(Debug, Clone)]
pub enum Invocation {
    /// Print the version and leave: hosts probe with `-v` before they start the agent.
    Version,
    /// Speak stream-json on stdio.
    Run {
        /// What the flags said; `cwd` is the current directory, as `.`.
        options: Box<AgentOptions>,
        /// One sentence per flag that was not understood.
        warnings: Vec<String>,
    },
}

/// A command line that cannot be obeyed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// A flag that needs a value came last.
    #[error("{flag} needs a value")]
    MissingValue {
        /// The flag as it was written.
        flag: String,
    },
    /// Only `stream-json` is spoken, in both directions.
    #[error("{flag} must be stream-json, not {value:?}")]
    Format {
        /// The flag as it was written.
        flag: String,
        /// What was asked for.
        value: String,
    },
    /// A permission mode this agent does not have.
    #[error(
        "--permission-mode {0:?} is unknown: it must be one of acceptEdits, bypassPermissions, default, dontAsk, plan"
    )]
    Mode(String),
    /// Permission prompts go over stdio or nowhere.
    #[error("--permission-prompt-tool must be stdio, not {0:?}")]
    PromptTool(String),
    /// A flag that needs a number has none.
    #[error("{flag} needs a number, not {value:?}")]
    Number {
        /// The flag as it was written.
        flag: String,
        /// What was given.
        value: String,
    },
    /// A flag that needs a JSON object has none.
    #[error("{flag} needs a JSON object: {problem}")]
    Json {
        /// The flag as it was written.
        flag: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A session id that could be mistaken for a flag or a path.
    #[error("session id {0:?} must be 1 to 64 characters out of A-Z, a-z, 0-9, - and _, not starting with -")]
    SessionId(String),
}

/// Longest session id, in bytes; the wire's limit for any id.
const SESSION_ID_BYTES_MAX: usize = 64;

/// Flags of other agents that carry a value which means nothing here.
const VALUES_IGNORED: [&str; 6] =
    ["--betas", "--fallback-model", "--mcp-config", "--setting-sources", "--settings", "--thinking-display"];

/// Reads the arguments after `portcullis agent`.
pub fn parse_args(args: &[String]) -> Result<Invocation, UsageError> {
    let mut rest: VecDeque<&str> = args.iter().map(String::as_str).collect();
    let mut options = AgentOptions::new(".");
    let mut warnings = Vec::new();
    let mut version_asked = false;
    while let Some(argument) = rest.pop_front() {
        let (flag, inline) = match argument.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, Some(value)),
            Some(_) | None => (argument, None),
        };
        let mut value = || {
            inline
                .or_else(|| rest.pop_front())
                .map(str::to_owned)
                .ok_or_else(|| UsageError::MissingValue { flag: flag.to_owned() })
        };
        match flag {
            "-v" | "--version" => version_asked = true,
            "-p" | "--print" | "--verbose" => {}
            "--replay-user-messages" => options.replay_user_messages = true,
            "--include-partial-messages" => options.include_partial_messages = true,
            "--allow-dangerously-skip-permissions" => options.bypass_allowed = true,
            "--dangerously-skip-permissions" => start_in(&mut options, PermissionMode::BypassPermissions),
            "--input-format" | "--output-format" => require_stream_json(flag, value()?)?,
            "--permission-prompt-tool" => require_stdio(value()?)?,
            "--permission-mode" => {
                let name = value()?;
                let mode = name.parse().map_err(|_| UsageError::Mode(name))?;
                start_in(&mut options, mode);
            }
            "--model" => {
                let name = value()?;
                if !name.is_empty() && name != "default" {
                    options.model = name;
                }
            }
            "--session-id" => options.session_id = Some(session_id(value()?)?),
            "--resume" => options.resume = Some(Resume::Session(session_id(value()?)?)),
            "--continue" => options.resume = Some(Resume::Latest),
            "--no-session-persistence" => options.keeps_session = false,
            "--fork-session" => options.fork_session = true,
            "--system-prompt" => options.charter.system_prompt = Some(value()?),
            "--append-system-prompt" => options.charter.append_system_prompt = Some(value()?),
            "--allowedTools" | "--allowed-tools" => options.allow_rules.extend(rules(&value()?)),
            "--disallowedTools" | "--disallowed-tools" => options.deny_rules.extend(rules(&value()?)),
            "--tools" => options.charter.tools = tools(&value()?),
            "--max-turns" => options.charter.max_turns = Some(number(flag, value()?)?),
            "--max-budget-usd" => options.charter.max_budget_usd = Some(number(flag, value()?)?),
            "--effort" => options.charter.effort = Some(value()?),
            "--max-thinking-tokens" => options.charter.thinking = thinking(number(flag, value()?)?),
            "--thinking" => match value()?.as_str() {
                "adaptive" | "enabled" => options.charter.thinking = Thinking::Adaptive,
                "disabled" => options.charter.thinking = Thinking::Disabled,
                odd => warnings.push(format!("ignoring --thinking {odd:?}")),
            },
            "--json-schema" => options.charter.json_schema = Some(json_object(flag, &value()?)?.into()),
            "--agents" => options.charter.define_agents(&json_object(flag, &value()?)?),
            "--add-dir" => options.additional_directories.push(PathBuf::from(value()?)),
            ignored if VALUES_IGNORED.contains(&ignored) => drop(value()?),
            unknown if unknown.starts_with('-') => {
                warnings.push(format!("ignoring the unknown flag {unknown}"));
                let has_value = inline.is_none() && rest.front().is_some_and(|next| !next.starts_with('-'));
                if has_value {
                    rest.pop_front();
                }
            }
            stray => warnings.push(format!("ignoring the argument {stray:?}: prompts arrive on stdin")),
        }
    }
    let only_probe = version_asked && args.len() == 1;
    Ok(if only_probe {
        Invocation::Version
    } else {
        Invocation::Run { options: Box::new(options), warnings }
    })
}

/// Zero thinking tokens mean none at all.
fn thinking(tokens: u64) -> Thinking {
    if tokens == 0 { Thinking::Disabled } else { Thinking::Budget(tokens) }
}

fn number<T: FromStr>(flag: &str, value: String) -> Result<T, UsageError> {
    value.parse().map_err(|_| UsageError::Number { flag: flag.to_owned(), value })
}

fn json_object(flag: &str, text: &str) -> Result<Map<String, Value>, UsageError> {
    serde_json::from_str(text)
        .map_err(|error| UsageError::Json { flag: flag.to_owned(), problem: error.to_string() })
}

/// A list of names; `default` and `all` stand for all tools.
fn tools(text: &str) -> Option<Vec<String>> {
    let names: Vec<String> = words(text);
    let all = names.iter().any(|name| name == "default" || name == "all");
    (!all).then_some(names)
}

fn rules(text: &str) -> Vec<Rule> {
    words(text).iter().filter_map(|word| Rule::from_text(word)).collect()
}

/// Words apart by commas or spaces, except within parentheses: `Bash(git log:*),Read`.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut depth = 0_usize;
    for character in text.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && (character == ',' || character.is_whitespace()) {
            words.push(String::new());
        } else if let Some(word) = words.last_mut() {
            word.push(character);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn start_in(options: &mut AgentOptions, mode: PermissionMode) {
    options.permission_mode = mode;
    options.bypass_allowed |= mode == PermissionMode::BypassPermissions;
}

fn require_stream_json(flag: &str, value: String) -> Result<(), UsageError> {
    if value == "stream-json" { Ok(()) } else { Err(UsageError::Format { flag: flag.to_owned(), value }) }
}

fn require_stdio(value: String) -> Result<(), UsageError> {
    if value == "stdio" { Ok(()) } else { Err(UsageError::PromptTool(value)) }
}

fn session_id(value: String) -> Result<String, UsageError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let fits = (1..=SESSION_ID_BYTES_MAX).contains(&value.len()) && !value.starts_with('-');
    if fits && value.bytes().all(allowed) { Ok(value) } else { Err(UsageError::SessionId(value)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &[&str]) -> Result<(Box<AgentOptions>, Vec<String>), UsageError> {
        let args: Vec<String> = line.iter().map(|&argument| argument.to_owned()).collect();
        match parse_args(&args)? {
            Invocation::Run { options, warnings } => Ok((options, warnings)),
            Invocation::Version => panic!("a run, not a version probe"),
        }
    }

    #[test]
    fn takes_dash_v_alone_for_a_version_probe() {
        assert!(matches!(parse_args(&["-v".to_owned()]), Ok(Invocation::Version)));
        assert!(run(&["-v", "--verbose"]).is_ok());
    }

    #[test]
    fn accepts_the_flags_of_the_python_sdk() {
        let line = "--output-format stream-json --verbose --system-prompt  --permission-prompt-tool stdio \
                    --include-partial-messages --input-format stream-json";
        let (options, warnings) = run(&line.split(' ').collect::<Vec<_>>()).unwrap();
        assert!(options.include_partial_messages);
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn reads_values_after_a_space_and_after_an_equals_sign() {
        let (options, _) =
            run(&["--permission-mode", "plan", "--session-id=abc_1", "--model=scripted-x"]).unwrap();
        assert_eq!(options.permission_mode, PermissionMode::Plan);
        assert_eq!(options.session_id.as_deref(), Some("abc_1"));
        assert_eq!(options.model, "scripted-x");
        assert!(!options.bypass_allowed);
        assert_eq!(run(&["--model", "opus"]).unwrap().0.model, "opus");
        assert_eq!(run(&["--model="]).unwrap().0.model, "scripted");
    }

    #[test]
    fn warns_about_unknown_flags_and_swallows_their_values() {
        let (options, warnings) = run(&["--shiny", "new", "--also=x", "--print", "--tail"]).unwrap();
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        assert_eq!(options.model, "scripted");
    }

    #[test]
    fn takes_rules_limits_and_instructions() {
        let (options, warnings) = run(&[
            "--allowedTools=Read,Bash(git log:*),Bash(a, b)",
            "--disallowedTools",
            "WebFetch Edit(//etc/**)",
            "--tools=Read,Bash",
            "--max-turns=3",
            "--max-budget-usd=0.5",
            "--max-thinking-tokens=0",
            "--json-schema={\"type\":\"object\"}",
            "--system-prompt=",
            "--resume=abc",
            "--fork-session",
            "--no-session-persistence",
        ])
        .unwrap();
        let texts = |rules: &[Rule]| rules.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(texts(&options.allow_rules), ["Read", "Bash(git log:*)", "Bash(a, b)"]);
        assert_eq!(texts(&options.deny_rules), ["WebFetch", "Edit(//etc/**)"]);
        assert_eq!(options.charter.tools.as_deref().unwrap(), ["Read", "Bash"]);
        assert_eq!((options.charter.max_turns, options.charter.thinking), (Some(3), Thinking::Disabled));
        assert_eq!(options.charter.system_prompt.as_deref(), Some(""));
        assert_eq!(options.resume, Some(Resume::Session("abc".to_owned())));
        assert!(!options.keeps_session);
        assert!(options.fork_session && warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn launching_in_bypass_allows_bypass() {
        assert!(run(&["--permission-mode=bypassPermissions"]).unwrap().0.bypass_allowed);
        assert!(run(&["--dangerously-skip-permissions"]).unwrap().0.bypass_allowed);
    }

    #[test]
    fn refuses_what_it_cannot_be() {
        assert!(matches!(run(&["--input-format", "text"]), Err(UsageError::Format { .. })));
        assert!(matches!(run(&["--permission-mode=maybe"]), Err(UsageError::Mode(_))));
        assert!(matches!(run(&["--permission-prompt-tool=mcp__x"]), Err(UsageError::PromptTool(_))));
        assert!(matches!(run(&["--session-id=--dangerously"]), Err(UsageError::SessionId(_))));
        assert!(matches!(run(&["--max-turns=few"]), Err(UsageError::Number { .. })));
        assert!(matches!(run(&["--json-schema=[]"]), Err(UsageError::Json { .. })));
        assert!(matches!(run(&["--resume=../x"]), Err(UsageError::SessionId(_))));
        assert!(matches!(run(&["--model"]), Err(UsageError::MissingValue { .. })));
    }
}
