//! One measurement: a server, a bridge, an agent that pours, and a line between the two that is fast, slow or cut.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::json;
use tokio::time::Instant;

use super::NOTES;
use super::hand::{Deeds, decide_all};
use super::notes::Notes;
use super::shape::Shape;
use crate::patience::{PATIENCE, until};
use crate::process::processes_in;
use crate::stage::Stage;
use crate::timing::Samples;

/// What the agent prints while it can, in MB/s.
const RATE_MB_PER_S: u64 = 50;
/// Bytes a second that pass a slow line toward the server.
const SLOW_BYTES_PER_S: u64 = 2_000_000;
/// A flood runs for this long before anything is measured: queues are full by then.
const LEAD_IN: Duration = Duration::from_secs(2);
/// A decision that did not arrive within this counts as lost.
const LOST_AFTER: Duration = Duration::from_secs(2);

/// The way from the bridge to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Loopback.
    Fast,
    /// 2 MB/s.
    Slow,
    /// Gone, until the end.
    Away,
}

impl Line {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Fast, Self::Slow, Self::Away];

    /// Its name in a table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Slow => "slow",
            Self::Away => "away",
        }
    }
}

/// What one scene showed.
#[derive(Debug)]
pub struct Found {
    /// What was printed.
    pub shape: Shape,
    /// Over which line.
    pub line: Line,
    /// From the decision to the agent's stdin.
    pub answers: Samples,
    /// From the decision to the server's word that it has it.
    pub taken: Samples,
    /// Decisions that never arrived.
    pub lost: usize,
    /// Requests of a client that the bridge answered.
    pub of_the_bridge: Samples,
    /// Requests of a client that the agent answered.
    pub of_the_agent: Samples,
    /// Those that were not answered when the scene ended.
    pub unanswered: usize,
    /// What the agent got rid of.
    pub mb_per_s: f64,
    /// Largest resident size of the bridge.
    pub peak_kib: u64,
    /// From the order to end to the end of the agent.
    pub agent_gone: Duration,
    /// From the order to end to the end of the bridge; absent when the session alone was ended.
    pub bridge_gone: Option<Duration>,
}

/// Pours `shape` for `time` over `line`.
///
/// # Errors
/// When something does not start, or a decision is refused.
pub async fn play(agent: &Path, shape: Shape, line: Line, time: Duration) -> Result<Found> {
    let mut stage = Stage::set_with_agent(agent).await?;
    let played = play_on(&mut stage, shape, line, time).await;
    played.with_context(|| format!("{} over a {} line\n{}", shape.name(), line.name(), stage.logs()))
}

async fn play_on(stage: &mut Stage, shape: Shape, line: Line, time: Duration) -> Result<Found> {
    let body = json!({"title": "load", "agent": "claude"});
    let made = stage.owner.must(Method::POST, "/v1/sessions", Some(body)).await?;
    let session = made["id"].as_str().context("a session")?.to_owned();
    let rate = if shape == Shape::Idle { 0 } else { RATE_MB_PER_S };
    let prompt = json!({
        "type": "user", "uuid": uuid::Uuid::new_v4().to_string(),
        "message": {"role": "user", "content": format!("pour {} {rate}", shape.name())},
    });
    let (status, answer) = stage.owner.post(&session, &[prompt]).await?;
    ensure!(status.is_success(), "{status} {answer}");
    let notes = stage.project()?.join(NOTES);
    until("an agent that pours", PATIENCE, async || {
        let text = std::fs::read_to_string(&notes).unwrap_or_default();
        Ok(text.contains("poured ").then_some(()))
    })
    .await?;
    match line {
        Line::Fast => {}
        Line::Slow => stage.back.slow_down_to(Some(SLOW_BYTES_PER_S)),
        Line::Away => {
            stage.back.lead_to(None);
            stage.back.cut_all();
        }
    }
    tokio::time::sleep(LEAD_IN).await;
    let deeds = match line {
        Line::Fast | Line::Slow => decide_all(&stage.owner, &session, Instant::now() + time).await?,
        Line::Away => {
            tokio::time::sleep(time).await;
            Deeds::default()
        }
    };
    ensure!(deeds.refused.is_empty(), "{:?}", deeds.refused);
    let peak_kib = stage.bridge_peak_kib()?;
    let read = Notes::read(&notes)?;
    let (agent_gone, bridge_gone) = end(stage, &session, line).await?;
    let mut answers = Samples::default();
    let mut lost = 0;
    let last = deeds.decided.values().max().copied().unwrap_or_default();
    for (request, decided) in &deeds.decided {
        match read.answered.get(request) {
            Some(at) => {
                let took = u64::try_from(at.saturating_sub(*decided))?;
                answers.take(Duration::from_nanos(took));
            }
            // What was decided at the end may still be on its way.
            None => lost += usize::from(last.saturating_sub(*decided) > LOST_AFTER.as_nanos()),
        }
    }
    Ok(Found {
        shape,
        line,
        answers,
        taken: deeds.posted.into_iter().collect(),
        lost,
        of_the_bridge: deeds.of_the_bridge.into_iter().collect(),
        of_the_agent: deeds.of_the_agent.into_iter().collect(),
        unanswered: deeds.unanswered,
        mb_per_s: read.mb_per_s(),
        peak_kib,
        agent_gone,
        bridge_gone,
    })
}

/// Ends the session from the server where the line is fast, and the bridge by Ctrl-C otherwise. Says how long that took
/// to the agent and, by Ctrl-C, to the end of the bridge.
async fn end(stage: &mut Stage, session: &str, line: Line) -> Result<(Duration, Option<Duration>)> {
    let project = stage.project()?;
    let began = Instant::now();
    if line == Line::Fast {
        stage.owner.must(Method::POST, &format!("/v1/sessions/{session}/archive"), None).await?;
        return Ok((gone(&project, began).await?, None));
    }
    let (agent, bridge) = tokio::join!(gone(&project, began), stage.end_bridge_timed(began));
    Ok((agent?, Some(bridge?)))
}

async fn gone(project: &Path, began: Instant) -> Result<Duration> {
    until("the end of the agent", PATIENCE, async || Ok((processes_in(project) == 0).then_some(()))).await?;
    Ok(began.elapsed())
}
