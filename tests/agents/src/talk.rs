//! One session of a scene: what a person says and decides in it, and what the log says came of that.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use portcullis_protocol::session::Choice;
use portcullis_protocol::session::transcript::{Activity, PromptState};
use portcullis_protocol::wire::client::PermissionState;
use portcullis_wired::patience::until;
use portcullis_wired::tab::Tab;
use serde_json::{Value, json};

use crate::scene::Scene;

/// Longest wait for anything an agent does here: it starts in a second or two, and its model answers at once.
const PATIENCE: Duration = Duration::from_secs(40);

/// A session with the agent under test.
#[derive(Debug)]
pub struct Talk<'a> {
    scene: &'a Scene,
    /// Its id.
    pub session: String,
    /// What its owner sees.
    pub tab: Tab,
}

/// A request that waits for a person.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its id.
    pub id: String,
    /// The `request` object.
    pub request: Value,
}

impl<'a> Talk<'a> {
    /// A fresh session.
    ///
    /// # Errors
    /// When there is none.
    pub async fn new(scene: &'a Scene) -> Result<Self> {
        Self::with(scene, json!({})).await
    }

    /// A fresh session with further wishes.
    ///
    /// # Errors
    /// When there is none.
    pub async fn with(scene: &'a Scene, wishes: Value) -> Result<Self> {
        let (session, tab) = scene.session_with(wishes).await?;
        Ok(Self { scene, session, tab })
    }

    /// Lets the scene go for a while, for something that needs all of it.
    #[must_use]
    pub fn into_parts(self) -> (String, Tab) {
        (self.session, self.tab)
    }

    /// Goes on where [`Talk::into_parts`] left off.
    #[must_use]
    pub fn from_parts(scene: &'a Scene, (session, tab): (String, Tab)) -> Self {
        Self { scene, session, tab }
    }

    /// Says something; returns its uuid.
    ///
    /// # Errors
    /// When the tab is gone.
    pub async fn say(&self, text: &str) -> Result<String> {
        self.tab.prompt(text).await
    }

    /// Posts one event as it is.
    ///
    /// # Errors
    /// When it is not taken.
    pub async fn post(&self, event: Value) -> Result<()> {
        let (status, answer) = self.scene.stage.owner.post(&self.session, &[event]).await?;
        ensure!(status.is_success(), "{status} {answer}");
        Ok(())
    }

