//! Types for everything agents and their hosts say, with nothing lost: parse → serialise gives the value that came,
//! in its order, number for number.
//!
//! Beside it stands [`wire::agent`](super::agent), and both are needed. That one is the cheap view the fold draws
//! from: it reads the few fields that are shown and drops the rest, and it is all of this that a browser downloads.
//! This one is whole, for looking at recordings, for tests, and for whoever has to write such lines.
//!
//! A credential prints like any other field: whoever logs a [`message::Message`] of kind `auth` leaks it.
//!
//! Where the facts come from: each type names the section of `PROTOCOL` that describes it, and whether it was
//! *captured* (seen in runs of the real programs), *typed* (in public type files) or taken from public docs or
//! write-ups. `null`, absent and `""` are three things everywhere ([`value::Field`]). A tool's input and output stay
//! raw text in the message; [`tools`] types them on demand.
//!
//! ```
//! use portcullis_protocol::RawJson;
//! use portcullis_protocol::wire::kinds::{Message, Piece as _, Shape as _};
//!
//! let line = r#"{"type":"keep_alive","since":1.0}"#;
//! let message = Message::parse(&RawJson::parse(line)?)?;
//! assert!(matches!(&message, Message::KeepAlive(alive) if alive.extra.get("since").is_some()));
//! assert!(message.is_typed());
//! assert_eq!(message.to_json().as_str(), line);
//!
//! let line = r#"{"type":"from_next_year","x":[1e5]}"#;
//! let message = Message::parse(&RawJson::parse(line)?)?;
//! assert!(!message.is_typed());
//! assert_eq!(message.to_json().as_str(), line);
//! # Ok::<(), portcullis_protocol::json::JsonError>(())
//! ```

pub mod assistant;
pub mod block;
pub mod control;
pub mod exact;
mod macros;
pub mod message;
pub mod other;
pub mod result;
pub mod shape;
pub mod stream;
pub mod system;
pub mod tools;
pub mod user;
pub mod value;

pub use message::Message;
pub use shape::{Extra, Misfit, Piece, Shape};
pub use value::{Field, Number};
