//! NATS: a connection, and subjects, whose messages come while somebody listens.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_nats::{Client, ConnectOptions, Event, HeaderMap};
use futures_util::{StreamExt as _, future, future::BoxFuture};
use tokio::sync::Notify;

use super::{
    Sink, Source, SourceError,
    connection::{consumer_name, failed, lost, tls},
    records::{Message, Records, message_id},
};
use crate::config::{Broker, NatsConfig};

const PORT: u16 = 4222;

/// How long a connection, and an answer, may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A subject.
pub(super) struct Nats(pub(super) NatsConfig);

impl Source for Nats {
    fn run<'a>(&'a self, sink: &'a Sink) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(self.listen(sink))
    }
}

impl Nats {
    async fn listen(&self, sink: &Sink) -> Result<(), SourceError> {
        let (client, disconnected) = connect(&self.0.broker).await?;
        let group = consumer_name(&self.0.consumer, &sink.bound().trigger);
        let cannot = |error: String| failed(&format!("cannot subscribe to '{}'", self.0.subject), error);
        let subscribed = client.queue_subscribe(self.0.subject.clone(), group).await;
        let mut messages = subscribed.map_err(|error| cannot(error.to_string()))?;
        // Only then does the server know of the subscription.
        client.flush().await.map_err(|error| cannot(error.to_string()))?;
        sink.connected();
        loop {
            let message = tokio::select! {
                message = messages.next() => message,
                () = disconnected.notified() => None,
                () = sink.stopped() => return Ok(()),
            };
            let message = message.ok_or_else(|| lost(&self.0.broker))?;
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
            sink.hand_over(&Records::Messages(vec![record]), Vec::new()).await?;
        }
    }
}

/// Connects, and tells when the connection is gone. The client would connect again by itself; but a source's state and its
/// pauses are the supervisor's.
pub(super) async fn connect(broker: &Broker) -> Result<(Client, Arc<Notify>), SourceError> {
    let disconnected = Arc::new(Notify::new());
    let notify = disconnected.clone();
    let mut options = ConnectOptions::new()
        .name("wisp")
        .connection_timeout(PATIENCE)
        .request_timeout(Some(PATIENCE))
        .require_tls(broker.scheme() == "tls")
        .tls_client_config(tls(broker)?)
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
    Ok((client.map_err(|error| failed(&format!("cannot connect to {broker}"), error))?, disconnected))
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// What publishers sent along, without the server's own headers.
pub(super) fn attributes(headers: Option<&HeaderMap>) -> Vec<(String, String)> {
    let headers = headers.into_iter().flat_map(HeaderMap::iter);
    let headers = headers.filter(|(name, _)| !name.to_string().starts_with("Nats-"));
    let values = headers.flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    let mut attributes: Vec<_> = values.map(|(name, value)| (name.to_string(), value.to_string())).collect();
    // The client keeps them in no order.
    attributes.sort();
    attributes
}
