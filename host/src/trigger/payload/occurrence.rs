//! What happened at a source, and the event that a trigger makes of it. The type of the trigger decides the form, the
//! source only says what happened.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{CloudEvent, Message, ObjectChange, cloud_event, mns, oss, timer};
use crate::{config::TriggerConfig, trigger::settings::TriggerSettings};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Occurrence {
    /// A timer's time has come.
    Tick(Timestamp),
    /// An object of a bucket changed.
    Object(ObjectChange),
    /// A message came to a topic or a queue.
    Message(Message),
    /// Somebody sent an event.
    CloudEvent(CloudEvent),
    /// The source has made the event itself, of what came together.
    Event(Bytes),
}

/// What an event says of its surroundings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About<'a> {
    /// The trigger.
    pub(crate) trigger: &'a TriggerConfig,
    /// The region that functions are told they run in.
    pub(crate) region: &'a str,
    /// The account that functions are told they belong to.
    pub(crate) account: &'a str,
}

impl Occurrence {
    /// How many events led to it by their destinations, as far as that is known here.
    pub(crate) fn depth(&self) -> u32 {
        match self {
            Self::Message(message) => message.depth,
            _ => 0,
        }
    }

    /// The event; `None` if the trigger's filter leaves it out.
    ///
    /// # Errors
    /// If triggers of this type know nothing of the kind.
    pub(crate) fn event(&self, about: &About<'_>) -> Result<Option<Bytes>, String> {
        match (&about.trigger.settings, self) {
            (_, Self::Event(event)) => Ok(Some(event.clone())),
            (TriggerSettings::Timer(settings), Self::Tick(time)) => {
                Ok(Some(timer::event(*time, &about.trigger.name, &settings.payload)))
            }
            (TriggerSettings::Oss(settings), Self::Object(change)) => {
                Ok(settings.takes(&change.event, &change.key).then(|| oss::event(change, about)))
            }
            (TriggerSettings::MnsTopic(settings), Self::Message(message)) => mns::event(message, settings, about),
            (TriggerSettings::EventBridge(settings), Self::Message(message)) => mns::of_queue(message, settings, about),
            (TriggerSettings::EventBridge(settings), Self::CloudEvent(event)) => {
                Ok(cloud_event::eventbridge(event, settings))
            }
            (TriggerSettings::Cdn(settings), Self::CloudEvent(event)) => Ok(cloud_event::cdn(event, settings, about)),
            (settings, _) => {
                Err(format!("triggers of the type {} know nothing of what its source brings", settings.kind()))
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A trigger that payloads can be made for.
    pub(crate) fn about_with(settings: TriggerSettings) -> TriggerConfig {
        TriggerConfig {
            name: "t".into(),
            service: "s".into(),
            function: "f".into(),
            qualifier: "LATEST".into(),
            source: Some("testbucket".into()),
            enabled: true,
            settings,
        }
    }
}
