//! Places without a session: nothing chosen yet, and a new one.

mod home;
mod new_session;

pub(crate) use home::Home;
pub(crate) use new_session::new_later;
