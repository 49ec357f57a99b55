//! `[sources.<name>]` and `[functions.<name>.triggers.<name>]`: where events come from, and to whom they go.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{JetStreamConfig, MqttConfig, NatsConfig, PostgresConfig, RedisConfig, Secret};
use crate::trigger::settings::TriggerSettings;

/// One of `[sources.<name>]`: a place that events come from.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceConfig {
    /// A directory as a bucket of OSS.
    Bucket(BucketConfig),
    /// What others send by HTTP.
    Inbox(InboxConfig),
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

/// `type = "bucket"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketConfig {
    /// The directory; a key is a path below it.
    pub path: PathBuf,
    /// How long a file must be left alone before it is complete. Default 500 ms.
    pub settle: Duration,
    /// How often the whole directory is looked at, besides the system's notices. Default 30 s.
    pub rescan: Duration,
    /// Whether a new trigger gets events of the files that are there already. Default: no.
    pub deliver_existing: bool,
}

/// `type = "topic"`, `"queue"`, `"cloudevents"` or `"s3"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxConfig {
    /// What is sent.
    pub kind: InboxKind,
    /// What senders show; `None`: whoever may call the API may send.
    pub token: Option<Secret>,
    /// How many messages may wait, of each trigger or of the queue. Default 10,000.
    pub max_messages: usize,
}

/// What comes by HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InboxKind {
    /// Messages for every trigger that there is.
    Topic,
    /// Messages for one trigger, kept until there is one.
    Queue,
    /// CloudEvents.
    CloudEvents,
    /// Notifications of an S3-compatible store.
    S3,
}

impl SourceConfig {
    /// `type`, as it is written.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bucket(_) => "bucket",
            Self::Inbox(inbox) => match inbox.kind {
                InboxKind::Topic => "topic",
                InboxKind::Queue => "queue",
                InboxKind::CloudEvents => "cloudevents",
                InboxKind::S3 => "s3",
            },
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
            Self::Bucket(_) => &["oss"],
            Self::Inbox(inbox) => match inbox.kind {
                InboxKind::Topic => &["mns_topic"],
                InboxKind::Queue => &["eventbridge"],
                InboxKind::CloudEvents => &["eventbridge", "cdn_events"],
                InboxKind::S3 => &["oss"],
            },
            // Neither keeps what it delivered, so there is nothing that a position could name.
            Self::Nats(_) | Self::Mqtt(_) => &["mns_topic", "eventbridge"],
            Self::JetStream(_) | Self::Redis(_) => &["mns_topic", "eventbridge", "log", "datahub"],
            Self::Postgres(_) => &["tablestore"],
        }
    }

    /// Whether a message can be sent to it, too.
    ///
    /// # Errors
    /// Why not, and what to do; to be said after the source's name.
    pub fn check_outlet(&self) -> Result<(), String> {
        let one = |key: &str, text: &str, wildcards: &[char]| {
            if text.contains(wildcards) {
                return Err(format!(
                    "has the {key} {text:?}, which stands for several, so nothing can be sent to it; add a source with the one \
                     {key} that is meant"
                ));
            }
            Ok(())
        };
        match self {
            Self::Inbox(InboxConfig { kind: InboxKind::Queue | InboxKind::Topic, .. }) | Self::Redis(_) => Ok(()),
            Self::Nats(config) => one("subject", &config.subject, &['*', '>']),
            Self::Mqtt(config) => one("topic", &config.topic, &['+', '#']),
            Self::JetStream(config) => match &config.subject {
                Some(subject) => one("subject", subject, &['*', '>']),
                None => Err("has no `subject`, so nothing can be sent to it; give the one that is meant".to_owned()),
            },
            Self::Inbox(_) | Self::Bucket(_) | Self::Postgres(_) => Err(format!(
                "is of the type {:?}, to which nothing is sent; there are queue, topic, nats, jetstream, mqtt and redis",
                self.kind()
            )),
        }
    }

    /// Where it is, without user and password; empty if it is no broker.
    pub fn endpoint(&self) -> String {
        match self {
            Self::Bucket(_) | Self::Inbox(_) => String::new(),
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
