//! More than one machine: an ingress alone, a bridge alone that logged in to it, and what happens when one of them
//! goes away for a while.

use serde_json::Value;

use crate::support::{
    Decision, Machines, Process, data_dir_of, pair, processes_in, ready, run, serve, wait_until,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_logged_in_serves_sessions_and_leaves_in_order() {
    let mut machines = Machines::start().await;
    machines.log_in().await;
    let mut bridge = machines.control().await;
    let mut session = machines.owner.new_session().await;
    session.prompt("@say from the laptop").await;
    session
        .event(|event| event["type"] == "assistant" && event.to_string().contains("from the laptop"))
        .await;
    assert_eq!(bridge.interrupt().await, Some(0), "{}", bridge.log());
    assert_eq!(processes_in(&machines.project()), Vec::<String>::new());
    machines.online(false).await;
    assert_eq!(machines.ingress.interrupt().await, Some(0), "{}", machines.ingress.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_logs_in_again_signs_in_with_the_key_the_ingress_knows() {
    let machines = Machines::start().await;
    machines.log_in().await;
    let (_, line) = run(&["pair", "--json"], &machines.server());
    let code = serde_json::from_str::<Value>(&line).unwrap()["pair_code"].as_str().unwrap().to_owned();
    let again = || run(&["login", &machines.url, &code], &machines.laptop());
    assert_eq!(again().0, Some(0));
    std::fs::remove_file(machines.laptop().join("data/login.json")).unwrap();
    assert_eq!(again().0, Some(3), "a key whose name is forgotten");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingress_that_was_killed_and_started_again_has_lost_nothing() {
    let mut machines = Machines::start().await;
    machines.log_in().await;
    let mut bridge = machines.control().await;
    let mut session = machines.owner.new_session().await;
    session.prompt("@bash touch made.txt\n@say went on").await;
    session.permission("pending").await;
    machines.ingress.kill();
    let address = machines.url.strip_prefix("http://").unwrap().to_owned();
    machines.ingress = serve(&machines.server(), &address);
    ready(&mut machines.ingress).await;
    let mut session = machines.owner.open(&session.id).await;
    let request = session.permission("pending").await;
    session.decide(&request, &Decision::Allow).await;
    assert_eq!(session.permission("settled").await["request_id"], request["request_id"]);
    session.event(|event| event["type"] == "assistant" && event.to_string().contains("went on")).await;
    assert!(machines.project().join("made.txt").exists());
    assert_eq!(bridge.interrupt().await, Some(0), "{}", bridge.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_that_was_killed_comes_back_by_itself_and_says_what_is_lost() {
    let machines = Machines::start().await;
    machines.log_in().await;
    let mut bridge = machines.control().await;
    let mut session = machines.owner.new_session().await;
    session.prompt("@bash touch made.txt").await;
    let request = session.permission("pending").await;
    session.prompt("@say never read").await;
    let queued =
        session.event(|event| event["type"] == "user" && event.to_string().contains("never read")).await;
    session.event(|event| event["state"] == "queued" && event["command_uuid"] == queued["uuid"]).await;
    bridge.kill();
    wait_until("its agent is gone", || processes_in(&machines.project()).is_empty()).await;
    let mut bridge = machines.control().await;
    session.event(|event| event["subtype"] == "agent_ended").await;
    let lost = session.event(|event| event["subtype"] == "delivery_unknown").await;
    assert_eq!(lost["message_uuid"], queued["uuid"]);
    assert_eq!(session.permission("orphaned").await["request_id"], request["request_id"]);
    session.prompt("@say back").await;
    session.event(|event| event["type"] == "assistant" && event.to_string().contains("back")).await;
    assert!(!machines.project().join("made.txt").exists());
    assert_eq!(bridge.interrupt().await, Some(0), "{}", bridge.log());
}

/// Numbers of the facts in these texts, in order.
fn facts<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<u32> {
    texts.filter_map(|text| text.strip_prefix("fact-")?.parse().ok()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_bridge_had_read_is_in_the_log_once_and_so_is_the_end_of_its_agent() {
    let machines = Machines::start().await;
    machines.log_in().await;
    let mut bridge = machines.control().await;
    let mut session = machines.owner.new_session().await;
    let fact = |n: u32| format!(r#"@raw {{"type":"system","subtype":"informational","uuid":"fact-{n}"}}"#);
    let pause = |n: u32| if n % 100 == 99 { "\n@sleep 5" } else { "" };
    let flood: Vec<String> = (0..20_000).map(|n| format!("{}{}", fact(n), pause(n))).collect();
    session.prompt(&flood.join("\n")).await;
    session.event(|event| event["uuid"] == "fact-0").await;
    // What is read from now on cannot be taken.
    machines.ingress.freeze();
    let spool = machines.laptop().join(format!("data/remote/journals/{}.spool", session.id));
    let spooled = || -> Vec<u32> {
        let text = std::fs::read_to_string(&spool).unwrap_or_default();
        // The last line may be half a line.
        let lines = text.split_inclusive('\n').filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let uuids: Vec<Value> = lines.map(|line| line["said"]["event"]["uuid"].clone()).collect();
        facts(uuids.iter().filter_map(Value::as_str))
    };
    wait_until("much is read and not taken", || spooled().len() > 500).await;
    bridge.kill();
    let read = *spooled().last().unwrap();
    machines.ingress.go_on();
    wait_until("its agent is gone", || processes_in(&machines.project()).is_empty()).await;
    let mut bridge = machines.control().await;
    session.event(|event| event["subtype"] == "agent_ended").await;
    session.prompt("@say back").await;
    session.event(|event| event["type"] == "assistant" && event.to_string().contains("back")).await;
    let log = session.log().await;
    let logged = facts(log.iter().filter_map(|event| event["uuid"].as_str()));
    assert_eq!(
        logged,
        (0..=read).collect::<Vec<u32>>(),
        "in order, none twice, up to the last that was read"
    );
    assert_eq!(log.iter().filter(|event| event["subtype"] == "agent_ended").count(), 1);
    assert!(std::fs::metadata(&spool).unwrap().len() < 1_000_000, "the spool ran empty");
    assert_eq!(bridge.interrupt().await, Some(0), "{}", bridge.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_waits_for_an_ingress_that_is_not_there_and_says_so() {
    let mut machines = Machines::start().await;
    machines.log_in().await;
    assert_eq!(machines.ingress.interrupt().await, Some(0));
    let words = [
        "remote-control".to_owned(),
        machines.project().display().to_string(),
        data_dir_of(&machines.laptop()),
    ];
    let mut bridge = Process::start(&words, &machines.laptop(), "bridge");
    wait_until("it says so", || bridge.log().contains("the ingress is not there")).await;
    let address = machines.url.strip_prefix("http://").unwrap().to_owned();
    machines.ingress = serve(&machines.server(), &address);
    ready(&mut machines.ingress).await;
    machines.online(true).await;
    assert_eq!(bridge.interrupt().await, Some(0), "{}", bridge.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_machine_lets_work_wait_while_all_are_busy_and_then_the_idle_agent_makes_room() {
    let machines = Machines::start().await;
    machines.log_in().await;
    let mut bridge = machines.control_with("--capacity=1").await;
    let mut quiet = machines.owner.new_session().await;
    let mut busy = machines.owner.new_session().await;
    busy.prompt("@bash true").await;
    let request = busy.permission("pending").await;
    quiet.prompt("@say my turn").await;
    quiet.event(|event| event.to_string().contains("all of them are busy")).await;
    assert!(bridge.log().contains("the session waits"), "{}", bridge.log());
    busy.decide(&request, &Decision::Allow).await;
    busy.event(|event| event["type"] == "result").await;
    busy.event(|event| event.to_string().contains("another session needs the place")).await;
    busy.event(|event| event["subtype"] == "agent_ended").await;
    quiet.event(|event| event["type"] == "assistant" && event.to_string().contains("my turn")).await;
    assert_eq!(bridge.interrupt().await, Some(0), "{}", bridge.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_served_by_one_bridge_at_a_time() {
    let machines = Machines::start().await;
    machines.log_in().await;
    let mut bridge = machines.control().await;
    let words = [
        "remote-control".to_owned(),
        machines.project().display().to_string(),
        data_dir_of(&machines.laptop()),
    ];
    let mut second = Process::start(&words, &machines.laptop(), "second");
    assert_eq!(second.exit().await, Some(1), "{}", second.log());
    assert_eq!(bridge.interrupt().await, Some(0), "{}", bridge.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn up_serves_the_directory_it_was_started_in() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["up", "--json", "--no-open", "--listen=127.0.0.1:0", &data_dir_of(folder.path())];
    let mut process = Process::start(&words, folder.path(), "up");
    let owner = pair(&ready(&mut process).await).await;
    let environments = owner.get("/v1/environments").await;
    let here = folder.path().canonicalize().unwrap();
    assert_eq!(environments["data"][0]["directory"], here.display().to_string());
    assert_eq!(environments["data"][0]["online"], true);
    assert_eq!(process.interrupt().await, Some(0), "{}", process.log());
}
