//! Tool calls: one line each, open in place.

mod change;
mod detail;
mod inside;
mod output;
mod picture;
mod tool_view;

pub(crate) use change::ChangeTable;
pub(crate) use detail::detail_later;
pub(crate) use inside::InsideView;
pub(crate) use output::OutputView;
pub(crate) use picture::PictureView;
pub(crate) use tool_view::ToolView;
