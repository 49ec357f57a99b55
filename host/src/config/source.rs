//! `[sources.<name>]` and `[functions.<name>.triggers.<name>]`: where events come from, and to whom they go.

use std::sync::Arc;

pub use crate::trigger::settings::TriggerSettings;

/// One of `[sources.<name>]`: a place that events come from.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceConfig {}

impl SourceConfig {
    /// `type`, as it is written.
    pub fn kind(&self) -> &'static str {
        match *self {}
    }

    /// The types of triggers that take its events.
    pub fn trigger_types(&self) -> &'static [&'static str] {
        match *self {}
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
