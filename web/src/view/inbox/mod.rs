//! What waits over all sessions, answered in one place.

mod page;
mod row;
mod waiting;

pub use page::Inbox;
pub(crate) use page::inbox_later;
pub(crate) use row::{Answered, Row};
pub(crate) use waiting::{Asked, Board, use_board};
