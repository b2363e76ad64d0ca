//! The built-in agent: on stdio it speaks the stream-json of a coding agent, with real tools and a model that
//! follows a script. Enter by [`parse_args`] and [`run_stdio`].

mod args;
mod charter;
mod engine;
mod error;
mod front;
mod hooks;
mod model;
mod options;
mod permission;
mod tools;
mod turn;
mod wire;
mod world;

pub use args::{Invocation, UsageError, parse_args};
pub use error::{AgentError, ExitReport};
pub use front::run_stdio;
pub use model::messages::{Endpoint, EndpointError, request::Thinking};
pub use options::{AgentOptions, DEFAULT_MODEL, Pace, PermissionMode, Resume, UnknownMode};
pub use world::{SystemWorld, World};
