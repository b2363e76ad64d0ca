//! The sessions, in the order of what they want, and the machines they run on.

mod archived;
mod beside;
mod environment_card;
mod log_out;
mod row_acts;
mod session_group;
mod session_row;
mod side_column;
mod waiting_device;

pub(crate) use archived::Archived;
pub(crate) use beside::beside_later;
use beside::{Beside, beside};
pub(crate) use environment_card::EnvironmentCard;
pub use log_out::LogOut;
pub(crate) use row_acts::RowActs;
pub(crate) use session_group::SessionGroup;
pub(crate) use session_row::SessionRow;
pub use side_column::Side;
pub(crate) use waiting_device::WaitingDevices;
