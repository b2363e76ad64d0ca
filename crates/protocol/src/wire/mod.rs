//! What is said on each hop.
//!
//! [`agent`] reads what agents write as far as it is drawn, [`kinds`] types all that agents and hosts say and loses
//! nothing, [`prompt`] and [`control`] write what agents read, [`client`] is the `portcullis.v1` dialect between
//! browser and ingress, [`rest`] the calls beside it, [`worker`] the hop between bridge and ingress, [`close`] the
//! table of close codes and [`framing`] cuts byte streams into lines.

pub mod agent;
pub mod client;
pub mod close;
pub mod control;
pub mod decisions;
mod frame;
pub mod framing;
pub mod kinds;
pub mod prompt;
pub mod rest;
pub mod worker;
