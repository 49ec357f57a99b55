//! MQTT 3.1.1: a persistent session with QoS 1, acknowledged by hand.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, MqttOptions, Packet, Publish, QoS,
    SubscribeReasonCode, TlsConfiguration, Transport,
};
use uuid::Uuid;

use super::{Lost, Message, Records, Sink, broker::Broker};
use crate::trigger::payload::mns::message_id;

/// What URLs of MQTT begin with.
pub const SCHEMES: [&str; 2] = ["mqtt", "mqtts"];

const PORT: u16 = 1883;
const TLS_PORT: u16 = 8883;

/// How often the broker hears of a connection without messages.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// The longest packet that is taken: what no event can be is refused after it was read, not by an end of the connection.
const PACKET: usize = 16 << 20;

/// How many messages wait here for those before them. A broker sends fewer before it wants acknowledgements.
const WAITING: usize = 1024;

/// Messages of topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mqtt {
    /// The broker.
    pub broker: Broker,
    /// The topic filter, with `+` for one level and `#` for all that follow.
    pub topic: String,
    /// Names the session, which the broker keeps while nobody is connected; one connection has it at a time.
    pub client_id: String,
}

impl Mqtt {
    /// Delivers messages and acknowledges them, until the connection is lost.
    pub(super) async fn run(&self, sink: &Sink) -> Result<(), Lost> {
        let (client, mut events) = AsyncClient::new(self.options()?, WAITING);
        let mut waiting = VecDeque::new();
        self.subscribe(&client, &mut events, &mut waiting).await?;
        sink.connected();
        loop {
            let message = match waiting.front() {
                Some(message) => message,
                None => {
                    self.next(&mut events, &mut waiting).await?;
                    continue;
                }
            };
            let mut delivery = std::pin::pin!(sink.deliver(Records::Messages(vec![record(message)])));
            loop {
                let room = waiting.len() < WAITING;
                tokio::select! {
                    () = &mut delivery => break,
                    // The connection is looked after meanwhile: the broker ends one that it hears nothing from.
                    polled = events.poll(), if room => self.take(polled, &mut waiting)?,
                }
            }
            self.acknowledge(&client, &mut waiting)?;
        }
    }

    /// In a session that was kept, messages may come before the answer to the subscription.
    async fn subscribe(
        &self,
        client: &AsyncClient,
        events: &mut EventLoop,
        waiting: &mut VecDeque<Publish>,
    ) -> Result<(), Lost> {
        client.try_subscribe(&self.topic, QoS::AtLeastOnce).map_err(|error| Lost::new("cannot subscribe", error))?;
        loop {
            match self.polled(events.poll().await)? {
                Event::Incoming(Packet::SubAck(answer)) => {
                    if answer.return_codes.contains(&SubscribeReasonCode::Failure) {
                        return Err(Lost::from(format!("the broker refuses the subscription to '{}'", self.topic)));
                    }
                    return Ok(());
                }
                Event::Incoming(Packet::Publish(message)) => waiting.push_back(message),
                _ => {}
            }
        }
    }

    async fn next(&self, events: &mut EventLoop, waiting: &mut VecDeque<Publish>) -> Result<(), Lost> {
        let polled = events.poll().await;
        self.take(polled, waiting)
    }

    fn take(&self, polled: Result<Event, ConnectionError>, waiting: &mut VecDeque<Publish>) -> Result<(), Lost> {
        if let Event::Incoming(Packet::Publish(message)) = self.polled(polled)? {
            waiting.push_back(message);
        }
        Ok(())
    }

    /// The client would connect again by itself, and then acknowledge messages of the old connection by numbers that mean
    /// others in the new one: so a lost connection ends the source, which begins anew.
    fn polled(&self, polled: Result<Event, ConnectionError>) -> Result<Event, Lost> {
        polled.map_err(|error| match error {
            ConnectionError::ConnectionRefused(ConnectReturnCode::BadUserNamePassword) => {
                Lost::from(format!("{} refuses user or password", self.broker))
            }
            ConnectionError::ConnectionRefused(ConnectReturnCode::NotAuthorized) => {
                Lost::from(format!("{} does not authorize wisp: give `user` and `password`", self.broker))
            }
            error => Lost::new(&format!("the connection to {} is lost", self.broker), error),
        })
    }

    fn acknowledge(&self, client: &AsyncClient, waiting: &mut VecDeque<Publish>) -> Result<(), Lost> {
        let Some(message) = waiting.pop_front() else { return Ok(()) };
        client.try_ack(&message).map_err(|error| Lost::new("cannot acknowledge", error))
    }

    fn options(&self) -> Result<MqttOptions, Lost> {
        let secure = self.broker.scheme() == "mqtts";
        let port = self.broker.port(if secure { TLS_PORT } else { PORT });
        let mut options = MqttOptions::new(&self.client_id, self.broker.host(), port);
        options.set_keep_alive(KEEP_ALIVE).set_clean_session(false).set_manual_acks(true);
        options.set_max_packet_size(PACKET, PACKET);
        if let Some(user) = &self.broker.user {
            options.set_credentials(user, self.broker.password.as_ref().map_or("", |password| password.expose()));
        }
        if secure {
            let config = self.broker.tls().map_err(Lost::from)?;
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
