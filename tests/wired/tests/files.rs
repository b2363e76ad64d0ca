//! The file an approval was asked on: said beside the request, named by the decision, and looked at again before the
//! agent is answered.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use portcullis_protocol::approval::BaseFile;
use portcullis_protocol::approval::base::MOVED_ON;
use portcullis_protocol::session::Choice;
use portcullis_protocol::wire::client::PermissionState;
use portcullis_wired::patience::{PATIENCE, until};
use portcullis_wired::tab::Tab;
use serde_json::{Value, json};

use crate::rows::{answers, idle, puppet_scene, scene, waiting};

/// What the server's record says a request was made on.
async fn base(tab: &Tab, request: &str) -> Result<Option<BaseFile>> {
    let request = request.to_owned();
    tab.with(move |driver| {
        let entry = driver.session().ledger().get(&request).map(|entry| entry.base_file.clone());
        entry.context("the request is gone")
    })
    .await?
}

/// Waits until `request` was refused, and returns why.
async fn refused(tab: &Tab, request: &str) -> Result<String> {
    let request = request.to_owned();
    tab.until("a request that is refused", move |driver| {
        let entry = driver.session().ledger().get(&request)?;
        (entry.state == PermissionState::Refused).then(|| entry.reason.clone().unwrap_or_default())
    })
    .await
}

