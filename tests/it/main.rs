//! wisp's integration tests: the real server on ports of its own, and real guests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod artifacts;
mod capabilities;
mod concurrency;
mod deploy_errors;
mod event_invoke;
mod examples;
mod http_trigger;
mod initializer;
mod instances;
mod limits;
mod management;
mod observability;
mod official_sdks;
mod payload_formats;
mod shutdown;
