//! Messages to an MQTT topic, with QoS 1.

use futures_util::future::BoxFuture;
use rumqttc::{AsyncClient, Event, Outgoing, Packet, QoS};

use super::{Publisher, held};
use crate::{
    config::MqttConfig,
    delivery::Refusal,
    trigger::{payload::Message, source::mqtt::Mqtt},
};

/// A topic. Each message has a connection of its own: a client that nobody looks after between two messages is ended by its
/// broker.
#[derive(Clone)]
pub(super) struct Topic(pub(super) MqttConfig);

impl Topic {
    async fn send(&self, message: &Message) -> Result<(), Refusal> {
        let topic = Mqtt(self.0.clone());
        let failed = |error: rumqttc::ClientError| held(&format!("cannot publish to '{}'", self.0.topic), error);
        let mut options =
            topic.options(&format!("{}_{}", self.0.consumer, message.id)).map_err(|error| Refusal::Held(error.0))?;
        // Nothing of it is to stay at the broker.
        options.set_clean_session(true);
        let (client, mut events) = AsyncClient::new(options, 1);
        client.try_publish(&self.0.topic, QoS::AtLeastOnce, false, message.body.clone()).map_err(failed)?;
        let polled = |polled| topic.polled(polled).map_err(|error| Refusal::Held(error.0));
        while !matches!(polled(events.poll().await)?, Event::Incoming(Packet::PubAck(_))) {}
        client.try_disconnect().map_err(failed)?;
        while !matches!(events.poll().await, Ok(Event::Outgoing(Outgoing::Disconnect)) | Err(_)) {}
        Ok(())
    }
}

impl Publisher for Topic {
    fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(self.send(message))
    }

    fn again(&self) -> Box<dyn Publisher> {
        Box::new(self.clone())
    }
}
