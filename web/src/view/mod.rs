//! What a person sees. Components read signals and send commands; none of them knows a socket, a key or a clock of
//! its own.

#![expect(unreachable_pub, reason = "what the component macro generates is public whatever the component is")]

mod gate;
mod inbox;
mod later;
mod markdown;
mod pair;
mod session;
mod settings;
mod shell;
mod side;
mod start;

pub use gate::Gate;
pub use inbox::Inbox;
pub use session::{Composer, Queue, Transcript};
pub use settings::Settings;
pub use shell::{Bar, Overlays, Page, PageProps, install_crash_page, install_keys, show_crash_page};
pub use side::{LogOut, Side};
pub use start::NewSession;
