//! What every store has to do, whatever is under it: written against the traits alone. A further implementation adds
//! its name to one line and nothing else.

use std::sync::Arc;

use portcullis_protocol::RawJson;
use portcullis_protocol::id::{DeviceId, EnvironmentId, Incarnation, LeaseId, SessionId, WorkId};
use portcullis_protocol::role::Role;
use portcullis_protocol::wire::client::PermissionState;
use portcullis_protocol::wire::rest::PublicKey;
use portcullis_protocol::wire::worker::{Lane, RegisterEnvironment, SessionSpec, WorkStatus, WorkerState};

#[cfg(feature = "memory")]
use super::memory::MemoryStore;
use super::sqlite::SqliteStore;
use super::{
    AppendOutcome, Appended, Archived, Beat, Decided, DecisionFilter, DeviceChange, DeviceEdit, DeviceRow,
    Prompt, Redeemed, Registration, RequestRow, Ruling, SessionFilter, SessionRow, Store, Unarchived,
    WorkState, WorkerOutcome, WorkerWrite, Wrote,
};
use crate::seam::{SystemEntropy, mint, sha256};

macro_rules! contract {
    ($name:ident, $open:expr, [$($case:ident),* $(,)?]) => {
        mod $name {
            use super::*;
            $(#[tokio::test]
            async fn $case() {
                let (store, _keep) = $open.await;
                super::$case(store).await;
            })*
        }
    };
}

macro_rules! contracts {
    ($($name:ident: $open:expr),* $(,)?) => {$(contract!($name, $open, [
            a_code_admits_one_device_and_only_in_time,
            a_device_is_recognised_by_its_key_and_the_last_owner_stays,
            a_token_leads_to_its_device_until_that_is_gone,
            positions_are_dense_however_many_write_at_once,
            prompts_are_taken_all_or_none,
            rows_come_in_order_and_within_their_bounds,
            one_of_many_decisions_wins,
            a_decisions_uuid_is_used_once,
            decisions_are_kept_newest_first_with_what_they_granted,
            a_worker_is_heard_in_order_and_once,
            a_requests_state_moves_only_forward,
            a_newer_process_ends_the_requests_of_the_older_and_never_the_reverse,
            a_newer_process_is_not_at_what_the_older_was_at,
            the_end_of_a_process_is_the_last_thing_its_control_lane_says,
            an_item_is_held_by_one_lease,
            a_session_has_one_live_item,
            archiving_ends_everything_open,
            a_session_out_of_the_archive_takes_prompts_and_delivers_none_of_before,
            what_is_said_while_a_bridge_still_stops_waits_for_the_next_one,
        ]);)*};
}

contracts!(sqlite: open_sqlite());
#[cfg(feature = "memory")]
contracts!(memory: open_memory());

type Opened = Arc<dyn Store>;

async fn open_sqlite() -> (Opened, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("db"), &SystemEntropy).await.unwrap();
    (Arc::new(store), dir)
}

#[cfg(feature = "memory")]
async fn open_memory() -> (Opened, ()) {
    (Arc::new(MemoryStore::new(&SystemEntropy)), ())
}

fn device(name: &str, key: Option<&str>) -> DeviceRow {
    DeviceRow {
        id: DeviceId::parse(name).unwrap(),
        name: name.into(),
        role: Role::Viewer,
        key: key.map(|key| PublicKey { alg: "EdDSA".into(), key: key.into() }),
        plain_approve: false,
        confirm_code: Some("123456".into()),
        created_at_ms: 5,
        last_seen_at_ms: 5,
    }
}

fn session_id(name: &str) -> SessionId {
    SessionId::parse(name).unwrap()
}

fn work_id() -> WorkId {
    WorkId::parse(mint(&SystemEntropy, "w")).unwrap()
}

fn lease_id(name: &str) -> LeaseId {
    LeaseId::parse(name).unwrap()
}

fn environment_id() -> EnvironmentId {
    EnvironmentId::parse("env").unwrap()
}

fn incarnation(name: &str) -> Incarnation {
    Incarnation::parse(name).unwrap()
}

fn raw(text: &str) -> RawJson {
    RawJson::parse(text).unwrap()
}

fn prompt(uuid: &str, text: &str) -> Prompt {
    Prompt { uuid: uuid.into(), hash: sha256(text), event: RawJson::from_value(text) }
}

