//! Messages to a NATS subject, and to a stream of JetStream.

use async_nats::{
    Client, PublishErrorKind,
    jetstream::{self, context::PublishErrorKind as StreamErrorKind, message::PublishMessage},
};
use futures_util::future::BoxFuture;

use super::{Publisher, SourceError, held};
use crate::{
    config::{JetStreamConfig, NatsConfig},
    delivery::Refusal,
    trigger::{
        payload::Message,
        source::nats::{PATIENCE, connect},
    },
};

/// A subject. Whoever listens has the message; the server keeps none.
#[derive(Clone)]
pub(super) struct Subject {
    client: Client,
    subject: String,
}

impl Subject {
    pub(super) async fn connect(config: &NatsConfig) -> Result<Self, SourceError> {
        let (client, _) = connect(&config.broker).await?;
        Ok(Self { client, subject: config.subject.clone() })
    }

    async fn send(&self, message: &Message) -> Result<(), Refusal> {
        let what = format!("cannot publish to '{}'", self.subject);
        let sent = self.client.publish(self.subject.clone(), message.body.clone().into()).await;
        sent.map_err(|error| match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => Refusal::Permanent(format!("{what}: {error}")),
            _ => held(&what, error),
        })?;
        self.client.flush().await.map_err(|error| held(&what, error))
    }
}

impl Publisher for Subject {
    fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(self.send(message))
    }

    fn again(&self) -> Box<dyn Publisher> {
        Box::new(self.clone())
    }
}

/// A stream, which acknowledges what it keeps.
#[derive(Clone)]
pub(super) struct Stream {
    context: jetstream::Context,
    stream: String,
    subject: String,
}

impl Stream {
    pub(super) async fn connect(config: &JetStreamConfig) -> Result<Self, SourceError> {
        let (client, _) = connect(&config.broker).await?;
        let mut context = jetstream::new(client);
        context.set_timeout(PATIENCE);
        let subject = config.subject.clone().unwrap_or_default();
        Ok(Self { context, stream: config.stream.clone(), subject })
    }

    /// The stream drops a message whose id it had in the last minutes, so one that is offered again comes once.
    async fn send(&self, message: &Message) -> Result<(), Refusal> {
        let what = format!("cannot publish to '{}' of the stream '{}'", self.subject, self.stream);
        let failed = |error: jetstream::context::PublishError| match error.kind() {
            StreamErrorKind::MaxPayloadExceeded => Refusal::Permanent(format!("{what}: {error}")),
            _ => held(&what, error),
        };
        let publish = PublishMessage::build()
            .payload(message.body.clone().into())
            .message_id(&message.id)
            .expected_stream(&self.stream);
        let acknowledged = self.context.send_publish(self.subject.clone(), publish).await.map_err(failed)?;
        acknowledged.await.map(drop).map_err(failed)
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
