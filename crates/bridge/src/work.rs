//! From a work item to a worker: reads the secret, holds the wish against the policy, opens the journal.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use portcullis_protocol::id::SessionId;
use portcullis_protocol::role::PermissionMode;
use portcullis_protocol::wire::worker::{SessionSpec, WORK_SECRET_VERSION, WorkItem, WorkSecret};

use crate::agent::{AgentCommand, AgentSpec};
use crate::config::{BridgeConfig, Place};
use crate::core::{Relay, RelaySpec};
use crate::event::BridgeEvent;
use crate::journal::{Journal, JournalError};
use crate::policy::PolicyError;
use crate::serving::Desk;
use crate::standstill::Standstill;
use crate::worker::Worker;
use crate::worktree::Worktree;

/// Bytes of a model's name: it becomes an argument.
const MODEL_BYTES_MAX: usize = 256;

/// Why a work item cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("it is not about a session")]
    Kind,
    #[error("it has no secret, or one that cannot be read")]
    Shape,
    #[error("its secret has a version this bridge does not know")]
    Version,
    #[error("its secret has no token")]
    Token,
}

/// The secret of `item`.
pub(crate) fn read_secret(item: &WorkItem) -> Result<WorkSecret, SecretError> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        version: u32,
    }
    if item.data.kind != "session" {
        return Err(SecretError::Kind);
    }
    let text = item.secret.as_deref().ok_or(SecretError::Shape)?;
    let bytes =
        URL_SAFE_NO_PAD.decode(text).or_else(|_| URL_SAFE.decode(text)).map_err(|_| SecretError::Shape)?;
    let Versioned { version } = serde_json::from_slice(&bytes).map_err(|_| SecretError::Shape)?;
    if version != WORK_SECRET_VERSION {
        return Err(SecretError::Version);
    }
    let secret: WorkSecret = serde_json::from_slice(&bytes).map_err(|_| SecretError::Shape)?;
    if secret.session_ingress_token.is_empty() { Err(SecretError::Token) } else { Ok(secret) }
}

/// Agents that may run here, the default first.
pub(crate) fn agents(config: &BridgeConfig) -> impl Iterator<Item = &AgentSpec> {
    config.agents.iter().filter(|agent| config.policy.allows_agent(&agent.name))
}

/// A worker for `session`. What the policy forbids becomes a worker that says so.
pub(crate) async fn worker(
    config: &Arc<BridgeConfig>,
    session: &SessionId,
    wish: &SessionSpec,
    desk: &Desk,
) -> Result<Worker, JournalError> {
    let mut journal = Journal::open(&config.state_dir, session)?;
    let allowed = match Allowed::check(config, wish) {
        Ok(allowed) if desk.is_put_off => Ok((allowed, None)),
        Ok(allowed) => placed(config, session, allowed).await,
        Err(error) => Err(error.to_string()),
    };
    let (agent, directory, worktree, permission_mode, command, refusal) = match allowed {
        Ok((allowed, worktree)) => {
            let mode = allowed.permission_mode.as_str();
            let command = AgentCommand::new(
                allowed.agent,
                &allowed.directory,
                wish.model.as_deref(),
                mode,
                &config.shim,
            );
            let directory = allowed.directory.display().to_string();
            (allowed.agent.name.clone(), directory, worktree, mode.to_owned(), Some(command), None)
        }
        Err(error) => {
            let refusal = format!("This session cannot run: {error}.");
            let agent = wish.agent.clone().unwrap_or_default();
            let directory = wish.directory.clone().unwrap_or_default();
            (agent, directory, None, PermissionMode::Default.as_str().to_owned(), None, Some(refusal))
        }
    };
    let spec = RelaySpec {
        agent: agent.clone(),
        directory: directory.clone(),
        model: wish.model.clone(),
        permission_mode,
        policy: config.policy.clone(),
        refusal,
        earlier: journal.take_earlier(),
    };
    let relay = Relay::new(spec, Box::new(|| uuid::Uuid::new_v4().to_string()));
    Ok(Worker {
        session: session.clone(),
        relay,
        journal,
        command,
        desk: desk.clone(),
        agent,
        directory,
        worktree,
        config: Arc::clone(config),
        standstill: Standstill::default(),
    })
}

/// Gives the session its working tree, if it is to have one.
async fn placed<'a>(
    config: &BridgeConfig,
    session: &SessionId,
    allowed: Allowed<'a>,
) -> Result<(Allowed<'a>, Option<Worktree>), String> {
    if config.policy.place(config.place).map_err(|error| error.to_string())? == Place::SameDir {
        return Ok((allowed, None));
    }
    let taken = Worktree::take(&config.state_dir, session, &allowed.directory).await;
    let (tree, is_new) = taken.map_err(|error| error.to_string())?;
    let (path, branch) = (tree.root().display().to_string(), tree.branch().to_owned());
    tracing::info!(%session, path, branch, is_new, "the session works in a working tree of its own");
    if is_new {
        config.teller.tell(BridgeEvent::WorktreeMade { session_id: session.clone(), path, branch });
    }
    Ok((Allowed { directory: tree.directory().to_owned(), ..allowed }, Some(tree)))
}

