//! The open session: its head, its transcript, what is on its way to it, and the composer.

mod clock;
mod composer;
mod draft;
mod facts;
mod find_bar;
mod head;
mod item;
mod items;
mod marks;
mod menu;
mod place;
mod prompt_field;
mod queue;
mod rail;
mod run;
mod scroll;
mod tool;
mod transcript;
mod turn_bar;

pub use composer::Composer;
pub(crate) use draft::use_draft;
pub(crate) use facts::Facts;
pub(crate) use find_bar::FindBar;
pub(crate) use head::Head;
pub(crate) use item::ItemView;
pub(crate) use menu::Menu;
pub(crate) use place::SessionPlace;
pub(crate) use prompt_field::PromptField;
pub use queue::Queue;
pub(crate) use rail::Rail;
pub(crate) use run::RunView;
pub(crate) use scroll::Scroll;
pub use transcript::Transcript;
pub(crate) use turn_bar::TurnBar;
