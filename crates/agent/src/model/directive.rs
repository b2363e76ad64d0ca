//! The `@` directives of the scripted model: from the text of a prompt to a list of steps. A directive that makes
//! no sense becomes a step that says so, since a silent script would look like a hung agent.

use std::path::Path;

use serde_json::{Value, json, value::RawValue};

use crate::{
    model::{Gap, prose},
    wire::object::raw,
};

/// Longest `@sleep`, and longest gap of a storm: one hour.
const PAUSE_MS_MAX: u64 = 3_600_000;
/// Most deltas of one `@storm`; more would only test memory.
const STORM_DELTAS_MAX: usize = 1_000_000;
/// Largest `@big`, in bytes: well above every limit of the wire.
const BIG_BYTES_MAX: usize = 32 * 1024 * 1024;

/// One thing the scripted model does.
#[derive(Debug)]
pub(crate) enum Step {
    Text {
        deltas: Vec<String>,
        gap: Gap,
    },
    Think(String),
    Call {
        name: String,
        input: Box<RawValue>,
    },
    /// Everything here goes into one message.
    Together(Vec<Step>),
    Pause {
        ms: u64,
    },
    Fail {
        status: u16,
    },
    Raw(String),
}

impl Step {
    pub(crate) fn say(text: &str) -> Self {
        Self::Text { deltas: prose::spoken(text), gap: Gap::Pace }
    }

    pub(crate) fn call(name: &str, input: &Value) -> Self {
        Self::Call { name: name.to_owned(), input: raw(input) }
    }
}

/// The steps of a prompt, or `None` if it holds no directive. Other lines of a prompt with directives are ignored.
pub(crate) fn parse(text: &str, cwd: &Path) -> Option<Vec<Step>> {
    let lines: Vec<&str> = text.lines().collect();
    let mut steps = Vec::new();
    let mut index = 0;
    while index < lines.len() {
        let line = lines[index];
        index += 1;
        let Some((name, rest)) = directive(line) else {
            continue;
        };
        let below = lines[index..].iter().take_while(|line| is_indented(line)).count();
        let block = dedent(&lines[index..index + below]);
        steps.push(step(name, rest, &block, cwd));
    }
    (!steps.is_empty()).then_some(steps)
}

/// `@name rest`, at the start of the line. `@src/main.rs` and `@Ada` are mentions, not directives.
fn directive(line: &str) -> Option<(&str, &str)> {
    let body = line.strip_prefix('@')?;
    let (name, rest) = body.split_once(char::is_whitespace).unwrap_or((body, ""));
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
    is_name.then_some((name, rest.trim()))
}

fn is_indented(line: &str) -> bool {
    line.starts_with([' ', '\t']) && !line.trim().is_empty()
}

/// The lines without the indentation they share.
fn dedent(lines: &[&str]) -> String {
    let indent = |line: &&str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let shared = lines.iter().map(indent).min().unwrap_or(0);
    lines.iter().map(|line| &line[shared..]).collect::<Vec<_>>().join("\n")
}

fn step(name: &str, rest: &str, block: &str, cwd: &Path) -> Step {
    let parsed = match name {
        "say" => filled(rest).map(Step::say),
        "think" => filled(rest).map(|thought| Step::Think(thought.to_owned())),
        "storm" => storm(rest),
        "big" => {
            number(rest, BIG_BYTES_MAX).map(|bytes| Step::Text { deltas: prose::big(bytes), gap: Gap::Ms(0) })
        }
        "sleep" => number(rest, PAUSE_MS_MAX).map(|ms| Step::Pause { ms }),
        "fail" => number(rest, 599).and_then(|status| match status {
            400.. => Ok(Step::Fail { status }),
            _ => Err("a status from 400 to 599 is needed".to_owned()),
        }),
        "raw" => Ok(Step::Raw(rest.to_owned())),
        "bash" => filled(rest).map(|command| {
            Step::call("Bash", &json!({"command": command, "description": prose::short(command, 60)}))
        }),
        "read" => filled(rest).map(|path| Step::call("Read", &json!({"file_path": cwd.join(path)}))),
        "write" => write(rest, cwd),
        "edit" => edit(rest, cwd),
        "todo" => todo(rest),
        "ask" => ask(rest),
        "plan" => filled(rest).map(|plan| Step::call("ExitPlanMode", &json!({"plan": plan}))),
        "agent" => Ok(agent(rest, block)),
        "parallel" => parse(block, cwd)
            .map(Step::Together)
            .ok_or_else(|| "indented directives are needed below it".to_owned()),
        "tool" => tool(rest),
        _ => Err("there is no such directive".to_owned()),
    };
    parsed.unwrap_or_else(|problem| Step::say(&format!("I cannot follow `@{name}`: {problem}.")))
}

