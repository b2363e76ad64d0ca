//! The open session: its head, its transcript, what is on its way to it, and the composer.

mod completion;
mod composer;
mod draft;
mod facts;
mod head;
mod item;
mod items;
mod menus;
mod pictures;
mod place;
mod prompt_field;
mod queue;
mod scroll;
mod tool;
mod transcript;

pub use composer::Composer;
pub(crate) use draft::use_draft;
pub(crate) use facts::Facts;
pub(crate) use head::Head;
pub(crate) use item::ItemView;
pub(crate) use place::session_later;
pub(crate) use prompt_field::PromptField;
pub use queue::Queue;
pub(crate) use scroll::Scroll;
pub(crate) use tool::detail_later;
pub use transcript::Transcript;
