//! Messages to a Redis stream.

use redis::{aio::MultiplexedConnection, cmd};

use super::{SourceError, held};
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
    pub(super) async fn publish(&self, message: &Message) -> Result<(), Refusal> {
        let mut add = cmd("XADD");
        add.arg(&self.key).arg("*").arg("body").arg(&message.body);
        let added = add.query_async::<String>(&mut self.connection.clone()).await;
        added.map(drop).map_err(|error| held(&format!("cannot add to the stream '{}'", self.key), told(&error)))
    }
}
