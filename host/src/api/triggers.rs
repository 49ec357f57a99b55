//! Triggers, which the APIs only show in different forms.

use serde_json::Value;

use super::{
    call::{Answer, Call},
    schema, trigger_config,
};
use crate::{
    catalog::ScopeId,
    control::{Attributes, Document, Stored, found_trigger, text},
    host::FunctionHost,
    platform_error::PlatformError,
};

/// The longest name.
const NAME: usize = 128;

/// Writes a trigger of a function: host, scope, function, name, trigger.
pub(super) type Show = fn(&FunctionHost, &ScopeId, &str, &str, &Document) -> Value;

/// `None` if there is no such operation.
pub(super) async fn route(
    host: &FunctionHost,
    call: &Call,
    id: &ScopeId,
    function: &str,
    rest: &[&str],
    show: Show,
) -> Result<Option<Answer>, PlatformError> {
    let shown =
        |name: &str, trigger: &Stored<Document>| Answer::of(trigger, show(host, id, function, name, &trigger.value));
    let answer = match (call.method.as_str(), rest) {
        ("POST", []) => {
            let (name, attributes) = read(call)?;
            shown(&name, &host.create_trigger(id, function, &name, attributes).await?)
        }
        ("GET", []) => {
            let state = host.scope(id)?;
            state.function(function)?;
            let triggers: Vec<_> =
                state.triggers_of(function).map(|(name, trigger)| (name.to_owned(), trigger.clone())).collect();
            call.page(triggers)?.answer("triggers", |name, trigger| show(host, id, function, name, &trigger.value))
        }
        ("GET", [name]) => {
            let state = host.scope(id)?;
            shown(name, found_trigger(&state, function, name)?)
        }
        ("PUT", [name]) => {
            let attributes = change(host, call, id, function, name).await?;
            shown(name, &host.update_trigger(id, function, name, attributes, call.if_match()).await?)
        }
        ("DELETE", [name]) => {
            host.delete_trigger(id, function, name, call.if_match()).await?;
            Answer::nothing()
        }
        _ => return Ok(None),
    };
    Ok(Some(answer))
}

fn read(call: &Call) -> Result<(String, Attributes), PlatformError> {
    let mut attributes = call.attributes(trigger_config::TRIGGER)?;
    let name = schema::required(&attributes, "triggerName")?.to_owned();
    schema::name("TriggerName", &name, NAME)?;
    attributes.remove("triggerName");
    let kind = schema::required(&attributes, "triggerType")?.to_owned();
    let config = trigger_config::read(&kind, attributes.get("triggerConfig"))?;
    attributes.insert("triggerConfig".into(), config);
    if kind == "http" {
        // Nobody but a client calls it.
        attributes.remove("sourceArn");
        attributes.remove("invocationRole");
    } else if kind != "timer" {
        schema::required(&attributes, "sourceArn")?;
    }
    Ok((name, attributes))
}

/// What of a trigger is to change; its kind and its source cannot.
async fn change(
    host: &FunctionHost,
    call: &Call,
    id: &ScopeId,
    function: &str,
    name: &str,
) -> Result<Attributes, PlatformError> {
    let mut attributes = call.attributes(trigger_config::TRIGGER)?;
    for fixed in ["triggerName", "triggerType", "sourceArn"] {
        attributes.remove(fixed);
    }
    let state = host.scope(id)?;
    let old = found_trigger(&state, function, name)?;
    if let Some(config) = attributes.get("triggerConfig") {
        let kind = text(&old.value.attributes, "triggerType");
        let config = trigger_config::read(kind, Some(config))?;
        attributes.insert("triggerConfig".into(), config);
    }
    Ok(attributes)
}

/// Where an HTTP trigger is reached.
pub(super) fn url(host: &FunctionHost, id: &ScopeId, function: &str, trigger: &Document) -> String {
    let listen = host.trigger_address();
    let qualifier = match trigger.text("qualifier") {
        "" | crate::catalog::LATEST => String::new(),
        qualifier => format!(".{qualifier}"),
    };
    match id {
        ScopeId::Service(service) => format!("http://{listen}/2016-08-15/proxy/{service}{qualifier}/{function}/"),
        ScopeId::Function(_) => format!("http://{listen}/2023-03-30/proxy/{function}{qualifier}/"),
    }
}
