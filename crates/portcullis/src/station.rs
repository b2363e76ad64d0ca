//! An ingress, with or without a bridge in the same process: starts both, says so, and ends both in order.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::anyhow;
use portcullis_bridge::{
    AGENT_GRACE, AgentSpec, BridgeConfig, BridgeError, Device, DeviceKey, Order, Place, Policy, Road, Teller,
};
use portcullis_ingress::{Ingress, IngressConfig};
use portcullis_protocol::role::Role;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::acp_agents;
use crate::announce::{Ready, open_browser};
use crate::cli::{BridgeOptions, BridgedOptions, SHIM, Spawn, StationOptions};
use crate::control::{self, Question};
use crate::folders;
use crate::outcome::Failure;
use crate::signals;
use crate::status::{Audience, Reporter};

/// Longest time for the ingress to say goodbye to its sockets.
const GOODBYE_TIME: Duration = Duration::from_secs(5);

/// What runs beside the ingress.
#[derive(Debug)]
pub(crate) struct Bridged {
    pub(crate) directory: PathBuf,
    pub(crate) agents: Vec<AgentSpec>,
    pub(crate) policy: Policy,
    pub(crate) options: BridgeOptions,
}

/// `portcullis up`.
pub(crate) async fn up(options: BridgedOptions) -> Result<(), Failure> {
    let directory = folders::here()?;
    let policy = policy(&options.bridge, &directory)?;
    let bridged = Bridged { agents: found_agents(&policy)?, policy, options: options.bridge, directory };
    run(options.station, Some(bridged), None).await
}

/// `portcullis serve`.
pub(crate) async fn serve(options: StationOptions) -> Result<(), Failure> {
    run(options, None, None).await
}

/// Agents on this machine: Claude Code and agents of the Agent Client Protocol when they are on PATH, what the policy
/// names, and the built-in one.
pub(crate) fn found_agents(policy: &Policy) -> Result<Vec<AgentSpec>, Failure> {
    let mut agents: Vec<AgentSpec> = folders::on_path("claude").map(AgentSpec::claude).into_iter().collect();
    agents.extend(acp_agents::on_path()?);
    // What the policy names takes the place of what was found under that name.
    for named in acp_agents::named(policy)? {
        agents.retain(|found| found.name != named.name);
        agents.push(named);
    }
    // In the user's own project it may ask the user's own model; in the demo there is only the script.
    let model = vec!["ANTHROPIC_*".to_owned()];
    agents.push(AgentSpec { environment: model, ..AgentSpec::builtin(folders::own_program()?) });
    Ok(agents)
}

/// The policy file, or the default rules for `directory`.
pub(crate) fn policy(options: &BridgeOptions, directory: &Path) -> Result<Policy, Failure> {
    let Some(path) = &options.policy else { return Ok(Policy::for_directory(directory.to_owned())) };
    let read = || -> anyhow::Result<Policy> { Ok(serde_json::from_str(&std::fs::read_to_string(path)?)?) };
    read().map_err(|error| {
        Failure::failed(&format!("the policy file {} cannot be used", path.display()), &error)
    })
}

/// What a bridge on this machine needs, whoever it serves.
pub(crate) fn bridge_config(
    bridged: Bridged,
    road: Road,
    device: Device,
    state_dir: PathBuf,
    teller: Teller,
) -> Result<BridgeConfig, Failure> {
    let options = bridged.options;
    Ok(BridgeConfig {
        road,
        directory: bridged.directory,
        machine_name: folders::machine_name(),
        device,
        policy: bridged.policy,
        capacity: options.capacity.into(),
        agents: bridged.agents,
        state_dir,
        shim: vec![folders::own_program()?, SHIM.into()],
        agent_grace: AGENT_GRACE,
        place: match options.spawn {
            Spawn::SameDir => Place::SameDir,
            Spawn::Worktree => Place::Worktree,
        },
        archives_all: options.archive,
        gives_up_after: options.give_up_after.map(Duration::from_secs),
        teller,
    })
}

impl Bridged {
    /// Only the built-in agent, in `directory`.
    pub(crate) fn builtin(directory: PathBuf) -> Result<Self, Failure> {
        let mut agent = AgentSpec::builtin(folders::own_program()?);
        // What is said in a throwaway project is thrown away with it.
        agent.argv.push("--no-session-persistence".into());
        let agents = vec![agent];
        let policy = Policy::for_directory(directory.clone());
        Ok(Self { directory, agents, policy, options: BridgeOptions::default() })
    }
}

type Running = JoinHandle<Result<(), BridgeError>>;

