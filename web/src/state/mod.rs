//! What the page knows: the pure part decides, the signals are what views read.

pub mod alerts;
pub mod ask;
pub mod attach;
pub mod change;
pub mod chord;
pub mod command;
pub mod complete;
pub mod deed;
pub mod delivery;
pub mod dirty;
pub mod elicit;
pub mod find;
pub mod grant;
pub mod groups;
pub mod inbox;
pub mod lifecycle;
pub mod offers;
pub mod palette;
pub mod prefs;
pub mod pulse;
pub mod recall;
pub mod route;
pub mod rows;
pub mod seen;
pub mod storage;
pub mod tool;
pub mod voice;
pub mod window;

pub use portcullis_protocol::approval::{arming, edit, exact, told};

#[cfg(target_arch = "wasm32")]
pub mod app;
#[cfg(target_arch = "wasm32")]
pub mod desk;
#[cfg(target_arch = "wasm32")]
pub mod part;
#[cfg(target_arch = "wasm32")]
pub mod session;
#[cfg(target_arch = "wasm32")]
pub mod tab_store;
