//! Where events come from: each trigger runs its source in a task of its own.
//!
//! A *source* waits for what happens outside and hands it to its *sink*, which makes the event of the trigger's type and
//! returns when that is durable; only then does the source acknowledge it outside. The *supervisor* starts and stops sources
//! as the catalog changes. Every trigger has a source of its own, so one whose function is overrun, or whose broker is
//! down, holds up no other.

use futures_util::future::BoxFuture;

mod bound;
mod bucket;
mod connection;
mod gather;
mod inbox;
mod jetstream;
mod metrics;
mod mqtt;
mod nats;
mod postgres;
mod publish;
mod records;
mod redis;
mod sink;
mod status;
mod supervisor;
mod timer;

use self::bound::Bound;
pub use self::supervisor::start;
pub(crate) use self::{
    inbox::{Post, ReceiveError},
    records::message_id,
    sink::{Sink, Stopped},
    supervisor::{TriggerError, Triggers},
};
use crate::{config::SourceConfig, trigger::settings::TriggerSettings};

/// Waits for what happens, and hands it over.
pub(crate) trait Source: Send + Sync {
    /// Connects, says so by [`Sink::connected`], and hands over what happens until the sink is [`Sink::stopped`].
    ///
    /// What is handed over is durable when [`Sink::deliver`] returns; it is acknowledged outside only then. After the stop a
    /// source may finish what it is at, for a few seconds; then its future is dropped.
    ///
    /// # Errors
    /// Why it cannot go on. It is started again, after a pause that grows.
    fn run<'a>(&'a self, sink: &'a Sink) -> BoxFuture<'a, Result<(), SourceError>>;
}

/// Why a source cannot go on, for people: the thing, the reason, the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct SourceError(pub(crate) String);

/// The sink was told to stop, so nothing is left to do.
impl From<Stopped> for SourceError {
    fn from(_: Stopped) -> Self {
        Self("the source is stopped".to_owned())
    }
}

impl From<crate::delivery::EventsError> for SourceError {
    fn from(error: crate::delivery::EventsError) -> Self {
        Self(error.to_string())
    }
}

/// The source of a trigger, or why it has none.
fn source_of(bound: &Bound) -> Result<Box<dyn Source>, String> {
    if let TriggerSettings::Timer(settings) = &bound.trigger.settings {
        return Ok(Box::new(timer::Timer::new(settings.clone())));
    }
    let source = bound.source.as_ref().ok_or("the trigger names no source")?;
    Ok(match source {
        SourceConfig::Bucket(config) => Box::new(bucket::Bucket::new(config.clone())),
        SourceConfig::Inbox(config) => Box::new(inbox::InboxSource::new(config)),
        SourceConfig::Nats(config) => Box::new(nats::Nats(config.clone())),
        SourceConfig::JetStream(config) => Box::new(jetstream::JetStream(config.clone())),
        SourceConfig::Mqtt(config) => Box::new(mqtt::Mqtt(config.clone())),
        SourceConfig::Redis(config) => Box::new(redis::RedisStream(config.clone())),
        SourceConfig::Postgres(config) => Box::new(postgres::PostgresTable(config.clone())),
    })
}