/// Runs until told to end. `project` is named in what is said when ready.
pub(crate) async fn run(
    options: StationOptions,
    bridged: Option<Bridged>,
    project: Option<&Path>,
) -> Result<(), Failure> {
    let mut orders = signals::listen()?;
    let data_dir = folders::data_dir(options.data_dir.clone())?;
    let mut questions = control::serve(&data_dir).await?;
    let web_root = folders::web_root(options.web_root.clone());
    let config = IngressConfig {
        data_dir: data_dir.join("ingress"),
        listen: options.listen,
        allowed_origins: options.allow_origins.clone(),
        web_root: web_root.clone(),
        behind_proxy: options.behind_proxy,
    };
    let ingress = portcullis_ingress::start(config)
        .await
        .map_err(|error| Failure::failed("the ingress does not start", &anyhow!(error)))?;
    let url = format!("http://{}", ingress.local_addr());
    let public = options.allow_origins.first().filter(|_| options.behind_proxy).unwrap_or(&url).clone();
    let audience = if bridged.is_some() { Audience::new(options.json) } else { Audience::Nobody };
    let (reporter, teller) = Reporter::new(audience, &url);
    let (mut bridge, mut reporting) = (None, None);
    let result = async {
        if let Some(bridged) = bridged {
            bridge = start_bridge(&ingress, bridged, &url, &data_dir, teller, &mut orders).await?;
        }
        if *orders.borrow() == Order::Serve {
            let mut ready = Ready::new(&url, &public, code(&ingress).await?);
            ready.project = project.map(|project| project.display().to_string());
            announce(&options, &ready, web_root.is_some(), &data_dir)?;
        }
        // Whoever waits for the line that says where it is gets that one first.
        reporting = Some(reporter.start());
        wait(&ingress, (&url, &public), &mut questions, &mut bridge, &mut orders).await
    }
    .await;
    if let Some(bridge) = bridge {
        let _ = bridge.await;
    }
    if let Some(reporting) = reporting {
        reporting.finish().await;
    }
    if tokio::time::timeout(GOODBYE_TIME, ingress.shutdown()).await.is_err() {
        tracing::warn!("the ingress did not end in time");
    }
    result
}

/// Starts the bridge and waits until it is registered. Nothing when told to end meanwhile.
async fn start_bridge(
    ingress: &Ingress,
    bridged: Bridged,
    url: &str,
    data_dir: &Path,
    teller: Teller,
    orders: &mut watch::Receiver<Order>,
) -> Result<Option<Running>, Failure> {
    let state_dir = data_dir.join("bridge");
    let key = DeviceKey::load_or_create(&state_dir.join("device.key"))
        .map_err(|error| Failure::failed("the bridge does not start", &anyhow!(error)))?;
    let id = ingress
        .provision_device(&folders::machine_name(), Role::Bridge, key.public_key())
        .await
        .map_err(|error| Failure::failed("the bridge is not known to the ingress", &anyhow!(error)))?;
    let road = Road::to(url, None).map_err(|error| Failure::usage(error.to_string()))?;
    let config = bridge_config(bridged, road, Device { id, key }, state_dir, teller)?;
    let (ready_in, ready) = oneshot::channel();
    let mut running = tokio::spawn(portcullis_bridge::run(config, orders.clone(), Some(ready_in)));
    tokio::select! {
        Ok(_) = ready => Ok(Some(running)),
        ended = &mut running => ended_early(ended).map(|()| None),
    }
}

/// Answers questions until told to end, or until the bridge fails.
async fn wait(
    ingress: &Ingress,
    (url, public): (&str, &str),
    questions: &mut tokio::sync::mpsc::Receiver<Question>,
    bridge: &mut Option<Running>,
    orders: &mut watch::Receiver<Order>,
) -> Result<(), Failure> {
    loop {
        let bridge_ended = async {
            match bridge.as_mut() {
                Some(running) => running.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = signals::ended(orders) => return Ok(()),
            ended = bridge_ended => {
                *bridge = None;
                return ended_early(ended);
            }
            Some(Question { forgets_devices, answer }) = questions.recv() => {
                if forgets_devices {
                    ingress.forget_devices().await.map_err(|error| {
                        Failure::failed("the devices cannot be forgotten", &anyhow!(error))
                    })?;
                }
                // Who asked may have gone.
                let _ = answer.send(Ready::new(url, public, code(ingress).await?));
            }
        }
    }
}

fn ended_early(ended: Result<Result<(), BridgeError>, tokio::task::JoinError>) -> Result<(), Failure> {
    match ended {
        Ok(result) => result.map_err(Failure::from),
        Err(error) => Err(Failure::failed("the bridge failed", &anyhow!(error))),
    }
}

async fn code(ingress: &Ingress) -> Result<String, Failure> {
    ingress
        .pairing_code()
        .await
        .map_err(|error| Failure::failed("no pairing code could be made", &anyhow!(error)))
}

fn announce(options: &StationOptions, ready: &Ready, has_web: bool, data_dir: &Path) -> Result<(), Failure> {
    let said = if options.json { ready.print_json() } else { ready.print_text(has_web) };
    said.map_err(|error| Failure::failed("nobody can be told that it is ready", &error.into()))?;
    if options.json && !has_web {
        tracing::warn!("the web client is not built, so only the API answers; `cargo xtask dist` builds it");
    }
    if !options.json && !options.no_open && has_web {
        open_browser(ready, data_dir);
    }
    Ok(())
}
