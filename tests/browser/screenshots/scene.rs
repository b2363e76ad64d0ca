//! What the pictures show: a small project, and sessions with the built-in agent, whose model is played.

use std::fs;
use std::path::Path;

use anyhow::Result;
use portcullis_testkit::{MessagesApi, Reply};
use serde_json::{Value, json};

const RETRY: &str = "\
//! Tries again what may work the next time.

use std::time::{Duration, Instant};

/// Calls `act` until it succeeds, at most `tries` times, twice as long apart each time.
pub(crate) fn retry<T, E>(tries: u32, mut act: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let mut pause = Duration::from_millis(50);
    let started = Instant::now();
    loop {
        match act() {
            Err(_) if started.elapsed() < pause * tries => std::thread::sleep(pause),
            done => return done,
        }
        pause *= 2;
    }
}
";
const RETRY_TEST: &str = "\
use std::time::{Duration, Instant};

use api::retry::retry;

#[test]
fn waits_longer_each_time() {
    let (started, mut calls) = (Instant::now(), 0);
    let _ = retry(3, || { calls += 1; Err::<(), ()>(()) });
    assert_eq!(calls, 3);
    assert!(started.elapsed() < Duration::from_millis(160));
}
";
const EXPORT: &str = "\
use std::io::Write;

use crate::rows::Row;

