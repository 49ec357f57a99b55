//! wisp's integration tests: the real server on ports of its own, and real guests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod artifacts;
mod async_destinations;
mod async_invoke;
mod async_killed;
mod async_sources;
mod broker_examples;
mod broker_tls;
mod busy_poll;
mod capabilities;
mod concurrency;
mod deploy_errors;
mod editor_types;
mod edits;
mod event_invoke;
mod examples;
mod fixtures;
mod http_trigger;
mod https;
mod initializer;
mod instances;
mod limits;
mod management;
mod many_functions;
mod mapped_code;
mod new_projects;
mod observability;
mod official_sdks;
mod packed_http;
mod payload_formats;
mod runtimes;
mod shutdown;
mod snapshots;
mod source_examples;
mod sources;
mod triggers;
mod unread_bodies;
