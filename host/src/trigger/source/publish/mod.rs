//! Messages to brokers: records of asynchronous invocations whose destination is one of `[sources]`.
//!
//! A connection is made for the first message and kept for the next; one that fails is dropped, and whoever offers the
//! message offers it again.

use std::{collections::HashMap, time::Duration};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use super::SourceError;
use crate::{config::SourceConfig, delivery::Refusal, trigger::payload::Message};

mod mqtt;
mod nats;
mod redis;

/// From the look-up of the broker's name to its acknowledgement.
const PATIENCE: Duration = Duration::from_secs(15);

/// A connection that messages are sent by. A cheap handle.
trait Publisher: Send + Sync {
    /// Returns once the broker has the message, as far as it tells.
    fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), Refusal>>;

    /// The same connection once more.
    fn again(&self) -> Box<dyn Publisher>;
}

/// The connections to brokers, by the names of their sources.
#[derive(Default)]
pub(super) struct Publishers(Mutex<HashMap<String, (SourceConfig, Box<dyn Publisher>)>>);

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
        let publisher = match self.open(source, config) {
            Some(publisher) => publisher,
            None => {
                let publisher = connect(config).await.map_err(|error| Refusal::Held(error.0))?;
                self.0.lock().insert(source.to_owned(), (config.clone(), publisher.again()));
                publisher
            }
        };
        publisher.publish(message).await
    }

    fn open(&self, source: &str, config: &SourceConfig) -> Option<Box<dyn Publisher>> {
        let open = self.0.lock();
        open.get(source).filter(|(of, _)| of == config).map(|(_, publisher)| publisher.again())
    }
}

async fn connect(config: &SourceConfig) -> Result<Box<dyn Publisher>, SourceError> {
    Ok(match config {
        SourceConfig::Nats(config) => Box::new(nats::Subject::connect(config).await?),
        SourceConfig::JetStream(config) => Box::new(nats::Stream::connect(config).await?),
        SourceConfig::Mqtt(config) => Box::new(mqtt::Topic(config.clone())),
        SourceConfig::Redis(config) => Box::new(redis::Stream::connect(config).await?),
        SourceConfig::Bucket(_) | SourceConfig::Inbox(_) | SourceConfig::Postgres(_) => {
            return Err(SourceError(format!("nothing is published to a source of the type {:?}", config.kind())));
        }
    })
}

fn held(what: &str, reason: impl std::fmt::Display) -> Refusal {
    Refusal::Held(format!("{what}: {reason}"))
}
