//! What happened at a source, and the event that a trigger makes of it. The type of the trigger decides the form, the
//! source only says what happened.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Message, mns, timer};
use crate::{
    config::TriggerConfig,
    trigger::settings::{ContentFormat, TopicSettings, TriggerSettings},
};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Occurrence {
    /// A timer's time has come.
    Tick(Timestamp),
    /// A message came to a topic.
    Message(Message),
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
            (TriggerSettings::MnsTopic(settings), Self::Message(message)) => Ok(topic_event(settings, message, about)),
            (settings, _) => Err(format!("triggers of the type {} know nothing of this kind", settings.kind())),
        }
    }
}

/// The attribute that holds a message's tag.
const TAG: &str = "MessageTag";

/// `None` if the message has another tag than the trigger wants.
fn topic_event(settings: &TopicSettings, message: &Message, about: &About<'_>) -> Option<Bytes> {
    let tag = message.attributes.iter().find(|(name, _)| name == TAG).map(|(_, tag)| tag);
    if settings.filter_tag.is_some() && settings.filter_tag.as_ref() != tag {
        return None;
    }
    let message = mns::TopicMessage {
        account: about.account,
        topic: &message.topic,
        subscription: &about.trigger.name,
        id: &message.id,
        published: message.published,
        attributes: &message.attributes,
        body: &message.body,
    };
    let event = match settings.format {
        ContentFormat::Stream => mns::stream(&message),
        ContentFormat::Json => mns::json(&message),
    };
    Some(event.into())
}
