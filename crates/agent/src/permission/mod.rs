//! What may run without asking. Paths arrive resolved; time and ids are not needed.

pub(crate) mod policy;
pub(crate) mod rule;
pub(crate) mod update;
