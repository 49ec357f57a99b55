//! Services.

use serde_json::{Value, json};

use super::{Qualified, check_name};
use crate::{
    api::{
        call::{Answer, Call, with_defaults},
        fields, schema,
    },
    control::{Attributes, ServiceRecord, Stored},
    host::FunctionHost,
    platform_error::PlatformError,
};

/// The longest name.
const NAME: usize = 128;

pub(super) async fn create(host: &FunctionHost, call: &Call) -> Result<Answer, PlatformError> {
    let mut attributes = attributes(call)?;
    let name = schema::required(&attributes, "serviceName")?.to_owned();
    check_name("ServiceName", &name, NAME)?;
    attributes.remove("serviceName");
    let stored = host.create_service(&name, attributes).await?;
    Ok(Answer::of(&stored, show(&name, &stored.value)))
}

/// An empty tracing configuration switches tracing off.
fn attributes(call: &Call) -> Result<Attributes, PlatformError> {
    let mut attributes = call.attributes(fields::SERVICE)?;
    if attributes.get("tracingConfig").is_some_and(|config| config.as_object().is_some_and(serde_json::Map::is_empty)) {
        attributes.insert("tracingConfig".into(), json!({ "type": null, "params": null }));
    }
    Ok(attributes)
}

pub(super) async fn list(host: &FunctionHost, call: &Call) -> Result<Answer, PlatformError> {
    let mut services = host.services();
    let wanted: Vec<_> =
        call.query.iter().filter_map(|(name, value)| Some((name.strip_prefix("tag_")?, value.as_str()))).collect();
    if !wanted.is_empty() {
        let tags = host.all_tags().await?;
        services.retain(|(name, _)| {
            let own = tags.get(&format!("services/{name}"));
            let has = |(name, value): &(&str, &str)| own.is_some_and(|own| own.value.text(name) == *value);
            wanted.iter().all(has)
        });
    }
    Ok(call.page(services)?.answer("services", |name, stored: &Stored<ServiceRecord>| show(name, &stored.value)))
}

pub(super) async fn get(host: &FunctionHost, wanted: &Qualified<'_>) -> Result<Answer, PlatformError> {
    let state = host.scope(&wanted.id)?;
    let mut service = state.service.clone();
    if let Some(version) = state.version_of(wanted.qualifier)? {
        service.value.attributes = version.value.service.clone();
    }
    Ok(Answer::of(&service, show(wanted.id.name(), &service.value)))
}

pub(super) async fn update(host: &FunctionHost, call: &Call, name: &str) -> Result<Answer, PlatformError> {
    let mut attributes = attributes(call)?;
    attributes.remove("serviceName");
    let stored = host.update_service(name, attributes, call.if_match()).await?;
    Ok(Answer::of(&stored, show(name, &stored.value)))
}

pub(super) async fn delete(host: &FunctionHost, call: &Call, name: &str) -> Result<Answer, PlatformError> {
    host.delete_service(name, call.if_match()).await?;
    Ok(Answer::nothing())
}

fn show(name: &str, service: &ServiceRecord) -> Value {
    let defaults = json!({
        "description": "",
        "role": "",
        "internetAccess": true,
        "logConfig": { "project": "", "logstore": "", "enableRequestMetrics": false, "enableInstanceMetrics": false },
        "vpcConfig": { "vpcId": "", "vSwitchIds": [], "securityGroupId": "" },
        "nasConfig": { "userId": -1, "groupId": -1, "mountPoints": [] },
        "tracingConfig": { "type": null, "params": null },
    });
    let mut shown = with_defaults(defaults, &service.attributes);
    shown.insert("serviceName".into(), name.into());
    shown.insert("serviceId".into(), service.id.as_str().into());
    shown.insert("createdTime".into(), service.created.as_str().into());
    shown.insert("lastModifiedTime".into(), service.modified.as_str().into());
    Value::Object(shown)
}
