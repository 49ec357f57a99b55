//! Functions of the configuration in the form of stored ones, to be read by the APIs.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value, json};

use super::{
    record::{Attributes, Code, Document, FunctionRecord, ServiceRecord, Stored},
    scope::ScopeState,
    tables::View,
};
use crate::{
    catalog::{FunctionRoutes, Revision, ScopeId},
    config::{HttpTriggerConfig, TriggerAuth, TriggerConfig},
    telemetry::timestamp,
    trigger::settings::{ContentFormat, TriggerSettings},
};

/// The name of a declared function's HTTP trigger.
const TRIGGER: &str = "http";

/// A stored scope, if there is one, with the declared functions of it.
pub(super) fn overlaid(view: &View, id: &ScopeId) -> Option<Arc<ScopeState>> {
    let stored = view.states.get(id);
    let declared = match id {
        ScopeId::Service(name) => view.declared.get(name),
        ScopeId::Function(_) => None,
    };
    let Some(declared) = declared else { return stored.cloned() };
    let mut state = stored.map_or_else(|| empty(id), |stored| ScopeState::clone(stored));
    for (name, routes) in declared {
        let Some(revision) = routes.latest.as_ref().and_then(|choice| choice.main.as_ref().ok()) else { continue };
        state.functions.insert(name.to_string(), function(revision));
        state.triggers.retain(|(owner, _), _| **owner != **name);
        if let Some(trigger) = trigger(routes, revision) {
            state.triggers.insert((name.to_string(), TRIGGER.to_owned()), trigger);
        }
        let time = timestamp(revision.created);
        let of = |it: &&TriggerConfig| it.function == *name && *it.service == *id.service();
        for trigger in view.triggers.iter().filter(of) {
            let key = (name.to_string(), trigger.name.to_string());
            state.triggers.insert(key, event_trigger(trigger, &time));
        }
    }
    Some(Arc::new(state))
}

fn empty(id: &ScopeId) -> ScopeState {
    ScopeState {
        id: id.clone(),
        service: service(),
        functions: BTreeMap::new(),
        versions: BTreeMap::new(),
        aliases: BTreeMap::new(),
        triggers: BTreeMap::new(),
        settings: BTreeMap::new(),
    }
}

/// A service that is there because the configuration has functions in it.
pub(super) fn service() -> Stored<ServiceRecord> {
    let mut attributes = Map::new();
    attributes.insert("description".into(), "declared in wisp.toml".into());
    Stored {
        revision: 0,
        value: ServiceRecord {
            id: String::new(),
            created: String::new(),
            modified: String::new(),
            last_version: 0,
            attributes,
        },
    }
}

fn function(revision: &Revision) -> Stored<FunctionRecord> {
    let time = timestamp(revision.created);
    Stored {
        revision: 0,
        value: FunctionRecord {
            id: revision.ready.digest.chars().take(32).collect(),
            created: time.clone(),
            modified: time,
            code: Some(Code {
                digest: String::new(),
                checksum: String::new(),
                size: std::fs::metadata(&revision.function.component).map_or(0, |file| file.len()),
                component: revision.function.component.display().to_string(),
            }),
            attributes: attributes(revision),
        },
    }
}

fn attributes(revision: &Revision) -> Attributes {
    let function = &revision.function;
    let attributes = json!({
        "description": "declared in wisp.toml",
        "runtime": "custom",
        "handler": &*function.handler,
        "initializer": function.initializer.as_deref().unwrap_or_default(),
        "timeout": function.timeout.as_secs(),
        "initializationTimeout": function.initialization_timeout.as_secs(),
        "memorySize": function.memory >> 20,
        "diskSize": function.scratch >> 20,
        "instanceConcurrency": function.instance_concurrency,
        "environmentVariables": function.environment,
        "internetAccess": !function.allowed_outbound.is_empty(),
    });
    match attributes {
        Value::Object(attributes) => attributes,
        _ => Map::new(),
    }
}

fn trigger(routes: &FunctionRoutes, revision: &Revision) -> Option<Stored<Document>> {
    let config = &routes.trigger.as_ref()?.config;
    let mut attributes = Map::new();
    attributes.insert("triggerType".into(), "http".into());
    attributes.insert("triggerConfig".into(), trigger_config(config));
    let time = timestamp(revision.created);
    let id = String::new();
    Some(Stored { revision: 0, value: Document { id, created: time.clone(), modified: time, attributes } })
}

/// A trigger with a source, or a timer.
fn event_trigger(trigger: &TriggerConfig, time: &str) -> Stored<Document> {
    let mut attributes = Map::new();
    attributes.insert("triggerType".into(), trigger.settings.kind().into());
    attributes.insert("qualifier".into(), (&*trigger.qualifier).into());
    attributes.insert("triggerConfig".into(), event_trigger_config(trigger));
    let (id, created, modified) = (String::new(), time.to_owned(), time.to_owned());
    Stored { revision: 0, value: Document { id, created, modified, attributes } }
}

/// What of it Function Compute has a word for.
fn event_trigger_config(trigger: &TriggerConfig) -> Value {
    match &trigger.settings {
        TriggerSettings::Timer(timer) => {
            let (cron, payload) = (timer.schedule.as_str(), &timer.payload);
            json!({ "cronExpression": cron, "payload": payload, "enable": trigger.enabled })
        }
        TriggerSettings::Oss(oss) => {
            json!({ "events": oss.events, "filter": { "key": { "prefix": oss.prefix, "suffix": oss.suffix } } })
        }
        TriggerSettings::MnsTopic(topic) => {
            let format = if topic.format == ContentFormat::Json { "JSON" } else { "STREAM" };
            json!({ "notifyContentFormat": format, "filterTag": topic.filter_tag })
        }
        TriggerSettings::Cdn(cdn) => json!({ "eventName": cdn.event_name, "eventVersion": cdn.event_version }),
        TriggerSettings::EventBridge(_) => json!({ "triggerEnable": trigger.enabled }),
        TriggerSettings::Log(log) => json!({ "functionParameter": log.parameter, "enable": trigger.enabled }),
        TriggerSettings::DataHub | TriggerSettings::Tablestore => json!({}),
    }
}

fn trigger_config(config: &HttpTriggerConfig) -> Value {
    let auth = match config.auth {
        TriggerAuth::Anonymous => "anonymous",
        TriggerAuth::Function => "function",
    };
    let methods: Vec<_> = config.methods.iter().map(http::Method::as_str).collect();
    json!({ "authType": auth, "methods": methods, "disableURLInternet": !config.own_addresses })
}
