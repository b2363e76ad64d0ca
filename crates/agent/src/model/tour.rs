//! What the scripted model does when nobody gave it a script: one of everything a person should have seen once.
//! It works with whatever the directory holds, and makes a file where there is none to read or edit.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::model::directive::Step;

/// Files the tour looks for, best first.
const FAVOURITES: [&str; 5] = ["README.md", "notes.md", "src/main.rs", "src/lib.rs", "Cargo.toml"];
/// Files larger than this are no tour material, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// What the tour adds to a file, so that there is a difference to look at.
const ADDED_LINE: &str = "- The scripted agent was here.";

const THOUGHT: &str = "Nobody gave me a script, so I will show what a session looks like: some words, a look at a \
                       file, a plan, a change that needs permission, and a command that needs it too.";

const GREETING: &str = "\
# A short tour

I am the **scripted** model: I need no key and no network, and I always do the same. Next I will

1. read a file, which needs no permission,
2. keep a todo list,
3. change a file, and run a command: *both wait for you*.

```rust
fn approve(request: &Request) -> Decision {
    Decision::AllowOnce(request.digest)
}
```

| You | I |
|---|---|
| allow | do exactly what was shown |
| deny, with a reason | read the reason and go on |

More about permission prompts is in the [README](https://example.com/portcullis).
";

const CLOSING: &str = "\
That was the tour. Lines that start with `@` make me do one thing at a time, for example:

```
@say Hello
@bash ls -la
@ask Which one? | This | That
```
";

pub(super) fn steps(cwd: &Path) -> Vec<Step> {
    let mut steps = vec![Step::Think(THOUGHT.to_owned()), Step::say(GREETING)];
    steps.push(
        readable(cwd).map_or_else(|| create(cwd), |path| Step::call("Read", &json!({"file_path": path}))),
    );
    steps.push(Step::call("TodoWrite", &todos(1)));
    steps.push(Step::say("Now a change to a file. It waits for you."));
    steps.push(editable(cwd).unwrap_or_else(|| create(cwd)));
    steps.push(Step::call("TodoWrite", &todos(2)));
    steps.push(Step::say("And a command."));
    let command = "ls -l && git status --short 2>/dev/null || true";
    steps.push(Step::call(
        "Bash",
        &json!({"command": command, "description": "List the files and what changed"}),
    ));
    steps.push(Step::call("TodoWrite", &todos(3)));
    steps.push(Step::say(CLOSING));
    steps
}

fn todos(done: usize) -> Value {
    let items = [
        ("Look at a file", "Looking at a file"),
        ("Change a file", "Changing a file"),
        ("Run a command", "Running a command"),
    ];
    let status = |index: usize| match index.cmp(&done) {
        std::cmp::Ordering::Less => "completed",
        std::cmp::Ordering::Equal => "in_progress",
        std::cmp::Ordering::Greater => "pending",
    };
    let todo = |(index, (content, active)): (usize, &(&str, &str))| json!({"content": content, "status": status(index), "activeForm": active});
    json!({"todos": items.iter().enumerate().map(todo).collect::<Vec<_>>()})
}

fn readable(cwd: &Path) -> Option<PathBuf> {
    FAVOURITES.iter().map(|name| cwd.join(name)).find(|path| text_of(path).is_some())
}

/// A line after a line that occurs once, in the first markdown file that has one.
fn editable(cwd: &Path) -> Option<Step> {
    let candidates = ["notes.md", "README.md"].map(|name| cwd.join(name));
    candidates.iter().find_map(|path| {
        let text = text_of(path)?;
        let unique = |line: &&str| !line.trim().is_empty() && text.matches(*line).count() == 1;
        let anchor = text.lines().rev().find(unique)?;
        let input = json!({
            "file_path": path, "old_string": anchor, "new_string": format!("{anchor}\n{ADDED_LINE}"),
            "replace_all": false,
        });
        Some(Step::call("Edit", &input))
    })
}

fn create(cwd: &Path) -> Step {
    let content = format!("# Notes\n\n{ADDED_LINE}\n");
    Step::call("Write", &json!({"file_path": cwd.join("notes.md"), "content": content}))
}

fn text_of(path: &Path) -> Option<String> {
    let metadata = path.metadata().ok()?;
    let fits = metadata.is_file() && metadata.len() <= FILE_BYTES_MAX;
    fits.then(|| std::fs::read_to_string(path).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(cwd: &Path) -> Vec<(String, Value)> {
        let call = |step| match step {
            Step::Call { name, input } => Some((name, serde_json::from_str(input.get()).unwrap())),
            Step::Text { .. }
            | Step::Think(_)
            | Step::Together(_)
            | Step::Pause { .. }
            | Step::Fail { .. }
            | Step::Raw(_) => None,
        };
        steps(cwd).into_iter().filter_map(call).filter(|(name, _)| name != "TodoWrite").collect()
    }

    fn names(cwd: &Path) -> Vec<String> {
        calls(cwd).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn uses_what_is_there_and_creates_what_is_not() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(names(home.path()), ["Write", "Write", "Bash"]);
        std::fs::create_dir(home.path().join("src")).unwrap();
        std::fs::write(home.path().join("src/main.rs"), "fn main() {}\n").unwrap();
        assert_eq!(names(home.path()), ["Read", "Write", "Bash"]);
        std::fs::write(home.path().join("notes.md"), "# Notes\n\nSame\nSame\n").unwrap();
        assert_eq!(names(home.path()), ["Read", "Edit", "Bash"]);
    }

    #[test]
    fn edits_a_place_that_is_unique_however_often_the_tour_is_taken() {
        let home = tempfile::tempdir().unwrap();
        let notes = home.path().join("notes.md");
        std::fs::write(&notes, "# Notes\n\n- first\n").unwrap();
        for _ in 0..3 {
            let (_, input) = calls(home.path()).into_iter().find(|(name, _)| name == "Edit").unwrap();
            let text = std::fs::read_to_string(&notes).unwrap();
            let old = input["old_string"].as_str().unwrap();
            assert_eq!(text.matches(old).count(), 1, "{text}");
            std::fs::write(&notes, text.replace(old, input["new_string"].as_str().unwrap())).unwrap();
        }
    }
}
