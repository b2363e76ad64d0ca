//! One running system with the agent under test: a fresh HOME, an environment from a list, and the model's API in the
//! hand of the test.

use std::ffi::OsString;

use anyhow::{Context, Result};
use portcullis_testkit::{MessagesApi, Reply, Request};
use portcullis_wired::stage::{Laptop, Stage};
use portcullis_wired::tab::Tab;
use reqwest::Method;
use serde_json::{Value, json};

use crate::agent::Agent;

/// Variables of this process that an agent may see.
const PASSED_ON: [&str; 4] = ["LANG", "TERM", "USER", "LOGNAME"];

/// A running system.
#[derive(Debug)]
pub struct Scene {
    /// The processes.
    pub stage: Stage,
    /// What every agent here takes for its model.
    pub api: MessagesApi,
    /// Who answers.
    pub agent: Agent,
}

impl Scene {
    /// Starts everything.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn set(agent: &Agent) -> Result<Self> {
        Self::set_under(agent, |_| {}).await
    }

    /// The same with other rules on the bridge's machine.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn set_under(agent: &Agent, rule: impl FnOnce(&mut Laptop)) -> Result<Self> {
        let api = MessagesApi::start().await?;
        // What older versions ask a small model beside their work, such as what a command would do.
        let aside = |request: &Request| request.tool_names().is_empty() && request.model().contains("haiku");
        api.when(aside, Reply::new().text("none"));
        let mut laptop = Laptop {
            programs: agent.program.iter().cloned().collect(),
            variables: Some(variables(agent, &api.base_url())),
            words: agent.words.clone(),
            ..Laptop::default()
        };
        laptop.policy.insert("agents".into(), json!([agent.name]));
        rule(&mut laptop);
        let stage = Stage::set_with(laptop).await?;
        Ok(Self { stage, api, agent: agent.clone() })
    }

    /// A session with the agent, and what its owner sees of it.
    ///
    /// # Errors
    /// When it is not made, or nobody gets online.
    pub async fn session(&self) -> Result<(String, Tab)> {
        self.session_with(json!({})).await
    }

    /// The same with further wishes.
    ///
    /// # Errors
    /// When it is not made, or nobody gets online.
    pub async fn session_with(&self, wishes: Value) -> Result<(String, Tab)> {
        let mut body = json!({"title": "agents", "agent": self.agent.name});
        if let Some(model) = self.agent.model {
            body["model"] = json!(model);
        }
        for (key, value) in wishes.as_object().into_iter().flatten() {
            body[key] = value.clone();
        }
        let made = self.stage.owner.must(Method::POST, "/v1/sessions", Some(body)).await?;
        let session = made["id"].as_str().with_context(|| made.to_string())?.to_owned();
        let tab = Tab::open(self.stage.owner.clone(), &session, 1);
        tab.online().await?;
        Ok((session, tab))
    }

    /// Everything durable that was said in a session, in order.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn log(&self, session: &str) -> Result<Vec<Value>> {
        let rows = self.stage.owner.log(session).await?;
        Ok(rows.into_iter().map(|(_, event)| event).collect())
    }

    /// A session as lists show it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn listed(&self, session: &str) -> Result<Value> {
        self.stage.owner.must(Method::GET, &format!("/v1/sessions/{session}"), None).await
    }
}

/// Nothing of whoever runs the tests leads an agent anywhere but to loopback.
fn variables(agent: &Agent, api: &str) -> Vec<(String, OsString)> {
    let passed = PASSED_ON.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var_os(name)?)));
    let given = [
        ("ANTHROPIC_BASE_URL", api),
        ("ANTHROPIC_API_KEY", "sk-nobody"),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        ("DISABLE_TELEMETRY", "1"),
        ("DISABLE_AUTOUPDATER", "1"),
        ("DISABLE_ERROR_REPORTING", "1"),
        ("PORTCULLIS_LOG", "info"),
    ];
    let given = given.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value)));
    passed.chain(given).chain(agent.variables.iter().cloned()).collect()
}