async fn session(store: &Opened, name: &str) -> SessionId {
    let row = SessionRow {
        id: session_id(name),
        title: String::new(),
        environment_id: environment_id(),
        spec: SessionSpec {
            title: String::new(),
            directory: None,
            agent: None,
            model: None,
            permission_mode: None,
        },
        created_at_ms: 1,
        updated_at_ms: 1,
        head_seq: 0,
        delivered_seq: 0,
        archived: false,
        worker_state: None,
        incarnation: None,
        pending_count: 0,
    };
    store.create_session(row, None, work_id()).await.unwrap().id
}

async fn append(store: &Opened, id: &SessionId, prompts: Vec<Prompt>) -> AppendOutcome {
    store.append_prompts(id.clone(), prompts, work_id(), 2).await.unwrap()
}

async fn write(
    store: &Opened,
    id: &SessionId,
    who: &str,
    lane: Lane,
    n: u64,
    items: Vec<WorkerWrite>,
) -> WorkerOutcome {
    store.write_worker(id.clone(), incarnation(who), lane, n, items, 3).await.unwrap()
}

fn request(name: &str, digest: &str) -> WorkerWrite {
    WorkerWrite::Request {
        request_id: name.into(),
        digest: digest.into(),
        event: raw(r#"{"type":"control_request"}"#),
    }
}

fn ruling(uuid: &str, name: &str, behavior: &'static str) -> Ruling {
    Ruling {
        uuid: uuid.into(),
        request_id: name.into(),
        device_id: DeviceId::parse("dev").unwrap(),
        decided_by: "somebody".into(),
        behavior,
        event: RawJson::from_value(&format!("{uuid}-{behavior}")),
    }
}

async fn states(store: &Opened, id: &SessionId) -> Vec<(String, PermissionState)> {
    let rows = store.open_requests(id).await.unwrap();
    rows.into_iter().map(|row| (row.request_id, row.state)).collect()
}

async fn a_code_admits_one_device_and_only_in_time(store: Opened) {
    for code in ["zero", "again", "one", "two", "three"] {
        store.add_pairing_code(code.into(), 100, 0).await.unwrap();
    }
    let redeem = async |code: &str, row: DeviceRow, now| store.redeem(code.into(), row, now).await.unwrap();
    assert_eq!(redeem("none", device("a", None), 5).await, Redeemed::Unknown);
    let machine = || DeviceRow { role: Role::Bridge, ..device("m", Some("machine")) };
    assert_eq!(redeem("zero", machine(), 5).await, Redeemed::Waiting(machine()), "it owns nothing");
    assert_eq!(redeem("again", machine(), 5).await, Redeemed::Waiting(machine()));
    let Redeemed::Granted(owner) = redeem("one", device("a", None), 5).await else {
        panic!("the first is in")
    };
    assert_eq!((owner.role, owner.confirm_code), (Role::Owner, None));
    assert_eq!(redeem("one", device("b", Some("k")), 5).await, Redeemed::Used);
    assert_eq!(redeem("two", device("b", None), 5).await, Redeemed::KeyMissing);
    assert!(matches!(redeem("two", device("b", Some("k")), 5).await, Redeemed::Waiting(_)));
    assert_eq!(redeem("three", device("c", Some("l")), 100).await, Redeemed::Expired);
    let known = store.provision(DeviceRow { confirm_code: None, ..device("d", Some("m")) }).await.unwrap();
    assert_eq!(redeem("three", device("e", Some("m")), 5).await, Redeemed::Known(known.id));
    assert!(matches!(redeem("three", device("c", Some("l")), 5).await, Redeemed::Waiting(_)));
}

async fn a_device_is_recognised_by_its_key_and_the_last_owner_stays(store: Opened) {
    let mut owner = device("a", Some("k"));
    owner.role = Role::Owner;
    owner.confirm_code = None;
    assert_eq!(store.provision(owner.clone()).await.unwrap(), owner);
    assert_eq!(store.provision(device("b", Some("k"))).await.unwrap(), owner);
    let demote = DeviceEdit { role: Some(Role::Viewer), ..DeviceEdit::default() };
    assert_eq!(store.edit_device(owner.id.clone(), demote).await.unwrap(), DeviceChange::LastOwner);
    assert_eq!(store.delete_device(owner.id.clone()).await.unwrap(), DeviceChange::LastOwner);
    store.provision(device("waits", Some("m"))).await.unwrap();
    let confirm = DeviceEdit {
        confirm: true,
        role: Some(Role::Owner),
        name: Some("n".into()),
        plain_approve: Some(true),
    };
    let waits = DeviceId::parse("waits").unwrap();
    assert_eq!(store.edit_device(waits.clone(), confirm).await.unwrap(), DeviceChange::Done);
    let row = store.device(&waits).await.unwrap().unwrap();
    assert_eq!(
        (row.name.as_str(), row.role, row.plain_approve, row.confirm_code),
        ("n", Role::Owner, true, None)
    );
    assert_eq!(store.delete_device(owner.id.clone()).await.unwrap(), DeviceChange::Done);
    assert_eq!(store.delete_device(owner.id).await.unwrap(), DeviceChange::Missing);
    store.forget_people().await.unwrap();
    assert_eq!(store.devices().await.unwrap(), []);
}

async fn a_token_leads_to_its_device_until_that_is_gone(store: Opened) {
    let row = store.provision(device("a", Some("k"))).await.unwrap();
    store.add_token("h".into(), row.id.clone(), 50, 7).await.unwrap();
    let (found, expires) = store.token("h").await.unwrap().unwrap();
    assert_eq!((found.id, found.last_seen_at_ms, expires), (row.id.clone(), 7, 50));
    store.drop_tokens(row.id.clone()).await.unwrap();
    assert!(store.token("h").await.unwrap().is_none());
    store.add_token("h2".into(), row.id.clone(), 50, 7).await.unwrap();
    store.delete_device(row.id).await.unwrap();
    assert!(store.token("h2").await.unwrap().is_none());
}

async fn positions_are_dense_however_many_write_at_once(store: Opened) {
    let id = session(&store, "s").await;
    let writers = (0..50).map(|n| {
        let (store, id) = (Arc::clone(&store), id.clone());
        tokio::spawn(async move { append(&store, &id, vec![prompt(&format!("u{n}"), "x")]).await })
    });
    let mut seqs = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        let AppendOutcome::Taken { appended, .. } = writer.await.unwrap() else { panic!("it was not taken") };
        let Appended::New { seq } = appended[0] else { panic!("it was not new") };
        seqs.push(seq);
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=50).collect::<Vec<_>>());
    assert_eq!(store.session(&id).await.unwrap().unwrap().head_seq, 50);
}

