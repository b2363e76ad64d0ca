//! Who answers. A model is asked for one reply at a time and told what became of its tool calls.

pub(crate) mod directive;
pub(crate) mod messages;
pub(crate) mod prose;
pub(crate) mod scripted;
mod tour;

use serde_json::value::RawValue;

/// What the model does at one API call.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The API fails with this status first, and is asked again.
    pub(crate) fails_with: Option<u16>,
    pub(crate) parts: Vec<Part>,
}

/// One thing within a reply, in order.
#[derive(Debug)]
pub(crate) enum Part {
    Text {
        deltas: Vec<String>,
        gap: Gap,
    },
    Thinking {
        deltas: Vec<String>,
    },
    Call {
        name: String,
        input: Box<RawValue>,
    },
    /// Nothing, for this long.
    Pause {
        ms: u64,
    },
    /// This line on stdout as it is.
    Raw(String),
}

/// The pause before each delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gap {
    /// As fast as this session talks.
    Pace,
    Ms(u64),
}

/// What the model learns about a call it made.
#[derive(Debug)]
pub(crate) enum Observed {
    Ran,
    /// A person or a rule said no, for this reason.
    Denied {
        reason: String,
    },
}
