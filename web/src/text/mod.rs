//! What happens to text before it is drawn. Pure functions, so that their tests run natively.

pub mod ansi;
pub mod export;
pub mod highlight;
pub mod links;
pub mod markdown;
pub mod pretty;
pub mod seal;
pub mod words;

pub use portcullis_protocol::approval::diff;
