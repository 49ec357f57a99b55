//! Made by `bindgen/` of this crate: what a guest imports, and a file for each interface that it may export.

pub mod after_restore;
pub mod event_handler;
pub mod imports;
pub mod initializer;
pub mod packed_http_handler;
pub mod pre_freeze;
pub mod pre_stop;
