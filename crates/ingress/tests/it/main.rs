//! The ingress over real sockets on loopback: who gets in, what is kept, who hears about it.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that finds something else fails its test, and that is the point"
)]

mod approvals;
mod auth;
mod decisions;
mod guard;
mod hangups;
mod lifecycle;
mod log;
mod plain;
mod roles;
mod subscribe;
mod support;
mod worker;
