//! Triggers with their sources, as the catalog has them at one moment.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    catalog::{LATEST, ScopeId},
    config::{SourceConfig, TriggerConfig},
    control::{Document, View},
    trigger::settings::{TYPES, TriggerSettings},
};

/// A trigger and what its events come from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bound {
    pub(crate) trigger: TriggerConfig,
    /// `None` for timers.
    pub(crate) source: Option<SourceConfig>,
}

/// A trigger that is there and cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unbound {
    /// Service, function and name.
    pub(crate) id: String,
    pub(crate) kind: String,
    /// Why.
    pub(crate) reason: String,
}

/// All triggers but HTTP triggers, by their ids.
pub(crate) fn all(view: &View) -> BTreeMap<String, Result<Bound, Unbound>> {
    let mut found = BTreeMap::new();
    for trigger in view.triggers.iter() {
        let source = trigger.source.as_ref().and_then(|name| view.sources.get(&**name)).cloned();
        found.insert(trigger.id(), Ok(Bound { trigger: trigger.clone(), source }));
    }
    for (scope, state) in &view.states {
        for ((function, name), document) in &state.triggers {
            let is_hidden = view.declared.get(scope.service()).is_some_and(|it| it.contains_key(function.as_str()));
            let kind = document.value.text("triggerType");
            // Functions of the configuration hide stored ones of the same name.
            if kind == "http" || is_hidden && matches!(scope, ScopeId::Service(_)) {
                continue;
            }
            let id = format!("{}/{function}/{name}", scope.service());
            let bound = stored((scope, function, name), &document.value, &view.sources);
            found.insert(id.clone(), bound.map_err(|reason| Unbound { id, kind: kind.to_owned(), reason }));
        }
    }
    found
}

/// A trigger that the API made.
fn stored(
    (scope, function, name): (&ScopeId, &str, &str),
    document: &Document,
    sources: &BTreeMap<String, SourceConfig>,
) -> Result<Bound, String> {
    let kind = document.text("triggerType");
    if !TYPES.contains(&kind) {
        return Err(format!("wisp has no source of events of the type {kind}"));
    }
    let config = document.attributes.get("triggerConfig").cloned().unwrap_or_default();
    let settings = TriggerSettings::parse(kind, &config).map_err(|error| error.to_string())?;
    let qualifier = match document.text("qualifier") {
        "" => LATEST,
        qualifier => qualifier,
    };
    let mut trigger = TriggerConfig {
        name: name.into(),
        service: scope.service().into(),
        function: function.into(),
        qualifier: qualifier.into(),
        source: None,
        enabled: is_enabled(&config),
        settings,
    };
    if !trigger.settings.needs_source() {
        return Ok(Bound { trigger, source: None });
    }
    let arn = document.text("sourceArn");
    let wanted = arn.rsplit([':', '/']).next().unwrap_or(arn);
    trigger.source = Some(wanted.into());
    match sources.get(wanted) {
        Some(source) if source.trigger_types().contains(&kind) => Ok(Bound { trigger, source: Some(source.clone()) }),
        Some(source) => Err(format!(
            "source '{wanted}' of wisp.toml is of the type {}, whose events do not go to triggers of the type {kind}",
            source.kind()
        )),
        None => Err(format!("no source '{wanted}' in wisp.toml; add [sources.{wanted}]")),
    }
}

/// `enable` of most types, `triggerEnable` of EventBridge's.
fn is_enabled(config: &Value) -> bool {
    ["enable", "triggerEnable"].iter().all(|key| config.get(key).and_then(Value::as_bool) != Some(false))
}
