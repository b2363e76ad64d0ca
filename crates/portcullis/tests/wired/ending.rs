//! How a bridge ends: in order, at once, or left in the middle; with agents that do not want to, with work that is
//! nowhere else; and what a script reads about it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Decision, Machines, Process, pair, processes_in, run, wait_until};

/// A `claude` on PATH that ignores every wish to end, and leaves a process in a session of its own behind.
const STUBBORN: &str = "#!/bin/sh\ntrap '' TERM INT HUP\nsetsid sh -c \"trap '' TERM INT HUP; while :; do sleep 1; done\" &\ntouch started\nwhile :; do sleep 1; done\n";

/// A PATH with an agent of this name before all others.
fn path_with(machines: &Machines, name: &str, script: &str) -> (&'static str, String) {
    let folder = machines.laptop().join("bin");
    std::fs::create_dir_all(&folder).unwrap();
    let program = folder.join(name);
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    ("PATH", format!("{}:{}", folder.display(), std::env::var("PATH").unwrap()))
}

async fn stubborn(machines: &Machines) -> Process {
    let path = path_with(machines, "claude", STUBBORN);
    let mut bridge = machines.control_as("claude", &["--json"], &[path]).await;
    bridge.fact("registered").await;
    let session = machines.owner.new_session().await;
    session.prompt("hello").await;
    wait_until("the agent runs", || machines.project().join("started").exists()).await;
    bridge
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_will_not_end_is_ended_by_the_second_ctrl_c_with_all_it_started_b7() {
    let machines = Machines::start().await;
    machines.log_in().await;
    let mut bridge = stubborn(&machines).await;
    bridge.tell_to_end();
    assert_eq!(bridge.fact("ending").await["at_once"], false);
    assert!(!processes_in(&machines.project()).is_empty() && bridge.is_running(), "it has its time");
    bridge.tell_to_end();
    assert_eq!(bridge.fact("ending").await["at_once"], true);
    bridge.fact("ended").await;
    assert_eq!(bridge.exit().await, Some(0), "{}", bridge.log());
    assert_eq!(processes_in(&machines.project()), Vec::<String>::new());
    machines.online(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_third_ctrl_c_leaves_whatever_hangs_and_the_agents_end_all_the_same() {
    let machines = Machines::start().await;
    machines.log_in().await;
    let mut bridge = stubborn(&machines).await;
    machines.ingress.freeze();
    for at_once in [false, true] {
        bridge.tell_to_end();
        assert_eq!(bridge.fact("ending").await["at_once"], at_once);
    }
    bridge.tell_to_end();
    assert_eq!(bridge.exit().await, Some(130), "{}", bridge.log());
    wait_until("all are gone", || processes_in(&machines.project()).is_empty()).await;
    machines.ingress.go_on();
}

fn git(folder: &Path, words: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(words).current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null");
    for name in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{name}_NAME"), "p").env(format!("GIT_{name}_EMAIL"), "p@example.com");
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_work_in_trees_of_their_own_of_which_only_those_with_work_in_them_stay() {
    let machines = Machines::start().await;
    machines.log_in().await;
    let project = machines.project();
    std::fs::write(project.join("a.txt"), "a\n").unwrap();
    for words in [&["init", "-q", "-b", "main"][..], &["add", "."], &["commit", "-qm", "first"]] {
        git(&project, words);
    }
    let mut bridge = machines.control_as("builtin", &["--json", "--spawn=worktree"], &[]).await;
    let mut idle = machines.owner.new_session().await;
    let made = bridge.fact("worktree_made").await;
    assert_eq!(made["branch"], format!("portcullis/{}", idle.id));
    let started = bridge.fact("session_started").await;
    assert_eq!((&started["session_id"], &started["directory"]), (&json!(idle.id), &made["path"]));
    idle.prompt("@say nothing to do").await;
    idle.event(|event| event["type"] == "result").await;

    let mut busy = machines.owner.new_session().await;
    busy.prompt("@bash echo work > new.txt").await;
    let request = busy.permission("pending").await;
    let waiting = bridge.fact("waiting_for_approval").await;
    assert_eq!((&waiting["session_id"], &waiting["waiting"]), (&json!(busy.id), &json!(1)));
    busy.decide(&request, &Decision::Allow).await;
    assert_eq!(bridge.fact("waiting_for_approval").await["waiting"], 0);
    busy.event(|event| event["type"] == "result").await;
    let tree = machines.laptop().join("data/remote/worktrees").join(&busy.id).canonicalize().unwrap();
    assert!(tree.join("new.txt").exists() && !project.join("new.txt").exists());
    let shown = machines.owner.get(&format!("/v1/sessions/{}", busy.id)).await;
    assert_eq!(shown["directory"], tree.display().to_string(), "where it really works");

    bridge.tell_to_end();
    let kept = bridge.fact("worktree_kept").await;
    assert_eq!((kept["path"].as_str(), &kept["session_id"]), (tree.to_str(), &json!(busy.id)));
    let said = busy.event(|event| event.to_string().contains("is kept at")).await.to_string();
    assert!(said.contains("new.txt") && said.contains(tree.to_str().unwrap()), "{said}");
    assert_eq!(bridge.exit().await, Some(0), "{}", bridge.log());
    assert!(tree.join("new.txt").exists() && bridge.log().contains("the working tree is kept"));
    assert!(!Path::new(made["path"].as_str().unwrap()).exists(), "{}", bridge.log());

    let mut bridge = machines.control_as("builtin", &["--json", "--spawn=worktree"], &[]).await;
    busy.prompt("@bash cat new.txt").await;
    assert_eq!(
        bridge.fact("session_started").await["directory"],
        tree.display().to_string(),
        "the same again"
    );
    let request = busy.permission("pending").await;
    busy.decide(&request, &Decision::Deny("no")).await;
    git(&tree, &["add", "."]);
    git(&tree, &["commit", "-qm", "work"]);
    git(&project, &["merge", "-q", &format!("portcullis/{}", busy.id)]);
    assert_eq!(bridge.interrupt().await, Some(0), "{}", bridge.log());
    assert!(!tree.exists() && project.join("new.txt").exists(), "{}", bridge.log());
    assert_eq!(git(&project, &["branch", "--format=%(refname:short)"]), "main");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_can_have_no_tree_says_why_and_starts_nothing() {
    let machines = Machines::start().await;
    machines.log_in().await;
    let mut bridge = machines.control_with("--spawn=worktree").await;
    let mut session = machines.owner.new_session().await;
    session.prompt("@say hello").await;
    let said = session.event(|event| event.to_string().contains("cannot run")).await.to_string();
    assert!(said.contains("is not in a git repository"), "{said}");
    assert_eq!(bridge.interrupt().await, Some(0), "{}", bridge.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_kept_at_the_end_unless_they_are_to_be_archived() {
    let machines = Machines::start().await;
    machines.log_in().await;
    let mut bridge = machines.control().await;
    let mut session = machines.owner.new_session().await;
    let id = session.id.clone();
    let status = async || machines.owner.get(&format!("/v1/sessions/{id}")).await["status"].clone();
    session.prompt("@say hello").await;
    session.event(|event| event["type"] == "result").await;
    assert_eq!(bridge.interrupt().await, Some(0), "{}", bridge.log());
    assert_eq!(status().await, "idle");
    let mut bridge = machines.control_as("builtin", &["--json", "--archive"], &[]).await;
    session.prompt("@say again").await;
    session.event(|event| event["type"] == "result").await;
    let journal = machines.laptop().join(format!("data/remote/journals/{}.ndjson", session.id));
    assert!(journal.exists());
    assert_eq!(bridge.interrupt().await, Some(0), "{}", bridge.log());
    assert_eq!(status().await, "archived");
}

/// An agent of the Agent Client Protocol that answers one prompt, and can do in its sessions what it is told here.
fn brief(capabilities: &str) -> String {
    let answer = r#"{"jsonrpc":"2.0","id":%s,"result":%s}\n"#;
    let results = [
        &format!(r#"{{"protocolVersion":1,"agentCapabilities":{capabilities}}}"#),
        r#"{"sessionId":"s1"}"#,
        r#"{"stopReason":"end_turn"}"#,
    ];
    let say = |result: &str| format!("read -r line; printf '{answer}' \"$(id \"$line\")\" '{result}'\n");
    let id = r#"id() { printf '%s' "$1" | sed 's/.*"id":\("[^"]*"\|[0-9]*\).*/\1/'; }"#;
    format!("#!/bin/sh\n{id}\n{}while read -r line; do :; done\n", results.map(say).concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_resumed_is_archived_at_the_end_and_the_rest_is_kept() {
    for (capabilities, status) in [("{}", "archived"), (r#"{"loadSession":true}"#, "idle")] {
        let machines = Machines::start().await;
        machines.log_in().await;
        let path = path_with(&machines, "gemini", &brief(capabilities));
        let mut bridge = machines.control_as("gemini", &["--json"], &[path]).await;
        let mut session = machines.owner.new_session().await;
        session.prompt("hello").await;
        session.event(|event| event["type"] == "result").await;
        // It had no turn, and loses nothing.
        let fresh = machines.owner.new_session().await;
        bridge.tell_to_end();
        assert_eq!(bridge.exit().await, Some(0), "{}", bridge.log());
        let row = machines.owner.get(&format!("/v1/sessions/{}", session.id)).await;
        assert_eq!(row["status"], status, "{}", bridge.log());
        let is_said = session.log().await.iter().any(|event| event.to_string().contains("is archived"));
        assert_eq!(is_said, status == "archived", "{}", bridge.log());
        let row = machines.owner.get(&format!("/v1/sessions/{}", fresh.id)).await;
        assert_eq!(row["status"], "idle");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_hears_of_a_lost_link_and_a_bridge_may_give_up() {
    let mut machines = Machines::start().await;
    machines.log_in().await;
    let mut bridge = machines.control_as("builtin", &["--json", "--give-up-after=1"], &[]).await;
    assert_eq!(bridge.fact("registered").await["url"], machines.url);
    machines.ingress.kill();
    bridge.fact("link_lost").await;
    assert_eq!(bridge.exit().await, Some(1), "{}", bridge.log());
    assert!(bridge.log().contains("could not be reached"), "{}", bridge.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sits_at_the_machine_gets_in_again_after_the_owners_key_is_lost() {
    let machines = Machines::start().await;
    machines.log_in().await;
    let (code, line) = run(&["pair", "--json", "--local-reset"], &machines.server());
    assert_eq!(code, Some(0));
    let ready: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        machines.owner.status(Method::GET, "/v1/auth/whoami").await,
        401,
        "the lost key is worth nothing"
    );
    let owner = pair(&ready).await;
    let devices = owner.get("/v1/auth/devices").await;
    let roles: Vec<&Value> = devices["data"].as_array().unwrap().iter().map(|row| &row["role"]).collect();
    assert_eq!(roles, ["bridge", "owner"], "machines stay");
    assert!(machines.ingress.log().contains("was forgotten"), "{}", machines.ingress.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_a_log_or_on_a_command_line_and_what_keeps_one_is_closed_b8() {
    let machines = Machines::start().await;
    machines.log_in().await;
    let mut bridge = machines.control_as("builtin", &["--json"], &[("PORTCULLIS_LOG", "trace".into())]).await;
    let mut session = machines.owner.new_session().await;
    session.prompt("@say hello").await;
    session.event(|event| event["type"] == "result").await;
    let key = std::fs::read_to_string(machines.laptop().join("data/remote.key")).unwrap();
    let said = format!("{}{}{}", bridge.log(), machines.ingress.log(), processes_words(&machines.laptop()));
    assert!(!said.contains(key.trim()) && !said.contains(machines.owner.token()), "{said}");
    assert!(!said.contains("eyJ"), "no signed token");
    assert!(!said.contains("Bearer "));
    for name in ["remote.key", "login.json"] {
        let path = machines.laptop().join("data").join(name);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o077, 0, "{name}");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    }
    assert_eq!(bridge.interrupt().await, Some(0), "{}", bridge.log());
    assert_eq!(run(&["remote-control"], &machines.laptop()).0, Some(3), "a key that others could read");
}

/// The command lines of all processes that work below `folder`.
fn processes_words(folder: &Path) -> String {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter(|entry| std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder)))
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("cmdline")).ok())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sessions_left_goes_some_time_after_they_are_over_and_not_before() {
    let machines = Machines::start().await;
    machines.log_in().await;
    let mut bridge = machines.control().await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        let mut session = machines.owner.new_session().await;
        session.prompt("@say hello").await;
        session.event(|event| event["type"] == "result").await;
        sessions.push(session.id);
    }
    assert_eq!(bridge.interrupt().await, Some(0), "{}", bridge.log());
    let [old, fresh, alive] =
        [0, 1, 2].map(|at| machines.laptop().join(format!("data/remote/journals/{}", sessions[at])));
    for at in [0, 1] {
        machines.owner.post(&format!("/v1/sessions/{}/archive", sessions[at]), &json!({})).await;
    }
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(8 * 24 * 3600);
    for journal in [&old, &alive] {
        for extension in ["ndjson", "spool"] {
            let file = std::fs::File::options().append(true).open(journal.with_extension(extension)).unwrap();
            file.set_modified(long_ago).unwrap();
        }
    }
    let mut bridge = machines.control().await;
    wait_until("the old one goes", || !old.with_extension("ndjson").exists()).await;
    assert!(!old.with_extension("spool").exists());
    assert!(fresh.with_extension("ndjson").exists() && alive.with_extension("ndjson").exists());
    assert_eq!(bridge.interrupt().await, Some(0), "{}", bridge.log());
}
