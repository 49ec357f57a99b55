//! What a trigger has at a broker for itself alone, and how it is removed there.
//!
//! It is noted before it is made, so that it is found again if the trigger is removed while wisp is not running. The note
//! has neither user nor password; those are the source's.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Bound, SourceError, connection::consumer_name, jetstream, mqtt, postgres, redis};
use crate::{config::SourceConfig, delivery::Note};

/// Whose marks say what triggers have at brokers.
pub(super) const HOLDINGS: &str = "holdings";

/// Something at a broker that is there for one trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holding {
    /// The trigger's id.
    pub(super) trigger: String,
    /// The trigger's type.
    pub(super) kind: String,
    /// What it is.
    what: What,
    /// What it is called there.
    name: String,
    /// The stream, the topic filter or the table that it is for.
    of: String,
    /// The broker's URL without user and password.
    endpoint: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum What {
    Consumer,
    Session,
    Group,
    Slot,
}

/// What a source keeps for each of its triggers, of what, and what the names of those begin with.
fn kept(source: &SourceConfig) -> Option<(What, String, &str)> {
    match source {
        SourceConfig::JetStream(config) => Some((What::Consumer, config.stream.clone(), &config.consumer)),
        SourceConfig::Mqtt(config) => Some((What::Session, config.topic.clone(), &config.consumer)),
        SourceConfig::Redis(config) => Some((What::Group, config.stream.clone(), &config.consumer)),
        SourceConfig::Postgres(config) => {
            Some((What::Slot, format!("{}.{}", config.schema, config.table), &config.consumer))
        }
        // Neither is at a broker, and a subject of NATS keeps nothing.
        SourceConfig::Bucket(_) | SourceConfig::Inbox(_) | SourceConfig::Nats(_) => None,
    }
}

impl Holding {
    /// That of a trigger; `None` if its source keeps nothing outside.
    pub(super) fn of(bound: &Bound) -> Option<Self> {
        let source = bound.source.as_ref()?;
        let (what, of, prefix) = kept(source)?;
        let name = consumer_name(prefix, &bound.trigger);
        let kind = bound.trigger.settings.kind().to_owned();
        Some(Self { trigger: bound.trigger.id(), kind, what, name, of, endpoint: source.endpoint() })
    }

    /// The one that a mark tells of; `None` if it cannot be read.
    pub(super) fn read(mark: &str) -> Option<Self> {
        serde_json::from_str(mark).ok()
    }

    /// The mark that it is, or may be, there; or that it is not any more.
    pub(super) fn mark(&self, is_there: bool) -> Note {
        // Texts in a struct: nothing that JSON could not hold.
        let value = is_there.then(|| serde_json::to_string(self).unwrap_or_default());
        Note::Mark { owner: HOLDINGS.to_owned(), name: self.to_string(), value }
    }

    /// Whether it can be reached by a source's settings.
    pub(super) fn is_at(&self, source: &SourceConfig) -> bool {
        source.endpoint() == self.endpoint
            && kept(source).is_some_and(|(what, of, _)| what == self.what && of == self.of)
    }

    /// Removes it from the broker, if it is there.
    ///
    /// # Errors
    /// Why it cannot be removed.
    pub(super) async fn remove(&self, source: &SourceConfig) -> Result<(), SourceError> {
        match source {
            SourceConfig::JetStream(config) => jetstream::remove_consumer(config, &self.name).await,
            SourceConfig::Mqtt(config) => mqtt::end_session(config, &self.name).await,
            SourceConfig::Redis(config) => redis::destroy_group(config, &self.name).await,
            SourceConfig::Postgres(config) => postgres::drop_slot(config, &self.name).await,
            SourceConfig::Bucket(_) | SourceConfig::Inbox(_) | SourceConfig::Nats(_) => Ok(()),
        }
    }
}

impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, of, endpoint, .. } = self;
        match self.what {
            What::Consumer => write!(f, "the consumer '{name}' of the stream '{of}' at {endpoint}"),
            What::Session => write!(f, "the session '{name}' at {endpoint}"),
            What::Group => write!(f, "the group '{name}' of the stream '{of}' at {endpoint}"),
            What::Slot => write!(f, "the replication slot '{name}' at {endpoint}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Broker, MqttConfig, NatsConfig, TriggerConfig},
        trigger::settings::TriggerSettings,
    };

    fn bound(source: SourceConfig) -> Bound {
        let trigger = TriggerConfig {
            name: "t".into(),
            service: "default".into(),
            function: "f".into(),
            qualifier: "LATEST".into(),
            source: Some("s".into()),
            enabled: true,
            settings: TriggerSettings::DataHub,
        };
        Bound { trigger, source: Some(source) }
    }

    fn mqtt(url: &str) -> SourceConfig {
        let broker = Broker::parse(url, &["mqtt"]).unwrap();
        SourceConfig::Mqtt(MqttConfig { broker, topic: "a/#".into(), consumer: "wisp".into() })
    }

    #[test]
    fn a_mark_tells_all_but_the_password_and_the_same_source_is_found_by_it() {
        let holding = Holding::of(&bound(mqtt("mqtt://me:hidden@h"))).unwrap();
        let Note::Mark { owner, name, value: Some(value) } = holding.mark(true) else { panic!() };
        assert_eq!((owner.as_str(), Holding::read(&value).unwrap()), (HOLDINGS, holding.clone()));
        assert!(name.starts_with("the session 'wisp_f_t_") && name.ends_with("' at mqtt://h"), "{name}");
        assert!(!value.contains("hidden"), "{value}");
        assert!(holding.is_at(&mqtt("mqtt://other@h")) && !holding.is_at(&mqtt("mqtt://elsewhere")));
    }

    #[test]
    fn a_subject_of_nats_keeps_nothing() {
        let broker = Broker::parse("nats://h", &["nats"]).unwrap();
        let nats = NatsConfig { broker, subject: "a".into(), consumer: "wisp".into() };
        assert_eq!(Holding::of(&bound(SourceConfig::Nats(nats))), None);
    }
}
