//! The two ways to the ingress: a socket that listens, and one queue of POSTs per lane that speaks.

mod post;
mod socket;

pub(crate) use post::run_lane;
pub(crate) use socket::{SocketEvent, run_socket};
