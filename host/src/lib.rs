//! wisp: a WebAssembly function host under the programming model of Function Compute.
//!
//! The modules in the order of an invocation: [`server`] ▸ `trigger` ▸ [`host`] and [`invoke`] ▸ `pool` ▸ `instance`.
//! ARCHITECTURE.md has the map.

mod activity;
mod admission;
mod api;
pub mod bench;
mod busy_poll;
pub mod capability;
pub mod catalog;
pub mod component;
pub mod config;
mod control;
pub mod delivery;
pub mod engine;
pub mod host;
pub mod instance;
pub mod invoke;
mod limits;
mod platform_error;
mod pool;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod tls;
pub mod trigger;
mod unread;

pub use api::{checksum, signature};