fn bytes(base: Option<BaseFile>) -> Option<u64> {
    match base {
        Some(BaseFile::Known { bytes, .. }) => Some(bytes),
        Some(BaseFile::New) | None => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_moved_on_is_not_written_over_and_an_edit_of_shown_text_goes_on() -> Result<()> {
    let (stage, _, tab) = scene().await?;
    let file = stage.project()?.join("a.txt");
    tab.prompt(format!("@write {} one", file.display())).await?;
    let request = tab.asked().await?;
    ensure!(base(&tab, &request).await? == Some(BaseFile::New));
    tab.decide(&request, Choice::Allow).await?;
    idle(&tab).await?;
    ensure!(std::fs::read_to_string(&file)? == "one");

    // Somebody works in the same file while the request waits.
    tab.prompt(format!("@write {} two", file.display())).await?;
    let request = tab.asked().await?;
    ensure!(bytes(base(&tab, &request).await?) == Some(3));
    std::fs::write(&file, "one, and a person's work")?;
    tab.decide(&request, Choice::Allow).await?;
    let why = refused(&tab, &request).await?;
    ensure!(why.starts_with(MOVED_ON), "{why}");
    idle(&tab).await?;
    ensure!(std::fs::read_to_string(&file)? == "one, and a person's work", "nothing is lost");

    // It is asked again on what stands there now.
    tab.prompt(format!("@write {} two three", file.display())).await?;
    let request = tab.asked().await?;
    ensure!(bytes(base(&tab, &request).await?) == Some(24));
    tab.decide(&request, Choice::Allow).await?;
    idle(&tab).await?;
    ensure!(std::fs::read_to_string(&file)? == "two three");

    tab.prompt(format!("@edit {} three => 3", file.display())).await?;
    let request = tab.asked().await?;
    std::fs::write(&file, "one two three four")?;
    tab.decide(&request, Choice::Allow).await?;
    idle(&tab).await?;
    ensure!(std::fs::read_to_string(&file)? == "one two 3 four", "only the text that was shown");
    Ok(())
}

fn write(id: &str, path: &Path, content: &str) -> String {
    let request = json!({
        "subtype": "can_use_tool", "tool_name": "Write", "tool_use_id": format!("toolu_{id}"),
        "input": {"file_path": path, "content": content},
    });
    json!({"type": "control_request", "request_id": id, "request": request}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_requests_for_one_file_the_second_is_refused_once_and_can_be_asked_again() -> Result<()> {
    let (stage, _, tab) = puppet_scene().await?;
    let file = stage.project()?.join("a.txt");
    tab.prompt([write("r0", &file, "0"), write("r1", &file, "1")].join("\n")).await?;
    let both = |all: &Vec<String>| all.len() == 2;
    tab.until("two requests", move |driver| Some(waiting(driver)).filter(both)).await?;
    tab.decide("r0", Choice::Allow).await?;
    tab.state("r0", PermissionState::Delivered).await?;
    std::fs::write(&file, "0")?;
    tab.decide("r1", Choice::Allow).await?;
    ensure!(refused(&tab, "r1").await?.starts_with(MOVED_ON));
    tab.prompt(write("r2", &file, "1")).await?;
    tab.until("the next request", |driver| waiting(driver).contains(&"r2".to_owned()).then_some(())).await?;
    ensure!(bytes(base(&tab, "r2").await?) == Some(1));
    tab.decide("r2", Choice::Allow).await?;
    tab.state("r2", PermissionState::Delivered).await?;
    let answers = answers(&stage)?;
    let expected = [("r0", "allow"), ("r1", "deny"), ("r2", "allow")];
    ensure!(answers == expected.map(|(id, word)| (id.to_owned(), word.to_owned())), "{answers:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_of_what_is_no_file_of_the_project_and_no_request_waits_for_it() -> Result<()> {
    let (stage, _, tab) = puppet_scene().await?;
    let project = stage.project()?;
    let pipe = project.join("pipe");
    ensure!(std::process::Command::new("mkfifo").arg(&pipe).status()?.success());
    std::fs::File::create(project.join("huge"))?.set_len(10 * 1024 * 1024 * 1024)?;
    std::fs::write(stage.home().join("secret"), "s")?;
    std::os::unix::fs::symlink(stage.home(), project.join("out"))?;
    std::os::unix::fs::symlink(stage.home().join("none"), project.join("none"))?;
    let paths = [
        pipe,
        project.join("huge"),
        project.clone(),
        project.join("out/secret"),
        project.join("out/nothing"),
        project.join("none"),
        stage.home().join("secret"),
        stage.home().join("nothing"),
        "/proc/self/mem".into(),
        "/dev/zero".into(),
        project.join("a\0b"),
    ];
    let lines = paths.iter().enumerate().map(|(at, path)| write(&format!("r{at}"), path, "x"));
    let own = format!(r#","base_file":{}}}"#, json!({"is_new": true}));
    let lines = lines.map(|line| line.strip_suffix('}').map_or(line.clone(), |head| format!("{head}{own}")));
    tab.prompt(lines.collect::<Vec<_>>().join("\n")).await?;
    let count = paths.len();
    let all = tab
        .until("all requests", move |driver| Some(waiting(driver)).filter(|all| all.len() == count))
        .await?;
    for request in all {
        ensure!(base(&tab, &request).await?.is_none(), "{request}");
        tab.decide(&request, Choice::Allow).await?;
    }
    until("an answer to each", PATIENCE, async || {
        let answers: Vec<(String, String)> = answers(&stage)?;
        Ok((answers.len() == count && answers.iter().all(|(_, word)| word == "allow")).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_names_another_file_than_the_record_is_turned_away_and_the_request_waits_on()
-> Result<()> {
    let (stage, session, tab) = puppet_scene().await?;
    let file = stage.project()?.join("a.txt");
    tab.prompt(write("r0", &file, "0")).await?;
    let request = tab.asked().await?;
    let digest = tab
        .with(move |driver| driver.session().ledger().get(&request).map(|entry| entry.digest.clone()))
        .await?
        .context("a digest")?;
    let post = async |base: Value, uuid: &str| {
        let input = json!({"file_path": file, "content": "0"});
        let decision = json!({
            "type": "control_response", "uuid": uuid, "digest": digest, "base_file": base,
            "response": {"subtype": "success", "request_id": "r0",
                "response": {"behavior": "allow", "updatedInput": input}},
        });
        stage.owner.post(&session, &[decision]).await
    };
    for other in [json!({"sha256": "0".repeat(64), "bytes": 0}), json!({"is_new": "yes"})] {
        let (status, answer) = post(other, "d0").await?;
        ensure!(status.is_client_error(), "{status} {answer}");
    }
    ensure!(tab.with(waiting).await? == ["r0"], "it waits on");
    let (status, answer) = post(json!({"is_new": true}), "d1").await?;
    ensure!(status.is_success(), "{status} {answer}");
    tab.state("r0", PermissionState::Delivered).await
}