struct Allowed<'a> {
    agent: &'a AgentSpec,
    directory: std::path::PathBuf,
    permission_mode: PermissionMode,
}

impl<'a> Allowed<'a> {
    fn check(config: &'a BridgeConfig, wish: &SessionSpec) -> Result<Self, PolicyError> {
        let directory = config.policy.directory(wish.directory.as_deref(), &config.directory)?;
        let mode = wish.permission_mode.as_deref().unwrap_or(PermissionMode::Default.as_str());
        let permission_mode = config.policy.mode(mode)?;
        let wanted = wish.agent.as_deref().filter(|name| !name.is_empty());
        let agent = agents(config)
            .find(|agent| wanted.is_none_or(|name| agent.name == name))
            .ok_or_else(|| PolicyError::Agent(wanted.unwrap_or_default().to_owned()))?;
        if let Some(model) = wish.model.as_deref().filter(|model| !is_model(model)) {
            return Err(PolicyError::Model(model.chars().take(MODEL_BYTES_MAX).collect()));
        }
        Ok(Self { agent, directory, permission_mode })
    }
}

fn is_model(name: &str) -> bool {
    (1..=MODEL_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use portcullis_protocol::id::DeviceId;

    use super::*;
    use crate::config::{AGENT_GRACE, Device};
    use crate::device::DeviceKey;
    use crate::event::Teller;
    use crate::policy::Policy;
    use crate::road::Road;

    fn item(secret: Option<&str>) -> WorkItem {
        let item = serde_json::json!({
            "type": "work", "id": "w1", "environment_id": "e1", "data": {"type": "session", "id": "s1"},
            "state": "queued", "secret": secret.map(|text| URL_SAFE_NO_PAD.encode(text)),
        });
        serde_json::from_value(item).unwrap()
    }

    #[test]
    fn takes_a_secret_of_the_one_known_version() {
        let secret = |version: u32, token: &str| {
            format!(
                r#"{{"version":{version},"session_ingress_token":"{token}","api_base_url":"","session":{{}}}}"#
            )
        };
        assert_eq!(read_secret(&item(Some(&secret(1, "t")))).unwrap().session_ingress_token, "t");
        assert_eq!(read_secret(&item(Some(&secret(2, "t")))).unwrap_err(), SecretError::Version);
        assert_eq!(
            read_secret(&item(Some(r#"{"version":2,"other":true}"#))).unwrap_err(),
            SecretError::Version
        );
        assert_eq!(read_secret(&item(Some(&secret(1, "")))).unwrap_err(), SecretError::Token);
        assert_eq!(read_secret(&item(Some("x"))).unwrap_err(), SecretError::Shape);
        assert_eq!(read_secret(&item(None)).unwrap_err(), SecretError::Shape);
    }

    #[tokio::test]
    async fn a_wish_the_policy_forbids_becomes_a_worker_without_an_agent() {
        let folder = tempfile::tempdir().unwrap();
        let config = Arc::new(BridgeConfig {
            road: Road::to("http://127.0.0.1:1", None).unwrap(),
            directory: folder.path().to_owned(),
            machine_name: "m".into(),
            device: Device { id: DeviceId::parse("d1").unwrap(), key: DeviceKey::generate().unwrap() },
            policy: Policy::for_directory(folder.path().to_owned()),
            capacity: 1,
            agents: vec![AgentSpec::builtin("portcullis")],
            state_dir: folder.path().join("state"),
            shim: Vec::new(),
            agent_grace: AGENT_GRACE,
            place: Place::SameDir,
            archives_all: false,
            gives_up_after: None,
            teller: Teller::default(),
        });
        let session = SessionId::parse("s1").unwrap();
        let command = async |wish: &str| {
            let wish: SessionSpec = serde_json::from_str(wish).unwrap();
            worker(&config, &session, &wish, &Desk::new(false)).await.unwrap().command
        };
        let plain = command("{}").await.unwrap();
        assert!(
            command(r#"{"agent":"builtin","permission_mode":"plan","model":"scripted"}"#).await.is_some()
        );
        // B3: a work item has no say in what an agent sees of the environment.
        let wish = r#"{"environment_variables":{"LD_PRELOAD":"/x.so","NODE_OPTIONS":"--require=/x.js"},"env":{"BASH_ENV":"/x"}}"#;
        let command_of = command(wish).await.unwrap();
        assert_eq!((&command_of.environment, &command_of.argv), (&plain.environment, &plain.argv));
        // B1: a session with the name of a flag is none.
        for name in ["--dangerously-skip-permissions", "-p"] {
            let item = item(None);
            let mut wire = serde_json::to_value(&item).unwrap();
            wire["data"]["id"] = name.into();
            assert!(serde_json::from_value::<WorkItem>(wire).is_err(), "{name}");
        }
        for bad in [
            r#"{"directory":"/"}"#,
            r#"{"directory":"relative"}"#,
            r#"{"permission_mode":"bypassPermissions"}"#,
            r#"{"agent":"--help"}"#,
            r#"{"model":"a\u0000b"}"#,
            r#"{"model":""}"#,
        ] {
            assert!(command(bad).await.is_none(), "{bad}");
        }
    }
}