/// Writes every row, as a table for people.
pub(crate) fn export(rows: &[Row], mut out: impl Write) -> std::io::Result<()> {
    for row in rows {
        writeln!(out, \"{:<20} {:>8}\", row.name, row.count)?;
    }
    Ok(())
}
";

const FOUND: &str = "\
**Found it.** `retry` counts *time*, not calls: it gives up once `pause × tries` has gone by. On a busy machine the
second call comes late, so there is no third.

| | calls | time |
|---|---|---|
| quiet machine | 3 | 150 ms |
| busy machine | 2 | 210 ms |

I'll count the calls instead, and let the test bring its own clock:

```rust
for left in (0..tries).rev() {
    match act() {
        Err(_) if left > 0 => clock.pause(wait),
        done => return done,
    }
}
```
";
const NOTES: &str = "\
Here they are; each names what a person notices.

## 0.4.0

- **Export** writes one JSON object a line with `--json`. The table for people is as it was.
- **Retry** counts calls, not time: three tries are three, on a busy machine too.
- The server starts in half the time, because it opens its database once.

| command | 0.3.2 | 0.4.0 |
|---|---:|---:|
| `serve` | 410 ms | 190 ms |
| `export` | 35 ms | 34 ms |

To try it:

```sh
cargo run -- export --json | head -3
```
";
const PLAN: &str = "\
`export` knows one form. I'll give it a second one and leave the table for people as it is:

1. a `Form` that says which of the two, `Table` by default,
2. `--json` in `main.rs`,
3. a test that reads back what was written.

`Row` derives `Serialize` already, so no new dependency is needed.
";

/// Writes the project's files.
pub(crate) fn lay_out(project: &Path) -> Result<()> {
    for (name, text) in [("src/retry.rs", RETRY), ("tests/retry.rs", RETRY_TEST), ("src/export.rs", EXPORT)] {
        let file = project.join(name);
        fs::create_dir_all(file.parent().unwrap_or(project))?;
        fs::write(file, text)?;
    }
    Ok(())
}

/// A prompt, and what it is called in the list.
pub(crate) struct Errand {
    pub(crate) title: &'static str,
    pub(crate) prompt: &'static str,
}

/// Is over.
pub(crate) const RELEASE: Errand =
    Errand { title: "Release notes", prompt: "Write the release notes for 0.4.0." };
/// Waits with a command, after a change that waits before it.
pub(crate) const FLAKY: Errand = Errand {
    title: "Mend the flaky retry test",
    prompt: "The retry test fails about once in twenty runs. Find out why, and mend it.",
};
/// Waits with a change.
pub(crate) const EXPORT_JSON: Errand =
    Errand { title: "Export as JSON", prompt: "Give the export command a --json flag: one object a line." };
/// Waits with two questions.
pub(crate) const DATABASE: Errand =
    Errand { title: "Integration tests", prompt: "Set up integration tests with a real database." };
/// Goes on.
pub(crate) const DEPENDENCIES: Errand =
    Errand { title: "Raise the dependencies", prompt: "Bring the dependencies up to date, one by one." };

/// Writes down what the model says to each prompt.
pub(crate) fn play(api: &MessagesApi, project: &Path) {
    let file = |name: &str| json!(project.join(name));
    let read = |reply: Reply, id: &str, name: &str| {
        reply.tool_with_id(id, "Read", &json!({ "file_path": file(name) }))
    };
    let call =
        |id: &str, tool: &str, input: Value| Reply::new().tool_with_id(id, tool, &input).usage(18_400, 310);

    api.then_in(
        RELEASE.prompt,
        read(Reply::new().text("I'll look at what changed."), "t1", "src/export.rs").usage(9_200, 60),
    );
    api.then_in(RELEASE.prompt, Reply::new().text(NOTES).usage(12_800, 420));

    let thought = "It passes alone and fails under load, so it is about time. What does the test measure?";
    let look = Reply::new().thinking(thought).text("I'll look at how the test waits.");
    api.then_in(
        FLAKY.prompt,
        read(read(look, "t2", "src/retry.rs"), "t3", "tests/retry.rs").usage(9_100, 140),
    );
    let todos = ["Read the test", "Count calls, not time", "Run it a hundred times"];
    let todos = todos.iter().zip(["completed", "in_progress", "pending"]);
    let todos = todos.map(|(what, state)| json!({ "content": what, "status": state, "activeForm": what }));
    let todos = json!({ "todos": todos.collect::<Vec<_>>() });
    let edit = json!({
        "file_path": file("src/retry.rs"),
        "old_string": "            Err(_) if started.elapsed() < pause * tries => std::thread::sleep(pause),\n            done => return done,",
        "new_string": "            Err(_) if calls < tries => std::thread::sleep(pause),\n            done => return done,",
    });
    let found =
        Reply::new().text(FOUND).tool_with_id("t4", "TodoWrite", &todos).tool_with_id("t5", "Edit", &edit);
    api.then_in(FLAKY.prompt, found.usage(14_700, 520));
    let command = "for run in $(seq 100); do\n  cargo test --quiet --test retry || exit 1\ndone";
    api.then_in(
        FLAKY.prompt,
        call("t6", "Bash", json!({ "command": command, "description": "Run the test a hundred times" })),
    );

    let edit = json!({
        "file_path": file("src/export.rs"),
        "old_string": "/// Writes every row, as a table for people.\npub fn export(rows: &[Row], mut out: impl Write)",
        "new_string": "/// Writes every row, as a table for people or as JSON for programs.\npub fn export(rows: &[Row], form: Form, mut out: impl Write)",
    });
    api.then_in(EXPORT_JSON.prompt, read(Reply::new(), "t7", "src/export.rs").usage(8_900, 40));
    let plan = Reply::new().text(PLAN).tool_with_id("t8", "Edit", &edit);
    api.then_in(EXPORT_JSON.prompt, plan.usage(11_300, 260));

    let questions = json!({ "questions": [
        { "question": "Where should the integration tests keep their data?", "header": "Database", "multiSelect": false, "options": [
            { "label": "SQLite in memory", "description": "Fast, nothing to install; no concurrent writers" },
            { "label": "SQLite in a file", "description": "As it is deployed; a folder for each test" },
            { "label": "Postgres in a container", "description": "Slowest, and needs Docker" } ] },
        { "question": "Which tests should move?", "header": "Tests", "multiSelect": true, "options": [
            { "label": "export", "description": "12 tests" }, { "label": "retry", "description": "3 tests" } ] },
    ] });
    let ask = Reply::new().text("Two things are yours to decide before I begin.").tool_with_id(
        "t9",
        "AskUserQuestion",
        &questions,
    );
    api.then_in(DATABASE.prompt, ask.usage(8_800, 190));

    let raising =
        Reply::new().begin_text("I'll raise them one by one, and run the tests after each.").stall();
    api.then_in(DEPENDENCIES.prompt, raising.usage(8_700, 20));
}
