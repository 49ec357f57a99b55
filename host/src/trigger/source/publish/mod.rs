//! Messages to brokers: records of asynchronous invocations whose destination is one of `[sources]`.
//!
//! A connection is made for the first message and kept for the next; one that fails is dropped, and whoever offers the
//! message offers it again.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use parking_lot::Mutex;

use super::SourceError;
use crate::{config::SourceConfig, delivery::Refusal, trigger::payload::Message};

mod mqtt;
mod nats;
mod redis;

/// From the look-up of the broker's name to its acknowledgement.
const PATIENCE: Duration = Duration::from_secs(15);

/// A connection that messages are sent by. A cheap handle.
#[derive(Clone)]
enum Connection {
    Nats(nats::Subject),
    JetStream(nats::Stream),
    Mqtt(mqtt::Topic),
    Redis(redis::Stream),
}

impl Connection {
    async fn open(config: &SourceConfig) -> Result<Self, SourceError> {
        Ok(match config {
            SourceConfig::Nats(config) => Self::Nats(nats::Subject::connect(config).await?),
            SourceConfig::JetStream(config) => Self::JetStream(nats::Stream::connect(config).await?),
            SourceConfig::Mqtt(config) => Self::Mqtt(mqtt::Topic(config.clone())),
            SourceConfig::Redis(config) => Self::Redis(redis::Stream::connect(config).await?),
            SourceConfig::Bucket(_) | SourceConfig::Inbox(_) | SourceConfig::Postgres(_) => {
                return Err(SourceError(format!("nothing is published to a source of the type {:?}", config.kind())));
            }
        })
    }

    /// Returns once the broker has the message, as far as it tells.
    async fn publish(&self, message: &Message) -> Result<(), Refusal> {
        match self {
            Self::Nats(subject) => subject.publish(message).await,
            Self::JetStream(stream) => stream.publish(message).await,
            Self::Mqtt(topic) => topic.publish(message).await,
            Self::Redis(stream) => stream.publish(message).await,
        }
    }
}

/// The connections to brokers, by the names of their sources.
#[derive(Default)]
pub(super) struct Publishers(Mutex<HashMap<String, (SourceConfig, Connection)>>);

impl Publishers {
    /// Sends a message. It may come twice if this fails, or is not waited for.
    ///
    /// # Errors
    /// Why the broker does not take it.
    pub(super) async fn publish(&self, source: &str, config: &SourceConfig, message: Message) -> Result<(), Refusal> {
        let sent = tokio::time::timeout(PATIENCE, self.send(source, config, &message)).await;
        let sent = sent.unwrap_or_else(|_| {
            Err(Refusal::Held(format!("{} gave no answer within {} s", config.endpoint(), PATIENCE.as_secs())))
        });
        if sent.is_err() {
            self.0.lock().remove(source);
        }
        sent
    }

    async fn send(&self, source: &str, config: &SourceConfig, message: &Message) -> Result<(), Refusal> {
        let connection = match self.opened(source, config) {
            Some(connection) => connection,
            None => {
                let connection = Connection::open(config).await.map_err(|error| Refusal::Held(error.0))?;
                self.0.lock().insert(source.to_owned(), (config.clone(), connection.clone()));
                connection
            }
        };
        connection.publish(message).await
    }

    /// Closes the connections to brokers that are no sources any more.
    pub(super) fn keep(&self, sources: &BTreeMap<String, SourceConfig>) {
        self.0.lock().retain(|name, (of, _)| sources.get(name) == Some(of));
    }

    fn opened(&self, source: &str, config: &SourceConfig) -> Option<Connection> {
        let opened = self.0.lock();
        opened.get(source).filter(|(of, _)| of == config).map(|(_, connection)| connection.clone())
    }
}

fn held(what: &str, reason: impl std::fmt::Display) -> Refusal {
    Refusal::Held(format!("{what}: {reason}"))
}
