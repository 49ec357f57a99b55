//! JetStream: a durable pull consumer, whose messages are acknowledged once they are events.

use std::time::{Duration, SystemTime};

use async_nats::{
    Client,
    jetstream::{
        self, AckKind, ErrorCode,
        consumer::{DeliverPolicy, PullConsumer, pull},
        stream::ConsumerErrorKind,
    },
};
use futures_util::{TryStreamExt as _, future, future::BoxFuture};
use tokio::time::timeout;

use super::{
    Sink, Source, SourceError,
    connection::{consumer_name, failed, lost},
    gather::next_batch,
    nats::{PATIENCE, attributes, connect},
    records::{Message, Records, message_id},
};
use crate::config::{JetStreamConfig, Start};

/// A stream.
pub(super) struct JetStream(pub(super) JetStreamConfig);

impl Source for JetStream {
    fn run<'a>(&'a self, sink: &'a Sink) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(self.pull(sink))
    }
}

impl JetStream {
    async fn pull(&self, sink: &Sink) -> Result<(), SourceError> {
        let (client, disconnected) = connect(&self.0.broker).await?;
        let mut consumer = self.consumer(client, &consumer_name(&self.0.consumer, &sink.bound().trigger)).await?;
        let cannot = |error: String| failed(&format!("cannot get messages of '{}'", self.0.stream), error);
        // Asked for in small portions: what was sent and not acknowledged comes again only after `ack_wait`.
        let messages = consumer.stream().max_messages_per_batch(self.0.batching.records).messages().await;
        let messages = messages.map_err(|error| cannot(error.to_string()))?;
        let mut messages = messages.map_err(|error| cannot(error.to_string()));
        sink.connected();
        loop {
            let batch = tokio::select! {
                batch = next_batch(&mut messages, self.0.batching, sink.limit(), |it| it.payload.len()) => batch,
                () = disconnected.notified() => None,
                () = sink.stopped() => break,
            };
            let (batch, error) = batch.ok_or_else(|| lost(&self.0.broker))?;
            self.deliver(sink, &batch).await?;
            error.map_or(Ok(()), Err)?;
        }
        // What the server sends to somebody who is about to leave comes again only after `ack_wait`, and behind what is
        // newer: so it is told first that nobody asks any longer. Its answer to the next question says that it has heard it.
        drop(messages);
        let _ = timeout(PATIENCE, consumer.info()).await;
        Ok(())
    }

    async fn consumer(&self, client: Client, name: &str) -> Result<PullConsumer, SourceError> {
        let mut context = jetstream::new(client);
        context.set_timeout(PATIENCE);
        let stream = context.get_stream(&self.0.stream).await;
        let stream = stream.map_err(|error| failed(&format!("cannot open the stream '{}'", self.0.stream), error))?;
        let config = pull::Config {
            durable_name: Some(name.to_owned()),
            ack_wait: self.0.ack_wait,
            filter_subject: self.0.subject.clone().unwrap_or_default(),
            deliver_policy: match self.0.start {
                Start::All => DeliverPolicy::All,
                Start::New => DeliverPolicy::New,
            },
            ..Default::default()
        };
        let consumer = stream.get_or_create_consumer(name, config).await;
        consumer.map_err(|error| failed(&format!("cannot open the consumer '{name}' of '{}'", self.0.stream), error))
    }

    async fn deliver(&self, sink: &Sink, batch: &[jetstream::Message]) -> Result<(), SourceError> {
        let Some(last) = batch.last() else { return Ok(()) };
        let records = Records::Messages(batch.iter().map(record).collect::<Result<_, _>>()?);
        let mut delivery = std::pin::pin!(sink.hand_over(&records, Vec::new()));
        // The server sends again what it hears nothing about.
        let mut reminder = tokio::time::interval(self.0.ack_wait / 3);
        reminder.tick().await;
        loop {
            tokio::select! {
                delivered = &mut delivery => break delivered?,
                _ = reminder.tick() => acknowledge(batch, AckKind::Progress).await?,
            }
        }
        acknowledge(batch, AckKind::Ack).await?;
        if let Ok(info) = last.info() {
            sink.waiting(info.pending);
        }
        Ok(())
    }
}

/// Removes a consumer, so that its stream keeps nothing for it.
///
/// # Errors
/// If the server is not reached, or does not remove it.
pub(super) async fn remove_consumer(config: &JetStreamConfig, name: &str) -> Result<(), SourceError> {
    let (client, _) = connect(&config.broker).await?;
    let mut context = jetstream::new(client);
    context.set_timeout(PATIENCE);
    match context.delete_consumer_from_stream(name, &config.stream).await {
        Err(error) if is_gone(&error.kind()) => Ok(()),
        removed => removed.map(drop).map_err(|error| failed(&format!("cannot remove the consumer '{name}'"), error)),
    }
}

/// A stream that is gone took its consumers along.
fn is_gone(kind: &ConsumerErrorKind) -> bool {
    let gone = [ErrorCode::CONSUMER_NOT_FOUND, ErrorCode::STREAM_NOT_FOUND];
    matches!(kind, ConsumerErrorKind::JetStream(error) if gone.contains(&error.error_code()))
}

fn record(message: &jetstream::Message) -> Result<Message, SourceError> {
    let info = message.info().map_err(|error| failed("cannot read a message of JetStream", error))?;
    let nanoseconds = u64::try_from(info.published.unix_timestamp_nanos()).unwrap_or_default();
    Ok(Message {
        topic: message.subject.to_string(),
        id: message_id(&format!("{}:{}", info.stream, info.stream_sequence)),
        sequence: info.stream_sequence.to_string(),
        end: info.stream_sequence.saturating_add(1).to_string(),
        published: SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds),
        attributes: attributes(message.headers.as_ref()),
        columns: None,
        body: message.payload.clone(),
    })
}

async fn acknowledge(batch: &[jetstream::Message], kind: AckKind) -> Result<(), SourceError> {
    let sent = future::try_join_all(batch.iter().map(|message| message.ack_with(kind))).await;
    sent.map(drop).map_err(|error| failed("cannot acknowledge messages of JetStream", error))
}
