//! A client that decides whatever is asked, at once, and asks something itself now and then. It never acknowledges
//! content, so the server sends it little of that: what is measured is the way of control, not how fast a tab draws.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_tungstenite::tungstenite::Message;

use crate::device::Device;

/// How often it asks something itself: the bridge and the agent in turns.
const REQUEST_EVERY: Duration = Duration::from_millis(500);
/// Answered by the bridge, from what the agent told it once.
const OF_THE_BRIDGE: &str = "initialize";
/// Answered by the agent.
const OF_THE_AGENT: &str = "get_context_usage";

/// What it did, and when.
#[derive(Debug, Default)]
pub struct Deeds {
    /// When each decision began to be posted, ns since 1970.
    pub decided: BTreeMap<String, u128>,
    /// How long the server took to take each decision.
    pub posted: Vec<Duration>,
    /// How long requests took that the bridge answers.
    pub of_the_bridge: Vec<Duration>,
    /// How long requests took that the agent answers.
    pub of_the_agent: Vec<Duration>,
    /// Requests of its own that were not answered when it stopped.
    pub unanswered: usize,
    /// Decisions the server did not take.
    pub refused: Vec<String>,
}

impl Deeds {
    fn note(&mut self, posted: Posted) {
        self.posted.extend(posted.is_decision.then_some(posted.took));
        self.refused.extend(posted.refused);
    }
}

/// Decides and asks on `session` until `until`.
///
/// # Errors
/// When the server does not let it, or goes away.
pub async fn decide_all(device: &Device, session: &str, until: Instant) -> Result<Deeds> {
    let host = device.url().replace("http://", "ws://");
    let address = format!("{host}/v1/sessions/ws/{session}/subscribe?dialect=portcullis.v1");
    let (socket, _) = tokio_tungstenite::connect_async(address).await?;
    let (mut sink, mut frames) = socket.split();
    let credential = json!({"type": "oauth", "token": device.token().await?});
    sink.send(Message::text(json!({"type": "auth", "credential": credential}).to_string())).await?;

    let mut deeds = Deeds::default();
    let mut asked: BTreeMap<String, (Instant, &'static str)> = BTreeMap::new();
    let mut posting = JoinSet::new();
    let mut asking = interval_at(Instant::now() + REQUEST_EVERY, REQUEST_EVERY);
    asking.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(until) => break,
            _ = asking.tick() => {
                let subtype = if asked.len().is_multiple_of(2) { OF_THE_BRIDGE } else { OF_THE_AGENT };
                let id = format!("mine-{}", asked.len());
                let event = json!({
                    "type": "control_request", "uuid": uuid::Uuid::new_v4().to_string(), "request_id": id,
                    "request": {"subtype": subtype},
                });
                asked.insert(id, (Instant::now(), subtype));
                posting.spawn(post(device.clone(), session.to_owned(), event));
            }
            Some(posted) = posting.join_next() => deeds.note(posted??),
            frame = frames.next() => {
                let Some(frame) = frame else { bail!("the server hung up") };
                let Message::Text(text) = frame? else { continue };
                // Content is not looked into.
                if text.starts_with(r#"{"type":"events"#) || text.starts_with(r#"{"type":"live"#) {
                    continue;
                }
                let frame: Value = serde_json::from_str(&text)?;
                let waiting = match frame["type"].as_str() {
                    Some("welcome") => frame["pending"].as_array().cloned().unwrap_or_default(),
                    Some("permission") if frame["state"] == "pending" => vec![frame],
                    Some("reply") => {
                        let id = frame["request_id"].as_str().context("the id of a reply")?;
                        let (since, subtype) = asked.get(id).context("a reply to nothing")?;
                        let list = if *subtype == OF_THE_BRIDGE { &mut deeds.of_the_bridge } else { &mut deeds.of_the_agent };
                        list.push(since.elapsed());
                        Vec::new()
                    }
                    _ => Vec::new(),
                };
                for request in waiting {
                    let id = request["request_id"].as_str().context("the id of a request")?.to_owned();
                    let event = allowed(&request)?;
                    deeds.decided.insert(id, SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos());
                    posting.spawn(post(device.clone(), session.to_owned(), event));
                }
            }
        }
    }
    deeds.unanswered = asked.len() - deeds.of_the_bridge.len() - deeds.of_the_agent.len();
    while let Some(posted) = posting.join_next().await {
        deeds.note(posted??);
    }
    ensure!(!deeds.decided.is_empty(), "nothing was asked");
    Ok(deeds)
}

/// The decision that allows exactly what was asked.
fn allowed(request: &Value) -> Result<Value> {
    let event = &request["event"];
    ensure!(event["request"]["input"].is_object(), "{request}");
    let response = json!({"behavior": "allow", "updatedInput": event["request"]["input"]});
    Ok(json!({
        "type": "control_response", "uuid": uuid::Uuid::new_v4().to_string(), "digest": request["digest"],
        "response": {"subtype": "success", "request_id": request["request_id"], "response": response},
    }))
}

/// What became of a POST.
struct Posted {
    is_decision: bool,
    took: Duration,
    refused: Option<String>,
}

/// Posts `event` alone.
async fn post(device: Device, session: String, event: Value) -> Result<Posted> {
    let (is_decision, began) = (event["type"] == "control_response", Instant::now());
    let (status, answer) = device.post(&session, &[event]).await?;
    let refused = (!status.is_success()).then(|| format!("{status} {answer}"));
    Ok(Posted { is_decision, took: began.elapsed(), refused })
}