fn number<T: std::str::FromStr + PartialOrd + std::fmt::Display>(text: &str, max: T) -> Result<T, String> {
    let parsed = text.parse().ok().filter(|number| *number <= max);
    parsed.ok_or_else(|| format!("a number up to {max} is needed, not `{}`", prose::short(text, 40)))
}

fn filled(text: &str) -> Result<&str, String> {
    if text.is_empty() { Err("something is missing after it".to_owned()) } else { Ok(text) }
}

fn storm(rest: &str) -> Result<Step, String> {
    let (count, gap) = rest.split_once(char::is_whitespace).unwrap_or((rest, "0"));
    let deltas = prose::storm(number(count, STORM_DELTAS_MAX)?);
    Ok(Step::Text { deltas, gap: Gap::Ms(number(gap.trim(), PAUSE_MS_MAX)?) })
}

fn write(rest: &str, cwd: &Path) -> Result<Step, String> {
    let (path, text) = filled(rest)?.split_once(char::is_whitespace).unwrap_or((rest, ""));
    Ok(Step::call("Write", &json!({"file_path": cwd.join(path), "content": text})))
}

fn edit(rest: &str, cwd: &Path) -> Result<Step, String> {
    let parts = rest
        .split_once(char::is_whitespace)
        .and_then(|(path, change)| Some((path, change.split_once("=>")?)));
    let Some((path, (old, new))) = parts else {
        return Err("it is written `@edit PATH OLD => NEW`".to_owned());
    };
    let input = json!({
        "file_path": cwd.join(path), "old_string": old.trim(), "new_string": new.trim(), "replace_all": false,
    });
    Ok(Step::call("Edit", &input))
}

fn todo(rest: &str) -> Result<Step, String> {
    let todos: Vec<Value> = choices(filled(rest)?)
        .enumerate()
        .map(|(index, content)| {
            let status = if index == 0 { "in_progress" } else { "pending" };
            json!({"content": content, "status": status, "activeForm": content})
        })
        .collect();
    Ok(Step::call("TodoWrite", &json!({"todos": todos})))
}

fn ask(rest: &str) -> Result<Step, String> {
    let mut parts = choices(rest);
    let question = parts.next().unwrap_or_default();
    let options: Vec<Value> = parts.map(|label| json!({"label": label, "description": ""})).collect();
    if question.is_empty() || !(2..=4).contains(&options.len()) {
        return Err("it is written `@ask QUESTION | A | B`, with two to four answers".to_owned());
    }
    let question =
        json!({"question": question, "header": "Question", "multiSelect": false, "options": options});
    Ok(Step::call("AskUserQuestion", &json!({"questions": [question]})))
}

fn choices(text: &str) -> impl Iterator<Item = &str> {
    text.split('|').map(str::trim).filter(|choice| !choice.is_empty())
}

/// The sub-agent is the scripted model again, so the lines below become its prompt.
fn agent(rest: &str, block: &str) -> Step {
    let task = if rest.is_empty() { "Sub-agent" } else { rest };
    let prompt = if block.is_empty() { task.to_owned() } else { format!("{task}\n{block}") };
    let input = json!({
        "description": prose::short(task, 60), "prompt": prompt, "subagent_type": "general-purpose",
    });
    Step::call("Agent", &input)
}

