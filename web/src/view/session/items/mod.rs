//! Items that are words: prompts, answers, thoughts, notices, ends of turns.

mod notice;
mod prompt;
mod text;
mod thinking;
mod turn;

pub(crate) use notice::NoticeView;
pub(crate) use prompt::PromptView;
pub(crate) use text::TextView;
pub(crate) use thinking::ThinkingView;
pub(crate) use turn::TurnView;
