//! wisp.