async fn prompts_are_taken_all_or_none(store: Opened) {
    let id = session(&store, "s").await;
    let taken = append(&store, &id, vec![prompt("a", "1"), prompt("b", "2"), prompt("a", "1")]).await;
    let appended =
        vec![Appended::New { seq: 1 }, Appended::New { seq: 2 }, Appended::Duplicate { seq: Some(1) }];
    assert_eq!(taken, AppendOutcome::Taken { appended, head_seq: 2 });
    let refused = append(&store, &id, vec![prompt("c", "3"), prompt("b", "other")]).await;
    assert_eq!(refused, AppendOutcome::OtherBytes { index: 1 });
    assert_eq!(store.session(&id).await.unwrap().unwrap().head_seq, 2);
    let unknown = append(&store, &session_id("none"), vec![prompt("a", "1")]).await;
    assert_eq!(unknown, AppendOutcome::Missing);
}

async fn rows_come_in_order_and_within_their_bounds(store: Opened) {
    let id = session(&store, "s").await;
    for n in 1..=9 {
        append(&store, &id, vec![prompt(&format!("u{n}"), &"x".repeat(98))]).await;
    }
    let seqs = |rows: Vec<portcullis_protocol::wire::client::SeqEvent>| -> Vec<u64> {
        rows.into_iter().map(|row| row.seq).collect()
    };
    assert_eq!(seqs(store.events_after(&id, 3, 3, 10_000).await.unwrap()), [4, 5, 6]);
    assert_eq!(seqs(store.events_after(&id, 3, 9, 250).await.unwrap()), [4, 5]);
    assert_eq!(seqs(store.events_after(&id, 3, 9, 1).await.unwrap()), [4], "one always comes");
    assert_eq!(seqs(store.events_before(&id, 5, 2, 10_000).await.unwrap()), [3, 4]);
    assert_eq!(seqs(store.events_before(&id, u64::MAX, 2, 1).await.unwrap()), [9]);
    assert_eq!(seqs(store.prompts_after(&id, 7, 9).await.unwrap()), [8, 9]);
    store.acknowledge(id.clone(), 4).await.unwrap();
    store.acknowledge(id.clone(), 2).await.unwrap();
    store.acknowledge(session_id("none"), 2).await.unwrap();
    assert_eq!(store.session(&id).await.unwrap().unwrap().delivered_seq, 4, "acknowledgements never go back");
}

