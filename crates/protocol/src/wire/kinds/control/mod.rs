//! The control protocol: the same three envelopes in both directions, each side with ids of its own (PROTOCOL 8).

pub mod asked;
pub mod hook;
pub mod listing;
pub mod permission;
pub mod request;
pub mod response;

pub use asked::CanUseTool;
pub use request::Request;
pub use response::{Reply, Response};

use super::macros::record;
use super::value::Text;

record! {
    /// One side asks (PROTOCOL 8.1, captured).
    pub struct ControlRequest ["type" = "control_request"] {
        /// Correlation id; what came without one is answered without one.
        request_id: Text,
        /// What is asked. An approval binds its bytes: see [`wire::control`](crate::wire::control).
        request: Request,
        /// The event's own id (SSE clients send one).
        uuid: Text,
        /// The session (hosted servers add it).
        session_id: Text,
    }
}

record! {
    /// The other side answers (PROTOCOL 8.1, captured). May also be the echo of one's own answer.
    pub struct ControlResponse ["type" = "control_response"] {
        /// The answer.
        response: Response,
        /// The event's own id (SSE clients send one).
        uuid: Text,
        /// The session (hosted servers add it).
        session_id: Text,
    }
}

record! {
    /// The side that asked takes it back; there is no answer (PROTOCOL 8.5, captured).
    pub struct CancelRequest ["type" = "control_cancel_request"] {
        /// The request.
        request_id: Text,
        /// The event's own id (SSE clients send one).
        uuid: Text,
        /// The session (hosted servers add it).
        session_id: Text,
    }
}
