//! What happens to real browsers: networks that go and come, tabs that are frozen, hidden, reloaded and killed, storage
//! that is full or denied, clocks that jump; and what others were attacked by. Each scenario has a system in parts and a
//! browser of its own, and ends with a look into the server's log: nothing lost, nothing twice.

mod answering;
mod approvals;
mod kinds;
mod lifecycle;
mod network;
mod panel;
mod place;
mod reading;
mod storage;
mod strangers;

use portcullis_tests::apart::Apart;
use portcullis_tests::walk::Walk;

/// A browser logs every call and every socket that finds no network.
fn network_errors(walk: &mut Walk<Apart>) {
    walk.provokes("net::ERR_");
    walk.provokes("WebSocket connection to");
    // The browser repeats what was under way on a connection that is cut, and a challenge is good once.
    walk.provokes("/v1/auth/token - Failed to load resource: the server responded with a status of 401");
}
