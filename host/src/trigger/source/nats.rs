//! NATS: subjects, whose messages come while somebody listens, and JetStream, which keeps them until they are acknowledged.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_nats::{
    Client, ConnectOptions, Event, HeaderMap,
    jetstream::{self, AckKind, consumer::DeliverPolicy},
};
use futures_util::{StreamExt as _, TryStreamExt as _, future};
use tokio::sync::Notify;

use super::{
    Lost, Message, Records, Sink, Start,
    broker::Broker,
    gather::{Batching, next_batch},
};
use crate::trigger::payload::mns::message_id;

/// What URLs of NATS begin with.
pub const SCHEMES: [&str; 2] = ["nats", "tls"];

const PORT: u16 = 4222;

/// How long a connection, and an answer, may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Messages of a subject. The server keeps none: what is published while nobody listens is not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsSubject {
    /// The server.
    pub broker: Broker,
    /// The subject, with `*` for any token of it and `>` for all that follow.
    pub subject: String,
    /// The queue group: of the hosts that are in it, one gets a message.
    pub queue_group: String,
}

/// Messages of a JetStream stream, by a durable pull consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JetStream {
    /// The server.
    pub broker: Broker,
    /// The stream, which is there already.
    pub stream: String,
    /// Only messages of this subject; default: all.
    pub subject: Option<String>,
    /// The consumer's name. It is made if it is not there.
    pub consumer: String,
    /// Where a new consumer begins.
    pub start: Start,
    /// How long the server waits for an acknowledgement before it sends a message again.
    pub ack_wait: Duration,
    /// How messages become batches.
    pub batching: Batching,
}

impl NatsSubject {
    /// Delivers messages until the connection is lost.
    pub(super) async fn run(&self, sink: &Sink) -> Result<(), Lost> {
        let (client, disconnected) = connect(&self.broker).await?;
        let subscribed = client.queue_subscribe(self.subject.clone(), self.queue_group.clone()).await;
        let mut messages = subscribed.map_err(|error| Lost::new("cannot subscribe", error))?;
        // Only then does the server know of the subscription.
        client.flush().await.map_err(|error| Lost::new("cannot subscribe", error))?;
        sink.connected();
        let serve = async {
            while let Some(message) = messages.next().await {
                let record = Message {
                    topic: message.subject.to_string(),
                    id: message_id(&uuid::Uuid::new_v4().to_string()),
                    sequence: String::new(),
                    end: String::new(),
                    published: SystemTime::now(),
                    attributes: attributes(message.headers.as_ref()),
                    columns: None,
                    body: message.payload,
                };
                sink.deliver(Records::Messages(vec![record])).await;
            }
        };
        tokio::select! {
            () = serve => {}
            () = disconnected.notified() => {}
        }
        Err(Lost::connection(&self.broker))
    }
}

impl JetStream {
    /// Delivers messages and acknowledges them, until the connection is lost.
    pub(super) async fn run(&self, sink: &Sink) -> Result<(), Lost> {
        let (client, disconnected) = connect(&self.broker).await?;
        let consumer = self.consumer(client).await?;
        // Asked for in small portions: what was sent and not acknowledged comes again only after `ack_wait`.
        let messages = consumer.stream().max_messages_per_batch(self.batching.records).messages().await;
        let messages = messages.map_err(|error| Lost::new("cannot get messages", error))?;
        let mut messages = messages.map_err(|error| Lost::new("cannot get messages", error));
        sink.connected();
        let serve = async {
            while let Some((batch, error)) = next_batch(&mut messages, self.batching, |it| it.payload.len()).await {
                self.deliver(sink, &batch).await?;
                error.map_or(Ok(()), Err)?;
            }
            Err(Lost::connection(&self.broker))
        };
        tokio::select! {
            ended = serve => ended,
            () = disconnected.notified() => Err(Lost::connection(&self.broker)),
        }
    }

