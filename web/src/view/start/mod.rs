//! Places without a session: nothing chosen yet, and a new one.

mod home;
mod new_session;
mod options;

pub(crate) use home::Home;
pub use new_session::NewSession;
pub(crate) use new_session::new_later;
pub(crate) use options::Options;
