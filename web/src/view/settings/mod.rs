//! What is set once and looked up rarely: how this page looks and sounds, who else has a device here, what was granted,
//! and what was decided.

mod about;
mod choice;
mod decisions;
mod device_row;
mod devices;
mod roles;
mod rules;
mod settings_page;
mod this_page;

pub(crate) use about::About;
pub(crate) use choice::{Choice, Switch};
pub(crate) use decisions::Decisions;
pub(crate) use device_row::DeviceRow;
pub(crate) use devices::Devices;
pub(crate) use roles::Roles;
pub(crate) use rules::Rules;
pub use settings_page::Settings;
pub(crate) use settings_page::settings_later;
pub(crate) use this_page::ThisPage;
