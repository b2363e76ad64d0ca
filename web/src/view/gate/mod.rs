//! The gate: one request at a time, its exact text, and the ways to answer it.

mod actions;
mod arming;
mod by_chord;
mod card;
mod denial;
mod editor;
mod elicit;
mod exact;
mod offers;
mod options;
mod panel;
mod plan;
mod questions;
mod reading;
mod spans;
mod strip;
mod ticks;
mod told;

pub(crate) use actions::Actions;
pub(crate) use by_chord::{CHORD_HINT, ChordHint, only_by_chord};
pub(crate) use card::Card;
pub(crate) use denial::Denial;
pub(crate) use editor::Editor;
pub(crate) use elicit::{DialogForm, ElicitForm};
pub(crate) use exact::ExactView;
pub(crate) use offers::Offers;
pub(crate) use options::Options;
pub use panel::Gate;
pub(crate) use panel::gate_later;
pub(crate) use plan::PlanForm;
pub(crate) use questions::{Answer, QuestionForm, texts};
pub(crate) use reading::Reading;
pub(crate) use spans::spans;
pub(crate) use strip::Strip;
pub(crate) use ticks::Ticks;
pub(crate) use told::ToldView;