async fn one_of_many_decisions_wins(store: Opened) {
    let id = session(&store, "s").await;
    store.attach(id.clone(), incarnation("i1")).await.unwrap().unwrap();
    write(&store, &id, "i1", Lane::Control, 0, vec![request("R", "d")]).await;
    let deciders = (0..10).map(|n| {
        let (store, id) = (Arc::clone(&store), id.clone());
        let behavior = if n % 2 == 0 { "allow" } else { "deny" };
        tokio::spawn(async move {
            store.decide(id, incarnation("i1"), ruling(&format!("u{n}"), "R", behavior), 4).await.unwrap()
        })
    });
    let (mut won, mut lost) = (Vec::new(), Vec::new());
    for decider in deciders.collect::<Vec<_>>() {
        match decider.await.unwrap() {
            Decided::Won(row) => won.push(row),
            Decided::Lost(row) => lost.push(row),
            Decided::OtherBytes | Decided::Missing => panic!("another outcome"),
        }
    }
    assert_eq!((won.len(), lost.len()), (1, 9));
    assert!(lost.iter().all(|row| row.decision == won[0].decision), "the losers see the winner's");
}

async fn a_decisions_uuid_is_used_once(store: Opened) {
    let id = session(&store, "s").await;
    append(&store, &id, vec![prompt("u", "a prompt")]).await;
    store.attach(id.clone(), incarnation("i1")).await.unwrap().unwrap();
    write(&store, &id, "i1", Lane::Control, 0, vec![request("R", "d")]).await;
    let decide = async |who: &str, uuid: &str, name: &str| {
        store.decide(id.clone(), incarnation(who), ruling(uuid, name, "deny"), 4).await.unwrap()
    };
    assert_eq!(decide("i1", "u", "R").await, Decided::OtherBytes);
    assert_eq!(states(&store, &id).await, [("R".into(), PermissionState::Pending)]);
    assert_eq!(decide("i1", "v", "unknown").await, Decided::Missing);
    assert_eq!(decide("i0", "v", "R").await, Decided::Missing);
    assert!(matches!(decide("i1", "v", "R").await, Decided::Won(_)));
}

async fn decisions_are_kept_newest_first_with_what_they_granted(store: Opened) {
    let (one, other) = (session(&store, "s1").await, session(&store, "s2").await);
    for id in [&one, &other] {
        store.attach(id.clone(), incarnation("i1")).await.unwrap().unwrap();
    }
    write(&store, &one, "i1", Lane::Control, 0, vec![request("A", "d"), request("B", "d")]).await;
    write(&store, &other, "i1", Lane::Control, 0, vec![request("C", "d")]).await;
    write(&store, &one, "i1", Lane::Control, 2, vec![request("waits", "d")]).await;
    let granting = raw(
        r#"{"type":"control_response","uuid":"u2","digest":"d","response":{"subtype":"success","request_id":"B","response":{"behavior":"allow","updatedInput":{},"updatedPermissions":[{"type":"addRules"}]}}}"#,
    );
    for (id, name, at) in [(&one, "A", 11), (&one, "B", 12), (&other, "C", 13)] {
        let event = if name == "B" { granting.clone() } else { raw(&format!("\"{name}\"")) };
        let ruling = Ruling { event, ..ruling(name, name, "allow") };
        assert!(matches!(store.decide(id.clone(), incarnation("i1"), ruling, at).await, Ok(Decided::Won(_))));
    }
    let listed = async |filter: DecisionFilter, bytes_max| {
        let (rows, more) = store.decisions(filter, bytes_max).await.unwrap();
        let names = rows.iter().map(|row| (row.row.request_id.clone(), row.row.decided_at_ms, row.lives));
        (names.collect::<Vec<_>>(), more, rows.last().map(|row| row.row.ordinal))
    };
    let row = |name: &str, at| (name.to_owned(), Some(at), true);
    let all = DecisionFilter { limit: 9, ..DecisionFilter::default() };
    let (rows, more, _) = listed(all.clone(), usize::MAX).await;
    assert_eq!((rows, more), (vec![row("C", 13), row("B", 12), row("A", 11)], false));
    let (rows, more, last) = listed(DecisionFilter { limit: 2, ..all.clone() }, usize::MAX).await;
    assert_eq!((rows, more), (vec![row("C", 13), row("B", 12)], true));
    assert_eq!(listed(DecisionFilter { before: last, ..all.clone() }, 1).await.0, [row("A", 11)]);
    assert_eq!(listed(all.clone(), 1).await.0, [row("C", 13)], "a page has at least one");
    assert_eq!(listed(DecisionFilter { granted: true, ..all.clone() }, 99).await.0, [row("B", 12)]);

    // What was granted to a process goes with it.
    write(&store, &one, "i1", Lane::Control, 3, vec![WorkerWrite::Ended { reason: "x".into() }]).await;
    store.archive(other.clone(), 20).await.unwrap();
    let mine = DecisionFilter { session: Some(one), ..all.clone() };
    let (rows, ..) = listed(mine, usize::MAX).await;
    assert_eq!(rows, [("B".to_owned(), Some(12), false), ("A".to_owned(), Some(11), false)]);
    assert!(listed(all, usize::MAX).await.0.iter().all(|(_, _, lives)| !lives));
}

