//! `portcullis inspect` as a process: over every recording, over garbage, from stdin.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What one run said.
struct Run {
    code: Option<i32>,
    out: String,
    err: String,
}

fn inspect(words: &[&str], stdin: &[u8]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.arg("inspect").args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let bytes = stdin.to_vec();
    // It may end without reading all of it.
    let writing = std::thread::spawn(move || drop(pipe.write_all(&bytes)));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/tests/fixtures")
}

fn capture(name: &str) -> String {
    fixtures().join(format!("captures/{name}.ndjson")).to_string_lossy().into_owned()
}

/// No character a terminal would obey, but for line ends and tabs.
fn assert_harmless(text: &str) {
    use portcullis_protocol::approval::reveal::is_hidden;
    let hidden = text.chars().find(|character| *character != '\n' && is_hidden(*character));
    assert_eq!(hidden, None);
}

#[test]
fn every_recording_survives_the_check_and_prints() {
    let folder = std::fs::read_dir(fixtures().join("captures")).unwrap();
    let mut files: Vec<_> =
        folder.map(|entry| entry.unwrap().path().to_string_lossy().into_owned()).collect();
    files.push(fixtures().join("examples.ndjson").to_string_lossy().into_owned());
    for file in &files {
        let check = inspect(&["--check", file], b"");
        assert_eq!((check.code, check.err.as_str()), (Some(0), ""), "{file}");
        assert!(check.out.contains(" 0 lost "), "{file}: {}", check.out);
        let text = inspect(&[file], b"");
        assert_eq!((text.code, text.err.as_str()), (Some(0), ""), "{file}");
        assert_harmless(&text.out);
        let json = inspect(&["--json", file], b"");
        assert_eq!((json.code, json.err.as_str()), (Some(0), ""), "{file}");
        for line in json.out.lines() {
            let item: Value = serde_json::from_str(line).unwrap();
            assert!(item["kind"].is_string() && item["seq"].is_u64(), "{file}: {line}");
        }
    }
}

#[test]
fn a_person_reads_prompts_tools_results_and_totals() {
    let run = inspect(&[&capture("bash-allowed")], b"");
    for part in [
        "> [answered] ",
        "* Bash [done] touch made.txt",
        "--- turn 1 completed",
        "1 turns, 1 prompts, 1 tool calls; idle",
        "model ",
    ] {
        assert!(run.out.contains(part), "{part}: {}", run.out);
    }
    let denied = inspect(&[&capture("bash-denied")], b"");
    assert!(denied.out.contains("* Bash [denied] rm -rf build"), "{}", denied.out);
    assert!(denied.out.contains("  | Please keep the build directory."), "{}", denied.out);
}

#[test]
fn a_program_reads_one_object_a_line_with_inputs_as_they_were() {
    let line = r#"{"type":"assistant","message":{"id":"m","content":[{"type":"tool_use","id":"t","name":"X","input":{"z":1.0,"a":123456789012345678901234567890}}]},"uuid":"u","session_id":"s"}"#;
    let run = inspect(&["--json", "-"], line.as_bytes());
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.out.contains(r#""input":{"z":1.0,"a":123456789012345678901234567890}"#), "{}", run.out);
    let item: Value = serde_json::from_str(run.out.trim()).unwrap();
    assert_eq!(
        (&item["kind"], &item["name"], &item["tool_use_id"]),
        (&"tool".into(), &"X".into(), &"t".into())
    );
}

#[test]
fn garbage_is_reported_by_its_line_and_the_rest_is_read() {
    let stream =
        b"{\"type\":\"keep_alive\"}\n\n{oops\n\xff\xfe\n[1]\n{\"type\":\"from_next_year\",\"x\":1e5}\n";
    let run = inspect(&["--check", "-"], stream);
    assert_eq!(run.code, Some(1));
    assert!(
        run.out.starts_with("1 typed, 1 kept as unknown, 3 lost (2 messages in 5 lines)\n"),
        "{}",
        run.out
    );
    assert!(run.out.contains("kept as unknown: from_next_year (1, first in line 6)"), "{}", run.out);
    for part in [
        "line 3: not JSON",
        "line 4: 2 bytes that are no UTF-8",
        "line 5: not an object with a string `type`",
    ] {
        assert!(run.err.contains(part), "{part}: {}", run.err);
    }
    let without_check = inspect(&["-"], stream);
    assert_eq!(without_check.code, Some(0), "{}", without_check.err);
    assert!(without_check.err.contains("line 3: not JSON"), "{}", without_check.err);
}

#[test]
fn a_line_too_deep_or_half_written_is_lost_and_no_more() {
    let deep = format!(
        "{{\"type\":\"x\",\"y\":{}{}}}\n{{\"type\":\"keep_alive\"}}\n{{\"type\":\"us",
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    let run = inspect(&["--check", "-"], deep.as_bytes());
    assert_eq!(run.code, Some(1));
    assert!(run.out.starts_with("1 typed, 0 kept as unknown, 2 lost (1 messages in 3 lines)"), "{}", run.out);
    assert!(run.err.contains("line 1: nested deeper than 64 levels"), "{}", run.err);
}

#[test]
fn many_bad_lines_do_not_flood_the_terminal() {
    let run = inspect(&["--check", "-"], b"{\"type\":\"keep_alive\"}\n");
    assert_eq!(run.code, Some(0));
    let flood = format!("{{\"type\":\"keep_alive\"}}\n{}", "bad\n".repeat(5_000));
    let run = inspect(&["--check", "-"], flood.as_bytes());
    assert_eq!((run.code, run.err.lines().count()), (Some(1), 22));
    assert!(run.err.contains("and 4980 more"), "{}", run.err);
}

#[test]
fn a_terminal_is_not_told_what_to_do() {
    let prompt = "a\u{1b}[2J\u{9b}31m\u{202e}evil\u{200b}\u{7}";
    let message = serde_json::json!({"type": "user", "uuid": "u", "session_id": "s", "message": {"role": "user", "content": prompt}});
    for words in [&["-"][..], &["--json", "-"], &["--check", "-"]] {
        let run = inspect(words, message.to_string().as_bytes());
        assert_eq!(run.code, Some(0), "{}", run.err);
        assert_harmless(&run.out);
    }
    let unknown = inspect(&["--check", "-"], "{\"type\":\"\\u001b[2J\\u202e\"}".as_bytes());
    assert_harmless(&unknown.out);
    assert!(unknown.out.contains("⟨U+001B⟩[2J⟨U+202E⟩"), "{}", unknown.out);
}

#[test]
fn says_what_a_recording_is_when_there_is_none() {
    for stdin in [&b""[..], b"hello\n", b"{\"t_ms\":1,\"dir\":\"exit\",\"code\":0}\n"] {
        let run = inspect(&["-"], stdin);
        assert_eq!(run.code, Some(1));
        assert!(
            run.err.contains("there is no message in it") && run.err.contains("stream-json"),
            "{}",
            run.err
        );
    }
    let missing = inspect(&["/nowhere/at/all.ndjson"], b"");
    assert_eq!(missing.code, Some(1));
    assert!(missing.err.contains("/nowhere/at/all.ndjson: No such file"), "{}", missing.err);
    assert_eq!(inspect(&[], b"").code, Some(2));
    assert_eq!(inspect(&["--no-such-flag", "-"], b"").code, Some(2));
}
