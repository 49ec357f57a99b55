//! Triggers of all types, with real sources.

mod brokers;
mod mqtt;
mod nats;
mod postgres;
mod redis;
