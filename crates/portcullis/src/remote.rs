//! `portcullis remote-control`: a bridge alone, for an ingress elsewhere.

use anyhow::anyhow;

use crate::cli::RemoteOptions;
use crate::outcome::Failure;
use crate::station::{self, Bridged};
use crate::{folders, login, signals};

/// Runs until told to end.
pub(crate) async fn run(options: RemoteOptions) -> Result<(), Failure> {
    let orders = signals::listen()?;
    let data_dir = folders::data_dir(options.data_dir)?;
    let (ingress_url, device) = login::known(&data_dir)?;
    let directory = options.directory.canonicalize().map_err(|error| {
        Failure::failed(
            &format!("the directory {} cannot be used", options.directory.display()),
            &anyhow!(error),
        )
    })?;
    let policy = station::policy(&options.bridge, &directory)?;
    let bridged = Bridged {
        agents: station::found_agents(&policy)?,
        policy,
        capacity: options.bridge.capacity.into(),
        directory,
    };
    let config = station::bridge_config(bridged, ingress_url, device, data_dir.join("remote"))?;
    portcullis_bridge::run(config, orders, None).await.map_err(Failure::from)
}
