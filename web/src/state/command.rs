//! What a person asks for. Views send commands and know nothing of sockets; `link` carries them out.

use portcullis_protocol::id::SessionId;
use portcullis_protocol::session::Choice;
use portcullis_protocol::wire::prompt::{Priority, Said};
use portcullis_protocol::wire::rest::CreateSession;

use super::attach::Attached;
use super::deed::Deed;
use super::route::Route;
use crate::text::export::Format;

/// One thing a person asked for.
#[derive(Clone, Debug)]
pub enum Command {
    /// Show another place.
    Go(Route),
    /// Pair this browser with a code.
    Pair(String),
    /// Ask the server again, now.
    Retry,
    /// Connect the open session now.
    Reconnect,
    /// Start a session.
    Start(Box<CreateSession>),
    /// Say something in the open session.
    Prompt(Said),
    /// Throw a prompt away that the server does not have.
    Discard(String),
    /// Say again what was refused.
    Again(String),
    /// Load what stands above.
    Earlier,
    /// Load what stands below.
    Later,
    /// Show that event.
    Visit(u64),
    /// Show the end of the log again.
    Latest,
    /// Look for words in the whole session; none ends the search.
    Find(String),
    /// Show the next match, or the one before.
    FindStep { forwards: bool },
    /// Save the whole session to a file, or stop that.
    Export(Option<Format>),
    /// Keep what is typed at a place.
    Typed { place: String, text: String },
    /// Bring back what was typed at a place, by [`super::app::App::draft`].
    Draft(String),
    /// Keep what is attached at a place.
    Attached { place: String, files: Vec<Attached> },
    /// Bring back what was attached at a place, by [`super::app::App::files`].
    Attachments(String),
    /// Take a queued prompt back from the agent.
    TakeBack(String),
    /// Let the agent hear of a queued prompt at another time.
    SetPriority { prompt: String, priority: Priority },
    /// Stop what runs.
    Interrupt,
    /// Change the agent's model.
    SetModel(String),
    /// Change how much the agent may do without asking.
    SetMode(String),
    /// Ask the agent for files whose names fit.
    FindFiles(String),
    /// Listen to what waits in these sessions, and in no others beside the open one.
    Watch(Vec<SessionId>),
    /// Answer a request of a session; `None` is the open one.
    Decide { session: Option<SessionId>, request_id: String, digest: String, choice: Choice },
    /// Ask whether something would be lost, before logging out.
    AskToLeave,
    /// Log out.
    LogOut,
    /// Use the key of this browser again.
    SignIn,
    /// Remove the key that was kept when a person logged out.
    RemoveKey,
    /// Do something to a session or a device that is not the open one's own business.
    Do(Deed),
    /// Read a page of archived sessions: the first, or the next.
    Archived { more: bool },
    /// Read a page of decisions, or only of those that granted something: the first, or the next.
    Decisions { granted: bool, more: bool },
    /// Ask the browser whether this page may notify.
    AskToNotify,
    /// Load the page anew, with what was typed.
    Reload,
}
