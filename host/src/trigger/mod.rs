//! What makes functions run.

pub(crate) mod http;
pub mod payload;
pub mod source;
