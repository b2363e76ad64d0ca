//! The frame around everything: which page is shown, the bar of a lost connection, keys, and the page of a crash.

mod announcer;
mod around;
mod bar;
mod copy_line;
mod crash;
mod element;
mod frame;
mod keys;
mod link_state;
mod overlays;
mod page;
mod place_link;

pub(crate) use announcer::Announcer;
pub(crate) use around::around_later;
pub use bar::Bar;
pub(crate) use copy_line::CopyLine;
pub use crash::{install_crash_page, show_crash_page};
pub(crate) use element::{focus, moment, told, watch_size};
pub(crate) use frame::Frame;
pub use keys::install_keys;
pub(crate) use link_state::{LinkMark, wire};
pub use overlays::Overlays;
pub(crate) use overlays::overlays_later;
pub use page::{Page, PageProps};
pub(crate) use place_link::PlaceLink;
