//! `[sources.<name>]` and `[functions.<name>.triggers.<name>]`: where events come from, and to whom they go.

use std::sync::Arc;

use super::{JetStreamConfig, MqttConfig, NatsConfig, PostgresConfig, RedisConfig};
pub use crate::trigger::settings::TriggerSettings;

/// One of `[sources.<name>]`: a place that events come from.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceConfig {
    /// `nats`: messages of a subject.
    Nats(NatsConfig),
    /// `jetstream`: messages of a stream of JetStream.
    JetStream(JetStreamConfig),
    /// `mqtt`: messages of MQTT topics.
    Mqtt(MqttConfig),
    /// `redis`: entries of a Redis stream.
    Redis(RedisConfig),
    /// `postgres`: changes of a PostgreSQL table.
    Postgres(PostgresConfig),
}

impl SourceConfig {
    /// `type`, as it is written.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Nats(_) => "nats",
            Self::JetStream(_) => "jetstream",
            Self::Mqtt(_) => "mqtt",
            Self::Redis(_) => "redis",
            Self::Postgres(_) => "postgres",
        }
    }

    /// The types of triggers that take its events.
    pub fn trigger_types(&self) -> &'static [&'static str] {
        match self {
            // Neither keeps what it delivered, so there is nothing that a position could name.
            Self::Nats(_) | Self::Mqtt(_) => &["mns_topic"],
            Self::JetStream(_) | Self::Redis(_) => &["mns_topic", "log", "datahub"],
            Self::Postgres(_) => &["tablestore"],
        }
    }

    /// Where it is, without user and password; empty if it is no broker.
    pub fn endpoint(&self) -> String {
        match self {
            Self::Nats(config) => config.broker.to_string(),
            Self::JetStream(config) => config.broker.to_string(),
            Self::Mqtt(config) => config.broker.to_string(),
            Self::Redis(config) => config.broker.to_string(),
            Self::Postgres(config) => config.broker.to_string(),
        }
    }
}

/// One of `[functions.<name>.triggers.<name>]`, or a trigger that the API made.
#[derive(Clone, Debug, PartialEq)]
pub struct TriggerConfig {
    /// The trigger's name: unique in its function.
    pub name: Arc<str>,
    /// The service of the function; empty for a function of FC 3.0.
    pub service: Arc<str>,
    /// The function.
    pub function: Arc<str>,
    /// The version or alias that gets the events. Default `LATEST`.
    pub qualifier: Arc<str>,
    /// The name of the source; `None` for timers, which have none.
    pub source: Option<Arc<str>>,
    /// Whether it fires at all.
    pub enabled: bool,
    /// What it is told.
    pub settings: TriggerSettings,
}

impl TriggerConfig {
    /// What it is called among all triggers: service, function and name.
    pub fn id(&self) -> String {
        format!("{}/{}/{}", self.service, self.function, self.name)
    }
}
