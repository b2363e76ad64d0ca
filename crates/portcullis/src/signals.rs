//! Ctrl-C, SIGTERM and a closed terminal as orders: the first ends in order, the second ends now, the third leaves.

use portcullis_bridge::Order;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::outcome::Failure;

/// Exit code of a program that left in the middle of ending, as shells have it for Ctrl-C.
const EXIT_LEFT: i32 = 130;

/// Orders from whoever started the program.
pub(crate) fn listen() -> Result<watch::Receiver<Order>, Failure> {
    let failed = |error: std::io::Error| Failure::failed("signals cannot be heard", &error.into());
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut hangup =
        if ignores_hangup() { None } else { Some(signal(SignalKind::hangup()).map_err(failed)?) };
    let (orders_in, orders) = watch::channel(Order::Serve);
    tokio::spawn(async move {
        for order in [Order::Drain, Order::Abandon] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                () = heard(&mut hangup) => {}
            }
            tracing::info!(?order, "told to end");
            orders_in.send_replace(order);
        }
        // Whoever still listens must not take our going for a third order.
        tokio::select! {
            () = orders_in.closed() => return,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::warn!("told to end for the third time; whatever still runs is left to its shim");
        std::process::exit(EXIT_LEFT);
    });
    Ok(orders)
}

async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether whoever started the program wants it to outlive the terminal, as `nohup` does.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // The mask has a bit per signal, from signal 1, which this is.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// Waits for the first order to end.
pub(crate) async fn ended(orders: &mut watch::Receiver<Order>) {
    // A closed channel ends too.
    let _ = orders.wait_for(|order| *order != Order::Serve).await;
}