/// The input stays the text that was given, so that numbers and key order survive.
fn tool(rest: &str) -> Result<Step, String> {
    let (name, input) = filled(rest)?.split_once(char::is_whitespace).unwrap_or((rest, "{}"));
    let input =
        RawValue::from_string(input.trim().to_owned()).ok().filter(|input| input.get().starts_with('{'));
    let input = input.ok_or_else(|| "a JSON object is needed after the tool's name".to_owned())?;
    Ok(Step::Call { name: name.to_owned(), input })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line per step: what it is and what it carries.
    fn shown(step: &Step) -> String {
        match step {
            Step::Text { deltas, gap: Gap::Pace } => format!("say {}", deltas.concat()),
            Step::Text { deltas, gap: Gap::Ms(ms) } => {
                format!("{} deltas, {} bytes, {ms} ms", deltas.len(), deltas.concat().len())
            }
            Step::Think(text) => format!("think {text}"),
            Step::Call { name, input } => format!("{name} {input}"),
            Step::Together(steps) => format!("[{}]", steps.iter().map(shown).collect::<Vec<_>>().join(", ")),
            Step::Pause { ms } => format!("pause {ms}"),
            Step::Fail { status } => format!("fail {status}"),
            Step::Raw(line) => format!("raw {line}"),
        }
    }

    fn check(text: &str, expected: &[&str]) {
        let steps = parse(text, Path::new("/p")).unwrap_or_default();
        assert_eq!(steps.iter().map(shown).collect::<Vec<_>>(), expected, "{text}");
    }

    #[test]
    fn every_directive_becomes_its_step() {
        check("@say Hello  world", &["say Hello  world"]);
        check("@think Hm", &["think Hm"]);
        check("@storm 20 5", &["20 deltas, 51 bytes, 5 ms"]);
        check("@storm 3", &["3 deltas, 6 bytes, 0 ms"]);
        check("@big 40000", &["3 deltas, 40000 bytes, 0 ms"]);
        check("@sleep 250", &["pause 250"]);
        check("@fail 529", &["fail 529"]);
        check(r#"@raw {"a": 1e400"#, &[r#"raw {"a": 1e400"#]);
        check("@bash ls -la | wc", &[r#"Bash {"command":"ls -la | wc","description":"ls -la | wc"}"#]);
        check("@read src/a.rs", &[r#"Read {"file_path":"/p/src/a.rs"}"#]);
        check("@read /etc/hosts", &[r#"Read {"file_path":"/etc/hosts"}"#]);
        check("@write a.txt two words", &[r#"Write {"file_path":"/p/a.txt","content":"two words"}"#]);
        check(
            "@edit a.txt old text => new => text",
            &[
                r#"Edit {"file_path":"/p/a.txt","old_string":"old text","new_string":"new => text","replace_all":false}"#,
            ],
        );
        check(
            "@todo A | B",
            &[
                r#"TodoWrite {"todos":[{"content":"A","status":"in_progress","activeForm":"A"},{"content":"B","status":"pending","activeForm":"B"}]}"#,
            ],
        );
        check(
            "@ask Which one? | A | B",
            &[
                r#"AskUserQuestion {"questions":[{"question":"Which one?","header":"Question","multiSelect":false,"options":[{"label":"A","description":""},{"label":"B","description":""}]}]}"#,
            ],
        );
        check("@plan # Do it", &[r##"ExitPlanMode {"plan":"# Do it"}"##]);
        check("@tool mcp__x__y {\"n\": 1.00, \"a\":1e999}", &["mcp__x__y {\"n\": 1.00, \"a\":1e999}"]);
        check("@tool Odd", &["Odd {}"]);
    }

    #[test]
    fn directives_run_in_order_and_other_lines_are_left_out() {
        check("please\n@say a\nthanks\n@say b\n  @say c", &["say a", "say b"]);
    }

    #[test]
    fn indented_lines_belong_to_the_directive_above() {
        check("@parallel\n  @say x\n\t\n@say y", &["[say x]", "say y"]);
        check(
            "@parallel\n  @read a\n  @read b\n@say done",
            &[r#"[Read {"file_path":"/p/a"}, Read {"file_path":"/p/b"}]"#, "say done"],
        );
        check(
            "@agent Look around\n    @read a\n    @parallel\n      @read b",
            &[
                r#"Agent {"description":"Look around","prompt":"Look around\n@read a\n@parallel\n  @read b","subagent_type":"general-purpose"}"#,
            ],
        );
    }

    #[test]
    fn a_prompt_without_directives_has_no_script() {
        for text in ["", "hello", "@src/main.rs explain", "@Ada hi", "mail me @ home", " @say indented"] {
            assert!(parse(text, Path::new("/p")).is_none(), "{text}");
        }
    }

    #[test]
    fn says_what_it_cannot_follow() {
        for text in [
            "@bahs ls",
            "@bash",
            "@say",
            "@think",
            "@sleep soon",
            "@sleep 99999999999",
            "@storm -1",
            "@storm 5 x",
            "@fail 200",
            "@fail 700",
            "@edit a b",
            "@ask Really?",
            "@ask Really? | Yes",
            "@tool",
            "@tool X [1]",
            "@tool X {",
            "@parallel",
            "@big 999999999999",
        ] {
            let steps = parse(text, Path::new("/p")).unwrap();
            assert!(shown(&steps[0]).starts_with("say I cannot follow `@"), "{text}: {}", shown(&steps[0]));
        }
    }
}