async fn a_worker_is_heard_in_order_and_once(store: Opened) {
    let id = session(&store, "s").await;
    let event = || WorkerWrite::Event(raw(r#"{"type":"system"}"#));
    assert_eq!(write(&store, &id, "i1", Lane::Content, 0, vec![event()]).await, WorkerOutcome::Gone);
    store.attach(id.clone(), incarnation("i1")).await.unwrap().unwrap();
    assert_eq!(
        write(&store, &id, "i1", Lane::Content, 1, vec![event()]).await,
        WorkerOutcome::Hole { expected_n: 0 }
    );
    let wrote = vec![Wrote::Event { seq: 1 }, Wrote::Event { seq: 2 }];
    let first = write(&store, &id, "i1", Lane::Content, 0, vec![event(), event()]).await;
    assert_eq!(first, WorkerOutcome::Taken { wrote, next_n: 2, head_seq: 2 });
    let overlap = write(&store, &id, "i1", Lane::Content, 1, vec![event(), event()]).await;
    let wrote = vec![Wrote::Duplicate, Wrote::Event { seq: 3 }];
    assert_eq!(overlap, WorkerOutcome::Taken { wrote, next_n: 3, head_seq: 3 });
    let control = write(&store, &id, "i1", Lane::Control, 0, vec![WorkerWrite::Passing]).await;
    assert!(matches!(control, WorkerOutcome::Taken { next_n: 1, .. }), "each lane counts for itself");
    let again = store.attach(id.clone(), incarnation("i1")).await.unwrap().unwrap();
    assert_eq!((again.content_next_n, again.control_next_n, again.head_seq), (3, 1, 3));
    assert_eq!(
        store.prompts_after(&id, 0, 9).await.unwrap(),
        [],
        "what the worker said is not sent back to it"
    );
}

async fn a_requests_state_moves_only_forward(store: Opened) {
    let id = session(&store, "s").await;
    store.attach(id.clone(), incarnation("i1")).await.unwrap().unwrap();
    let mut n = 0;
    let mut say = async |item: WorkerWrite| {
        n += 1;
        let WorkerOutcome::Taken { mut wrote, .. } =
            write(&store, &id, "i1", Lane::Control, n - 1, vec![item]).await
        else {
            panic!("it was not taken")
        };
        match wrote.remove(0) {
            Wrote::Requests { rows, .. } => rows.first().map(|row: &RequestRow| row.state),
            Wrote::Duplicate
            | Wrote::Silent
            | Wrote::Event { .. }
            | Wrote::State(_)
            | Wrote::Ended { .. } => None,
        }
    };
    let step = |state| WorkerWrite::Step { request_id: "R".into(), state, reason: None };
    assert_eq!(say(request("R", "d")).await, Some(PermissionState::Pending));
    assert_eq!(say(request("R", "d")).await, None, "the same again");
    assert_eq!(say(step(PermissionState::Delivered)).await, None, "nobody decided");
    store.decide(id.clone(), incarnation("i1"), ruling("u", "R", "deny"), 4).await.unwrap();
    assert_eq!(say(step(PermissionState::Delivered)).await, Some(PermissionState::Delivered));
    assert_eq!(
        say(WorkerWrite::Cancel { request_id: "R".into() }).await,
        None,
        "what ran cannot be withdrawn"
    );
    assert_eq!(say(step(PermissionState::Settled)).await, Some(PermissionState::Settled));
    assert_eq!(say(step(PermissionState::Refused)).await, None);
    assert_eq!(say(WorkerWrite::Cancel { request_id: "unknown".into() }).await, None);
    assert_eq!(say(request("Q", "d")).await, Some(PermissionState::Pending));
    assert_eq!(say(request("Q", "other")).await, Some(PermissionState::Refused), "one id, two bodies");
    assert_eq!(say(request("P", "d")).await, Some(PermissionState::Pending));
    let settled = WorkerWrite::Step { request_id: "P".into(), state: PermissionState::Settled, reason: None };
    assert_eq!(say(settled).await, Some(PermissionState::Cancelled), "the agent did not wait for anybody");
}

async fn a_newer_process_ends_the_requests_of_the_older_and_never_the_reverse(store: Opened) {
    let id = session(&store, "s").await;
    store.attach(id.clone(), incarnation("i1")).await.unwrap().unwrap();
    write(&store, &id, "i1", Lane::Control, 0, vec![request("R", "d")]).await;
    let newer = store.attach(id.clone(), incarnation("i2")).await.unwrap().unwrap();
    assert_eq!(newer.orphaned.iter().map(|row| row.state).collect::<Vec<_>>(), [PermissionState::Orphaned]);
    assert_eq!(store.attach(id.clone(), incarnation("i1")).await.unwrap(), None);
    assert_eq!(
        write(&store, &id, "i1", Lane::Control, 1, vec![WorkerWrite::Passing]).await,
        WorkerOutcome::Gone
    );
    write(&store, &id, "i2", Lane::Control, 0, vec![request("R", "other")]).await;
    assert_eq!(
        states(&store, &id).await,
        [("R".into(), PermissionState::Pending)],
        "a new process may use the id again"
    );
    let row = store.request(&id, "R").await.unwrap().unwrap();
    assert_eq!(row.incarnation, incarnation("i2"));
}

async fn a_newer_process_is_not_at_what_the_older_was_at(store: Opened) {
    let id = session(&store, "s").await;
    let first = store.attach(id.clone(), incarnation("i1")).await.unwrap().unwrap();
    assert_eq!(first.rested, None, "nobody was at anything");
    let at_work = |status| WorkerState { status, model: Some("m".into()), ..WorkerState::default() };
    for (n, status) in [WorkStatus::Running, WorkStatus::RequiresAction].into_iter().enumerate() {
        let (before, after) = (format!("i{}", n + 1), format!("i{}", n + 2));
        write(&store, &id, &before, Lane::Control, 0, vec![WorkerWrite::State(at_work(status))]).await;
        let same = store.attach(id.clone(), incarnation(&before)).await.unwrap().unwrap();
        assert_eq!(same.rested, None, "the same process over another line goes on");
        let newer = store.attach(id.clone(), incarnation(&after)).await.unwrap().unwrap();
        assert_eq!(newer.rested, Some(at_work(WorkStatus::Idle)));
        let row = store.session(&id).await.unwrap().unwrap();
        assert_eq!(row.worker_state, Some(at_work(WorkStatus::Idle)));
    }
}

async fn the_end_of_a_process_is_the_last_thing_its_control_lane_says(store: Opened) {
    let id = session(&store, "s").await;
    store.attach(id.clone(), incarnation("i1")).await.unwrap().unwrap();
    let state =
        WorkerState { status: WorkStatus::Running, model: Some("m".into()), ..WorkerState::default() };
    let items = vec![WorkerWrite::State(state), request("R", "d"), WorkerWrite::Ended { reason: "x".into() }];
    let WorkerOutcome::Taken { wrote, .. } = write(&store, &id, "i1", Lane::Control, 0, items).await else {
        panic!("it was not taken")
    };
    let Some(Wrote::Ended { rows, state }) = wrote.last() else { panic!("it did not end") };
    assert_eq!((rows.len(), state.status, state.model.as_deref()), (1, WorkStatus::Idle, Some("m")));
    assert_eq!(
        write(&store, &id, "i1", Lane::Control, 3, vec![request("Q", "d")]).await,
        WorkerOutcome::Gone
    );
    let late = write(&store, &id, "i1", Lane::Content, 0, vec![WorkerWrite::Event(raw("{}"))]).await;
    assert!(matches!(late, WorkerOutcome::Taken { .. }), "what it had said before still counts");
}

async fn registered(store: &Opened) -> EnvironmentId {
    let mut bridge = device("bridge", Some("bk"));
    bridge.role = Role::Bridge;
    bridge.confirm_code = None;
    let bridge = store.provision(bridge).await.unwrap();
    let body = RegisterEnvironment {
        machine_name: "m".into(),
        directory: "/d".into(),
        branch: None,
        max_sessions: 1,
        agents: vec![],
        permission_modes: vec![],
        environment_id: None,
    };
    let registration =
        Registration { fresh_id: environment_id(), device_id: bridge.id, secret_hash: "secret".into(), body };
    store.register(registration, 1).await.unwrap().unwrap().id
}

async fn an_item_is_held_by_one_lease(store: Opened) {
    let environment = registered(&store).await;
    session(&store, "s").await;
    let claim =
        async |lease: &str, now| store.claim(environment.clone(), lease_id(lease), now).await.unwrap();
    let (a, b) = tokio::join!(claim("l1", 10), claim("l2", 10));
    let (first, second) = (a.is_some(), b.is_some());
    assert!(first ^ second, "one of two polls gets it");
    let (item, _) = a.or(b).unwrap();
    let held = item.lease_id.clone().unwrap();
    let taken = store.take_work(environment.clone(), item.id.clone(), 11).await.unwrap().unwrap();
    assert_eq!(taken.state, WorkState::Active);
    let beat = async |lease: &LeaseId, expected: &str, fresh: &str, now| {
        store.beat(item.id.clone(), lease.clone(), expected.into(), fresh.into(), now).await.unwrap()
    };
    assert!(matches!(beat(&lease_id("l9"), "NO_HEARTBEAT", "x", 12).await, Beat::Lost(Some(_))));
    assert!(matches!(beat(&held, "NO_HEARTBEAT", "h1", 12).await, Beat::Extended(_)));
    assert!(matches!(beat(&held, "h1", "h2", 13).await, Beat::Extended(_)));
    assert!(matches!(beat(&held, "other", "h3", 13).await, Beat::Lost(_)));
    assert_eq!(claim("l3", 89_000).await, None);
    let (lapsed, _) = claim("l4", 91_000).await.expect("a lapsed lease goes to whoever comes");
    assert_eq!((lapsed.id.clone(), lapsed.lease_id), (item.id.clone(), Some(lease_id("l4"))));
    assert!(matches!(beat(&held, "h2", "h3", 91_001).await, Beat::Lost(_)));
    let (live, bridge) = store.lease(&session_id("s")).await.unwrap().unwrap();
    assert_eq!((live.id, bridge.as_str()), (item.id, "bridge"));
    assert!(store.environment_by_secret(&environment, "other").await.unwrap().is_none());
    store.delete_device(DeviceId::parse("bridge").unwrap()).await.unwrap();
    assert!(store.lease(&session_id("s")).await.unwrap().is_none(), "a revoked bridge holds nothing");
    assert!(store.environment_by_secret(&environment, "secret").await.unwrap().is_none());
}

async fn a_session_has_one_live_item(store: Opened) {
    let environment = registered(&store).await;
    let id = session(&store, "s").await;
    append(&store, &id, vec![prompt("a", "1")]).await;
    append(&store, &id, vec![prompt("b", "2")]).await;
    let claim = async |lease: &str| store.claim(environment.clone(), lease_id(lease), 10).await.unwrap();
    let (item, _) = claim("l1").await.unwrap();
    assert_eq!(claim("l2").await, None);
    let stop = async |work: &WorkId| {
        store.stop_work(environment.clone(), work.clone(), work_id(), 11).await.unwrap().unwrap().state
    };
    assert_eq!(stop(&item.id).await, WorkState::Stopped);
    assert_eq!(claim("l3").await, None, "its holder saw every prompt");
    append(&store, &id, vec![prompt("c", "3")]).await;
    let (item, _) = claim("l4").await.unwrap();
    append(&store, &id, vec![prompt("d", "4")]).await;
    stop(&item.id).await;
    let (item, _) = claim("l5").await.expect("a prompt came while it was stopping");
    assert!(store.requeue(environment.clone(), id.clone(), work_id(), 12).await.unwrap());
    let (again, _) = claim("l6").await.unwrap();
    assert_ne!(again.id, item.id);
    let foreign = EnvironmentId::parse("other").unwrap();
    assert!(!store.requeue(foreign, id, work_id(), 12).await.unwrap());
}

async fn archiving_ends_everything_open(store: Opened) {
    let environment = registered(&store).await;
    let id = session(&store, "s").await;
    store.attach(id.clone(), incarnation("i1")).await.unwrap().unwrap();
    write(&store, &id, "i1", Lane::Control, 0, vec![request("R", "d")]).await;
    assert!(matches!(store.archive(id.clone(), 5).await.unwrap(), Archived::Done(rows) if rows.len() == 1));
    assert_eq!(store.archive(id.clone(), 5).await.unwrap(), Archived::Already);
    assert_eq!(store.archive(session_id("none"), 5).await.unwrap(), Archived::Missing);
    assert_eq!(append(&store, &id, vec![prompt("a", "1")]).await, AppendOutcome::Archived);
    assert_eq!(store.claim(environment, lease_id("l"), 6).await.unwrap(), None);
    let count = async |filter| store.sessions(filter, None, 10).await.unwrap().0.len();
    assert_eq!((count(SessionFilter::Active).await, count(SessionFilter::Archived).await), (0, 1));
    assert_eq!(count(SessionFilter::All).await, 1);
}

async fn a_session_out_of_the_archive_takes_prompts_and_delivers_none_of_before(store: Opened) {
    let environment = registered(&store).await;
    let id = session(&store, "s").await;
    append(&store, &id, vec![prompt("a", "1"), prompt("b", "2"), prompt("c", "3")]).await;
    store.acknowledge(id.clone(), 1).await.unwrap();
    let unarchive =
        async |id: &SessionId| store.unarchive(id.clone(), "phone".into(), "t".into(), 9).await.unwrap();
    assert_eq!(unarchive(&id).await, Unarchived::Active);
    assert_eq!(unarchive(&session_id("none")).await, Unarchived::Missing);
    store.archive(id.clone(), 5).await.unwrap();
    assert_eq!(unarchive(&id).await, Unarchived::Done);
    let row = store.session(&id).await.unwrap().unwrap();
    assert_eq!((row.archived, row.head_seq, row.delivered_seq, row.updated_at_ms), (false, 6, 6, 9));
    let said: Vec<serde_json::Value> = store
        .events_after(&id, 3, 10, usize::MAX)
        .await
        .unwrap()
        .iter()
        .map(|row| row.event.read().unwrap())
        .collect();
    let of = |field: &str| -> Vec<&str> { said.iter().filter_map(|event| event[field].as_str()).collect() };
    assert_eq!(of("subtype"), ["informational", "delivery_unknown", "delivery_unknown"]);
    assert_eq!(of("message_uuid"), ["b", "c"]);
    assert!(of("content")[0].contains("phone"), "{said:?}");
    assert_eq!(store.claim(environment.clone(), lease_id("l1"), 10).await.unwrap(), None, "nothing waits");
    append(&store, &id, vec![prompt("d", "4")]).await;
    let (item, _) =
        store.claim(environment, lease_id("l2"), 11).await.unwrap().expect("a new prompt wants an agent");
    assert_eq!(item.session_id, id);
    let waiting = store.prompts_after(&id, 6, 10).await.unwrap();
    assert_eq!(waiting.iter().map(|row| row.seq).collect::<Vec<_>>(), [7], "and only it is delivered");
    // A second stay in the archive does not say it again.
    store.acknowledge(id.clone(), 7).await.unwrap();
    store.archive(id.clone(), 12).await.unwrap();
    assert_eq!(unarchive(&id).await, Unarchived::Done);
    assert_eq!(store.session(&id).await.unwrap().unwrap().head_seq, 8, "only who did it");
}

async fn what_is_said_while_a_bridge_still_stops_waits_for_the_next_one(store: Opened) {
    let environment = registered(&store).await;
    let id = session(&store, "s").await;
    append(&store, &id, vec![prompt("a", "1")]).await;
    store.claim(environment.clone(), lease_id("l1"), 10).await.unwrap().unwrap();
    store.archive(id.clone(), 11).await.unwrap();
    store.unarchive(id.clone(), "phone".into(), "t".into(), 12).await.unwrap();
    append(&store, &id, vec![prompt("b", "2")]).await;
    assert_eq!(store.claim(environment.clone(), lease_id("l2"), 13).await.unwrap(), None, "it is held still");
    // The bridge died before it said that it stopped, and comes back without the session.
    store.release(environment.clone(), Vec::new()).await.unwrap();
    let (item, _) =
        store.claim(environment, lease_id("l3"), 14).await.unwrap().expect("the prompt was not lost");
    assert_eq!(item.session_id, id);
}
