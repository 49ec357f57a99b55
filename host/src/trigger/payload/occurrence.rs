//! What happened at a source, and the event that a trigger makes of it. The type of the trigger decides the form, the
//! source only says what happened.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::timer;
use crate::{config::TriggerConfig, trigger::settings::TriggerSettings};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Occurrence {
    /// A timer's time has come.
    Tick(Timestamp),
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
            (TriggerSettings::Timer(settings), Self::Tick(time)) => {
                Ok(Some(timer::event(*time, &about.trigger.name, &settings.payload)))
            }
        }
    }
}
