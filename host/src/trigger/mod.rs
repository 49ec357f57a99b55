//! What makes functions run.

pub(crate) mod http;
pub mod payload;
pub mod schedule;
pub mod settings;
pub(crate) mod source;

pub use source::start;
