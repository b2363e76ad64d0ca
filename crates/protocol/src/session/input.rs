//! What a driver tells the machine.

use crate::json::RawJson;
use crate::wire::prompt::{Priority, Said};
use crate::wire::rest::{ErrorDetail, EventsPage};

/// What a session machine is given once.
#[derive(Clone, Copy, Debug)]
pub struct SessionConfig {
    /// Randomness for the jitter of retries.
    pub seed: u64,
    /// Which part of the log is loaded first.
    pub start: StartAt,
}

/// Which part of the log is loaded first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartAt {
    /// The first event, and everything behind it.
    #[default]
    Beginning,
    /// The newest page; what stands above it comes by [`Input::WantHistory`].
    Tail,
    /// None of it, now or later: what waits for a person is all that is wanted. The transcript stays empty.
    Head,
}

/// What a driver tells the machine.
#[derive(Clone, Debug)]
pub enum Input {
    /// A person wants the session.
    Start,
    /// Nobody wants it any more.
    Stop,
    /// The socket is open; this is a fresh access token for it.
    Opened { token: String },
    /// A fresh access token for the socket that is open.
    Renewed { token: String },
    /// The socket, or the try to open one, ended with this code: 1006 when there was none, 4003 when the server gives
    /// this device no token, 4001 when it has no such session.
    Closed { code: u16 },
    /// A text frame.
    Frame(String),
    /// The page that was asked for, or `None` when there was no answer.
    Fetched { fetch: u64, page: Option<EventsPage> },
    /// A POST was answered, or was not.
    Posted { post: u64, outcome: PostOutcome },
    /// Storage has the prompt (`lasting`), or was denied, full or gone.
    Kept { uuid: String, lasting: bool },
    /// Prompts that were kept from before, each with its uuid, oldest first.
    Restored(Vec<(String, Said)>),
    /// A person said something. `uuid` is fresh and random.
    Prompt { uuid: String, said: Said },
    /// A person threw a prompt away that waits or was refused.
    Discard { uuid: String },
    /// A person decided about the request whose bytes have this `digest`. `uuid` is fresh and random.
    Decide { uuid: String, request_id: String, digest: String, choice: Choice },
    /// A person wants the agent to hear at another time of a prompt that waits with it. `uuid` and `fresh` are fresh and
    /// random: the first is of the request that takes it back, the other of the prompt once it is said again.
    SetPriority { prompt: String, priority: Priority, uuid: String, fresh: String },
    /// A control request of this client's; `uuid` serves as its `request_id` too.
    Control { uuid: String, request: RawJson },
    /// What the server says about this device.
    Whoami(Whoami),
    /// The view is near the top of what was loaded.
    WantHistory,
    /// The view is near the end of what was loaded, and that is not the end of the log.
    WantLater,
    /// A person wants to see that row, wherever it is.
    Visit { seq: u64 },
    /// A person wants to see the end of the log again.
    Return,
    /// What was kept from before, for as long as the server is not heard.
    Recall(EventsPage),
    /// The tab was shown, the network came back, or a person said "now".
    Wake,
    /// The tab was hidden.
    Hidden,
    /// The person logged out: what was not delivered is forgotten.
    LoggedOut,
    /// The time of [`super::Session::poll_timeout`] has come.
    Timeout,
}

/// What a person decided about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Run exactly this, once.
    Allow,
    /// Run exactly this, and grant the suggestion at this index.
    AllowWith { suggestion: usize },
    /// Pick the option of this id, which the agent offered; whether it allows is in its kind.
    Pick { option_id: String },
    /// Run this instead. The text is what the shown difference was made from.
    AllowEdited { input: RawJson },
    /// Answer a question: the input with `answers` put in.
    Answer { input: RawJson },
    /// Accept an elicitation, with the values of its form.
    Accept { content: Option<RawJson> },
    /// Complete a dialog with this.
    Complete { result: RawJson },
    /// Do not run it; decline or close what is no tool's. The message becomes the tool's result.
    Deny { message: String, interrupt: bool },
}

/// How a POST ended.
#[derive(Clone, Debug)]
pub enum PostOutcome {
    /// Taken, now or before (`duplicate`), with its place in the log if the answer named one.
    Accepted { seq: Option<u64> },
    /// Refused for good, with the server's words.
    Refused(ErrorDetail),
    /// No answer, or one that says "later".
    Failed,
}

/// What the server says about this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whoami {
    /// It knows it: what fails is on the way.
    Known,
    /// It does not.
    Refused,
    /// It said nothing.
    NoAnswer,
}