    async fn consumer(&self, client: Client) -> Result<jetstream::consumer::PullConsumer, Lost> {
        let mut context = jetstream::new(client);
        context.set_timeout(PATIENCE);
        let stream = context.get_stream(&self.stream).await;
        let stream = stream.map_err(|error| Lost::new(&format!("cannot open the stream '{}'", self.stream), error))?;
        let config = jetstream::consumer::pull::Config {
            durable_name: Some(self.consumer.clone()),
            ack_wait: self.ack_wait,
            filter_subject: self.subject.clone().unwrap_or_default(),
            deliver_policy: match self.start {
                Start::All => DeliverPolicy::All,
                Start::New => DeliverPolicy::New,
            },
            ..Default::default()
        };
        let consumer = stream.get_or_create_consumer(&self.consumer, config).await;
        consumer.map_err(|error| Lost::new(&format!("cannot open the consumer '{}'", self.consumer), error))
    }

    async fn deliver(&self, sink: &Sink, batch: &[jetstream::Message]) -> Result<(), Lost> {
        let Some(last) = batch.last() else { return Ok(()) };
        let records = batch.iter().map(|message| self.record(message)).collect::<Result<_, _>>()?;
        let mut delivery = std::pin::pin!(sink.deliver(Records::Messages(records)));
        // The server sends again what it hears nothing about.
        let mut reminder = tokio::time::interval(self.ack_wait / 3);
        reminder.tick().await;
        loop {
            tokio::select! {
                () = &mut delivery => break,
                _ = reminder.tick() => acknowledge(batch, AckKind::Progress).await?,
            }
        }
        acknowledge(batch, AckKind::Ack).await?;
        if let Ok(info) = last.info() {
            sink.set_lag(info.pending);
        }
        Ok(())
    }

    fn record(&self, message: &jetstream::Message) -> Result<Message, Lost> {
        let info = message.info().map_err(|error| Lost::new("cannot read a message", error))?;
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
}

async fn acknowledge(batch: &[jetstream::Message], kind: AckKind) -> Result<(), Lost> {
    let sent = future::try_join_all(batch.iter().map(|message| message.ack_with(kind))).await;
    sent.map(drop).map_err(|error| Lost::new("cannot acknowledge", error))
}

/// Connects, and tells when the connection is gone. The client would connect again by itself; but the source's state and
/// its pauses are the supervisor's.
async fn connect(broker: &Broker) -> Result<(Client, Arc<Notify>), Lost> {
    let disconnected = Arc::new(Notify::new());
    let notify = disconnected.clone();
    let mut options = ConnectOptions::new()
        .name("wisp")
        .connection_timeout(PATIENCE)
        .request_timeout(Some(PATIENCE))
        .require_tls(broker.scheme() == "tls")
        .tls_client_config(broker.tls().map_err(Lost::from)?)
        .event_callback(move |event| {
            if matches!(event, Event::Disconnected | Event::Closed) {
                notify.notify_one();
            }
            future::ready(())
        });
    // As in NATS's own URLs, a name without a password is a token.
    match (&broker.user, &broker.password) {
        (Some(user), Some(password)) => options = options.user_and_password(user.clone(), password.expose().into()),
        (None, Some(token)) => options = options.token(token.expose().into()),
        (Some(token), None) => options = options.token(token.clone()),
        (None, None) => {}
    }
    let address = format!("{}:{}", bracketed(broker.host()), broker.port(PORT));
    let client = options.connect(address).await;
    Ok((client.map_err(|error| Lost::new(&format!("cannot connect to {broker}"), error))?, disconnected))
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// What publishers sent along, without the server's own headers.
fn attributes(headers: Option<&HeaderMap>) -> Vec<(String, String)> {
    let headers = headers.into_iter().flat_map(HeaderMap::iter);
    let headers = headers.filter(|(name, _)| !name.to_string().starts_with("Nats-"));
    let values = headers.flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    let mut attributes: Vec<_> = values.map(|(name, value)| (name.to_string(), value.to_string())).collect();
    attributes.sort();
    attributes
}
