//! MQTT 3.1.1: a persistent session with QoS 1, acknowledged by hand.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::future::BoxFuture;
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, MqttOptions, Outgoing, Packet, Publish, QoS,
    SubscribeReasonCode, TlsConfiguration, Transport,
};
use uuid::Uuid;

use super::{
    Sink, Source, SourceError,
    connection::{consumer_name, failed, tls},
    records::{Message, Records, message_id},
};
use crate::config::MqttConfig;

const PORT: u16 = 1883;
const TLS_PORT: u16 = 8883;

/// How often the broker hears of a connection without messages.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// The longest packet that is taken: what no event can be is refused after it was read, not by an end of the connection.
const PACKET: usize = 16 << 20;

/// How long taking leave may take.
const LEAVE: Duration = Duration::from_secs(2);

/// How many messages wait here for those before them. A broker sends fewer before it wants acknowledgements.
const WAITING: usize = 128;

/// Topics.
pub(super) struct Mqtt(pub(super) MqttConfig);

impl Source for Mqtt {
    fn run<'a>(&'a self, sink: &'a Sink) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(self.listen(sink))
    }
}

impl Mqtt {
    async fn listen(&self, sink: &Sink) -> Result<(), SourceError> {
        let client_id = consumer_name(&self.0.consumer, &sink.bound().trigger);
        let (client, mut events) = AsyncClient::new(self.options(&client_id)?, WAITING);
        let mut waiting = VecDeque::new();
        self.subscribe(&client, &mut events, &mut waiting).await?;
        sink.connected();
        loop {
            let Some(message) = waiting.front() else {
                tokio::select! {
                    polled = events.poll() => self.take(polled, &mut waiting)?,
                    () = sink.stopped() => return Self::part(&client, &mut events).await,
                }
                continue;
            };
            let records = Records::Messages(vec![record(message)]);
            let mut delivery = std::pin::pin!(sink.hand_over(&records, Vec::new()));
            loop {
                let room = waiting.len() < WAITING;
                tokio::select! {
                    delivered = &mut delivery => break delivered?,
                    // The connection is looked after meanwhile: the broker ends one that it hears nothing from.
                    polled = events.poll(), if room => self.take(polled, &mut waiting)?,
                }
            }
            self.acknowledge(&client, &mut events, &mut waiting).await?;
        }
    }

    /// In a session that was kept, messages may come before the answer to the subscription.
    async fn subscribe(
        &self,
        client: &AsyncClient,
        events: &mut EventLoop,
        waiting: &mut VecDeque<Publish>,
    ) -> Result<(), SourceError> {
        client.try_subscribe(&self.0.topic, QoS::AtLeastOnce).map_err(|error| failed("cannot subscribe", error))?;
        loop {
            match self.polled(events.poll().await)? {
                Event::Incoming(Packet::SubAck(answer)) => {
                    if answer.return_codes.contains(&SubscribeReasonCode::Failure) {
                        return Err(SourceError(format!("the broker refuses the subscription to '{}'", self.0.topic)));
                    }
                    return Ok(());
                }
                Event::Incoming(Packet::Publish(message)) => waiting.push_back(message),
                _ => {}
            }
        }
    }

    /// Sends the acknowledgements that wait, and takes leave. The session stays at the broker.
    async fn part(client: &AsyncClient, events: &mut EventLoop) -> Result<(), SourceError> {
        client.try_disconnect().map_err(|error| failed("cannot take leave of the broker", error))?;
        let left =
            async { while !matches!(events.poll().await, Ok(Event::Outgoing(Outgoing::Disconnect)) | Err(_)) {} };
        // A broker that is gone has the session all the same.
        let _ = tokio::time::timeout(LEAVE, left).await;
        Ok(())
    }

    fn take(&self, polled: Result<Event, ConnectionError>, waiting: &mut VecDeque<Publish>) -> Result<(), SourceError> {
        if let Event::Incoming(Packet::Publish(message)) = self.polled(polled)? {
            waiting.push_back(message);
        }
        Ok(())
    }

    /// The client would connect again by itself, and then acknowledge messages of the old connection by numbers that mean
    /// others in the new one: so a lost connection ends the source, which begins anew.
    pub(super) fn polled(&self, polled: Result<Event, ConnectionError>) -> Result<Event, SourceError> {
        polled.map_err(|error| match error {
            ConnectionError::ConnectionRefused(ConnectReturnCode::BadUserNamePassword) => {
                SourceError(format!("{} refuses user or password", self.0.broker))
            }
            ConnectionError::ConnectionRefused(ConnectReturnCode::NotAuthorized) => {
                SourceError(format!("{} does not authorize wisp: give `user` and `password`", self.0.broker))
            }
            error => failed(&format!("the connection to {} is lost", self.0.broker), error),
        })
    }

    async fn acknowledge(
        &self,
        client: &AsyncClient,
        events: &mut EventLoop,
        waiting: &mut VecDeque<Publish>,
    ) -> Result<(), SourceError> {
        let Some(message) = waiting.pop_front() else { return Ok(()) };
        // The queue to the connection is full: there is room once the connection was looked after.
        while client.try_ack(&message).is_err() {
            let polled = events.poll().await;
            self.take(polled, waiting)?;
        }
        Ok(())
    }

    pub(super) fn options(&self, client_id: &str) -> Result<MqttOptions, SourceError> {
        let secure = self.0.broker.scheme() == "mqtts";
        let port = self.0.broker.port(if secure { TLS_PORT } else { PORT });
        let mut options = MqttOptions::new(client_id, self.0.broker.host(), port);
        options.set_keep_alive(KEEP_ALIVE).set_clean_session(false).set_manual_acks(true);
        options.set_max_packet_size(PACKET, PACKET);
        if let Some(user) = &self.0.broker.user {
            options.set_credentials(user, self.0.broker.password.as_ref().map_or("", |password| password.expose()));
        }
        if secure {
            let config = tls(&self.0.broker)?;
            options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(config))));
        }
        Ok(options)
    }
}

/// MQTT 3.1.1 gives messages neither a name nor a time: they are those of its arrival.
fn record(message: &Publish) -> Message {
    Message {
        topic: message.topic.clone(),
        id: message_id(&Uuid::new_v4().to_string()),
        sequence: String::new(),
        end: String::new(),
        published: SystemTime::now(),
        attributes: Vec::new(),
        columns: None,
        body: message.payload.clone(),
    }
}
