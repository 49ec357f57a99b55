//! wisp's integration tests: the real server on ports of its own, and real guests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod event_invoke;
