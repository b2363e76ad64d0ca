//! Before this browser is known: what is the matter, and what to do.

mod code_form;
mod pair_page;

pub(crate) use code_form::CodeForm;
pub(crate) use pair_page::pair_later;
