//! Messages to a Redis stream.

use futures_util::future::BoxFuture;
use redis::{aio::MultiplexedConnection, cmd};

use super::{Publisher, SourceError, held};
use crate::{
    config::RedisConfig,
    delivery::Refusal,
    trigger::{
        payload::Message,
        source::redis::{connect, told},
    },
};

/// A stream's key, on a connection.
#[derive(Clone)]
pub(super) struct Stream {
    connection: MultiplexedConnection,
    key: String,
}

impl Stream {
    pub(super) async fn connect(config: &RedisConfig) -> Result<Self, SourceError> {
        Ok(Self { connection: connect(config).await?, key: config.stream.clone() })
    }

    /// One field, so that the message is the whole entry for whoever reads it.
    async fn send(&self, message: &Message) -> Result<(), Refusal> {
        let mut add = cmd("XADD");
        add.arg(&self.key).arg("*").arg("body").arg(&message.body);
        let added = add.query_async::<String>(&mut self.connection.clone()).await;
        added.map(drop).map_err(|error| held(&format!("cannot add to the stream '{}'", self.key), told(&error)))
    }
}

impl Publisher for Stream {
    fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(self.send(message))
    }

    fn again(&self) -> Box<dyn Publisher> {
        Box::new(self.clone())
    }
}
