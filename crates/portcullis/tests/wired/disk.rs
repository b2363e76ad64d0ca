//! A disk that is full: the session stands still, says so, and goes on with everything when there is room.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::{Machines, PROGRAM, Process, data_dir_of};

/// Puts the bridge's data on a disk of 2 MiB that only it sees.
const SMALL_DISK: &str =
    "mount -t tmpfs -o size=2m none \"$1\" && cp -a \"$2\"/. \"$1\" && shift 2 && exec \"$@\"";

/// Not everywhere may a test mount a disk of its own.
fn may_mount() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", "mount -t tmpfs none \"$1\"", "sh"]).arg(folder.path());
    command.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_ends_nothing_and_loses_nothing() {
    if !may_mount() {
        writeln!(std::io::stderr(), "skipped: this machine lets no test mount a disk of its own").unwrap();
        return;
    }
    let machines = Machines::start().await;
    machines.log_in().await;
    let data = machines.laptop().join("data");
    let small = machines.laptop().join("small");
    std::fs::create_dir(&small).unwrap();
    let policy = machines.laptop().join("policy.json");
    std::fs::write(&policy, json!({"directories": [machines.project()], "agents": ["builtin"]}).to_string())
        .unwrap();
    let words = [
        "-rm".to_owned(),
        "sh".into(),
        "-c".into(),
        SMALL_DISK.into(),
        "sh".into(),
        small.display().to_string(),
        data.display().to_string(),
        PROGRAM.into(),
        "remote-control".into(),
        machines.project().display().to_string(),
        "--json".into(),
        format!("--policy={}", policy.display()),
        data_dir_of(&machines.laptop()).replace("/data", "/small"),
    ];
    let mut bridge = Process::start_program("unshare", &words, &machines.laptop(), "bridge");
    machines.online(true).await;
    let mut session = machines.owner.new_session().await;
    session.prompt("@say before").await;
    session.event(|event| event["type"] == "result").await;
    let filler = bridge.root().join(small.strip_prefix("/").unwrap()).join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 512]).is_ok() {}
    session.prompt("@say in between").await;
    let full = bridge.fact("disk_full").await;
    assert_eq!(full["session_id"], session.id);
    assert!(bridge.log().contains("the disk is full") && bridge.is_running());
    session.worker(|state| state["standstill"] == "disk_full").await;
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    bridge.fact("disk_free").await;
    session.worker(|state| state.get("standstill").is_none()).await;
    session.prompt("@say at last").await;
    session.event(|event| event["type"] == "assistant" && event.to_string().contains("at last")).await;
    let log = session.log().await;
    let said = |kind: &str, words: &str| {
        log.iter().filter(|event| event["type"] == kind && event.to_string().contains(words)).count()
    };
    assert_eq!((said("system", "was full for"), said("assistant", "in between")), (1, 1), "{log:?}");
    assert_eq!(bridge.interrupt().await, Some(0), "{}", bridge.log());
}
