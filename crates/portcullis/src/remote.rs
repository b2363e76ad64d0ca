//! `portcullis remote-control`: a bridge alone, for an ingress elsewhere.

use anyhow::anyhow;

use crate::cli::RemoteOptions;
use crate::outcome::Failure;
use crate::station::{self, Bridged};
use crate::status::{Audience, Reporter};
use crate::{folders, login, signals};

/// Runs until told to end.
pub(crate) async fn run(options: RemoteOptions) -> Result<(), Failure> {
    let orders = signals::listen()?;
    let data_dir = folders::data_dir(options.data_dir)?;
    let login::Known { ingress_url, device, ca } = login::known(&data_dir)?;
    let road = login::road(&ingress_url, options.ca.as_deref().or(ca.as_deref()))?;
    let directory = options.directory.canonicalize().map_err(|error| {
        Failure::failed(
            &format!("the directory {} cannot be used", options.directory.display()),
            &anyhow!(error),
        )
    })?;
    let policy = station::policy(&options.bridge, &directory)?;
    let bridged =
        Bridged { agents: station::found_agents(&policy)?, policy, options: options.bridge, directory };
    let (reporter, teller) = Reporter::new(Audience::new(options.json), road.base());
    let config = station::bridge_config(bridged, road, device, data_dir.join("remote"), teller)?;
    let reporting = reporter.start();
    let result = portcullis_bridge::run(config, orders, None).await.map_err(Failure::from);
    reporting.finish().await;
    result
}
