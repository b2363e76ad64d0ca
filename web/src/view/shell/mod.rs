//! The frame around everything: which page is shown, the bar of a lost connection, keys, and the page of a crash.

mod announcer;
mod bar;
mod crash;
mod element;
mod frame;
mod keys;
mod link_state;
mod overlays;
mod page;

pub(crate) use announcer::Announcer;
pub use bar::Bar;
pub use crash::{install_crash_page, show_crash_page};
pub(crate) use element::{focus, told, watch_size};
pub(crate) use frame::Frame;
pub use keys::install_keys;
pub(crate) use link_state::{LinkMark, wire};
pub use overlays::Overlays;
pub use page::{Page, PageProps};