    /// Everything durable so far.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn log(&self) -> Result<Vec<Value>> {
        self.scene.log(&self.session).await
    }

    /// Waits until the log shows something.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn until<T>(&self, what: &str, look: impl Fn(&[Value]) -> Option<T>) -> Result<T> {
        let found = until(what, PATIENCE, async || Ok(look(&self.log().await?))).await;
        match found {
            Ok(found) => Ok(found),
            Err(error) => Err(error.context(self.story().await)),
        }
    }

    /// The end of the `nth` turn, counted from one.
    ///
    /// # Errors
    /// When it does not come.
    pub async fn result(&self, nth: usize) -> Result<Value> {
        self.until(&format!("result {nth}"), |log| {
            log.iter().filter(|event| event["type"] == "result").nth(nth - 1).cloned()
        })
        .await
    }

    /// Says something and waits for the end of its turn, which is the `nth` of the session.
    ///
    /// # Errors
    /// When it does not come.
    pub async fn turn(&self, nth: usize, text: &str) -> Result<Value> {
        self.say(text).await?;
        self.result(nth).await
    }

    /// What waits for a person now.
    ///
    /// # Errors
    /// When nothing does in time.
    pub async fn asked(&self) -> Result<Asked> {
        let mut all = self.asked_all(1).await?;
        Ok(all.remove(0))
    }

    /// The `count` requests that wait for a person.
    ///
    /// # Errors
    /// When there are not so many in time.
    pub async fn asked_all(&self, count: usize) -> Result<Vec<Asked>> {
        let what = format!("{count} requests that wait");
        let found = self.tab.until(&what, move |driver| {
            let entries = driver.session().ledger().entries().iter();
            let waiting = entries.filter(|entry| entry.state == PermissionState::Pending);
            let waiting: Vec<(String, String)> =
                waiting.map(|entry| (entry.request_id.clone(), entry.raw.as_str().to_owned())).collect();
            (waiting.len() >= count).then_some(waiting)
        });
        let found = match tokio::time::timeout(PATIENCE, found).await {
            Ok(found) => found?,
            Err(_) => bail!("waited in vain for {count} requests\n{}", self.story().await),
        };
        let read =
            |(id, request): (String, String)| Ok(Asked { id, request: serde_json::from_str(&request)? });
        found.into_iter().map(read).collect()
    }

    /// Clicks, and waits until the agent has it.
    ///
    /// # Errors
    /// When it does not get it.
    pub async fn decide(&self, asked: &Asked, choice: Choice) -> Result<()> {
        self.tab.decide(&asked.id, choice).await?;
        let id = asked.id.clone();
        let decided = self.tab.until("a decision that is delivered", move |driver| {
            let state = driver.session().ledger().get(&id).map(|entry| entry.state);
            state
                .is_none_or(|state| matches!(state, PermissionState::Delivered | PermissionState::Settled))
                .then_some(())
        });
        match tokio::time::timeout(PATIENCE, decided).await {
            Ok(done) => done,
            Err(_) => bail!("the decision did not arrive\n{}", self.story().await),
        }
    }

    /// Waits until the tab shows each of the `count` requests there ever were in `state`.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn all_ended(&self, count: usize, state: PermissionState) -> Result<()> {
        let ended = self.tab.until("requests that ended", move |driver| {
            let states = &driver.states;
            (states.len() == count && states.values().all(|shown| *shown == state)).then_some(())
        });
        match tokio::time::timeout(PATIENCE, ended).await {
            Ok(done) => done,
            Err(_) => bail!("they are not all {}\n{}", state.as_str(), self.story().await),
        }
    }

    /// Sends a control request; returns what a success carries.
    ///
    /// # Errors
    /// When there is no answer, or it is no success.
    pub async fn ask(&self, request: Value) -> Result<Value> {
        let answer = self.tab.ask(&request).await?;
        let response = &answer["response"];
        ensure!(response["subtype"] == "success", "{request} was answered {answer}");
        Ok(response["response"].clone())
    }

    /// Waits until all these prompts stand on the agent's stdin or were read from it.
    ///
    /// # Errors
    /// When they do not in time.
    pub async fn handed_over(&self, prompts: &[String]) -> Result<()> {
        let prompts = prompts.to_vec();
        let handed = self.tab.until("prompts that are with the agent", move |driver| {
            let session = driver.session();
            let under_way =
                session.outbox().entries().iter().any(|entry| prompts.contains(&entry.prompt.uuid));
            let stored = session
                .transcript()
                .queue()
                .iter()
                .any(|prompt| prompts.contains(&prompt.uuid) && prompt.state == PromptState::Stored);
            let known = prompts.iter().all(|uuid| session.transcript().knows_prompt(uuid));
            (known && !under_way && !stored).then_some(())
        });
        match tokio::time::timeout(PATIENCE, handed).await {
            Ok(done) => done,
            Err(_) => bail!("the prompts do not arrive\n{}", self.story().await),
        }
    }

    /// Waits until the agent's own records hold `text`: it writes them on its own time.
    ///
    /// # Errors
    /// When they do not in time.
    pub async fn recorded(&self, text: &str) -> Result<()> {
        let home = self.scene.stage.home();
        until("a record of the agent", PATIENCE, async || Ok(holds(&home, text).then_some(()))).await
    }

    /// Waits until the agent has nothing to do and nothing waits.
    ///
    /// # Errors
    /// When that does not come.
    pub async fn idle(&self) -> Result<()> {
        let idle = self.tab.until("an idle agent", |driver| {
            let session = driver.session();
            (session.activity() == Activity::Idle && session.transcript().queue().is_empty()).then_some(())
        });
        match tokio::time::timeout(PATIENCE, idle).await {
            Ok(done) => done,
            Err(_) => bail!("it does not come to rest\n{}", self.story().await),
        }
    }

    /// The session as lists show it, once it shows `status`.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn listed(&self, status: &str) -> Result<Value> {
        self.listed_with("status", status).await
    }

    /// The session as lists show it, once `field` of it is `value`.
    ///
    /// # Errors
    /// When that does not come in time.
    pub async fn listed_with(&self, field: &str, value: &str) -> Result<Value> {
        until(&format!("a session with {field} {value}"), PATIENCE, async || {
            Ok(Some(self.scene.listed(&self.session).await?).filter(|listed| listed[field] == value))
        })
        .await
    }

    /// What happened, for the message of a failed test.
    pub async fn story(&self) -> String {
        let log = self.log().await.unwrap_or_default();
        let lines: Vec<String> =
            log.iter().map(|event| event.to_string().chars().take(500).collect::<String>()).collect();
        let requests = self.scene.api.requests();
        let asked: Vec<String> = requests
            .iter()
            .map(|request| {
                let last: String = request.last_text().chars().take(200).collect();
                format!("{} with {} tools: {last}", request.model(), request.tool_names().len())
            })
            .collect();
        format!(
            "log:\n{}\nasked of the model:\n{}\n{}",
            lines.join("\n"),
            asked.join("\n"),
            self.scene.stage.logs()
        )
    }
}

/// Whether a record of a conversation below `folder` holds `text`.
fn holds(folder: &Path, text: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return holds(&path, text);
        }
        let is_record = path.extension().is_some_and(|kind| kind == "jsonl");
        is_record && std::fs::read_to_string(&path).is_ok_and(|record| record.contains(text))
    })
}

/// The events of `kind` in a log.
pub fn of_kind<'a>(log: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    log.iter().filter(move |event| event["type"] == kind)
}

/// All text the agent itself said in a log.
#[must_use]
pub fn answers(log: &[Value]) -> String {
    let blocks =
        of_kind(log, "assistant").filter_map(|event| event["message"]["content"].as_array()).flatten();
    blocks.filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
}

/// The results of tools in a log: the block, and what stands beside the message.
#[must_use]
pub fn tool_results(log: &[Value]) -> Vec<Value> {
    let blocks = of_kind(log, "user").filter_map(|event| event["message"]["content"].as_array()).flatten();
    blocks.filter(|block| block["type"] == "tool_result").cloned().collect()
}
