//! Tags of functions, in the form that many services of Alibaba Cloud share: lists in a query are JSON.

use serde_json::{Value, json};

use super::unsupported;
use crate::{
    api::{
        call::{Answer, Call},
        schema::{Field, Shape, field, invalid},
        short_arn,
    },
    control::{Attributes, Document, Stored},
    host::FunctionHost,
    platform_error::PlatformError,
};

const FIELDS: &[Field] = &[
    field("ResourceId", Shape::Texts),
    field("ResourceType", Shape::Text(64)),
    field("Tag", Shape::Objects(&[field("Key", Shape::Text(64)), field("Value", Shape::Text(128))])),
];

pub(super) async fn route(host: &FunctionHost, call: &Call) -> Result<Answer, PlatformError> {
    match call.method.as_str() {
        "POST" => {
            let body = call.attributes(FIELDS)?;
            let tags = pairs(body.get("Tag"));
            for resource in texts(body.get("ResourceId")) {
                host.tag(&resource_of(&resource), tags.clone()).await?;
            }
            Ok(Answer::nothing())
        }
        "DELETE" => {
            let names = query_texts(call, "TagKey")?;
            let all = call.parameter("All") == Some("true");
            for resource in query_texts(call, "ResourceId")? {
                host.untag(&resource_of(&resource), &names, all).await?;
            }
            Ok(Answer::nothing())
        }
        "GET" => list(host, call).await,
        _ => unsupported(call),
    }
}

async fn list(host: &FunctionHost, call: &Call) -> Result<Answer, PlatformError> {
    let resources: Vec<_> = query_texts(call, "ResourceId")?.iter().map(|resource| resource_of(resource)).collect();
    let wanted = wanted(call, "Tag")?;
    let mut shown = Vec::new();
    for (resource, tags) in host.all_tags().await? {
        let Some((kind, name)) = resource.split_once('/') else { continue };
        let is_asked = resources.is_empty() || resources.contains(&resource);
        if kind == "functions" && is_asked && has(Some(&tags), &wanted) {
            shown.extend(tags.value.attributes.iter().map(|(key, value)| {
                json!({ "ResourceId": name, "ResourceType": "function", "TagKey": key, "TagValue": value })
            }));
        }
    }
    Ok(Answer::ok(json!({ "TagResources": shown, "NextToken": "", "RequestId": call.request_id })))
}

/// Whether a resource has all of these tags; one without a value is had with any.
pub(super) fn has(tags: Option<&Stored<Document>>, wanted: &Attributes) -> bool {
    wanted.iter().all(|(name, value)| {
        let own = tags.and_then(|tags| tags.value.attributes.get(name));
        own.is_some_and(|own| value.as_str() == Some("") || own == value)
    })
}

/// The tags that a query asks for.
pub(super) fn wanted(call: &Call, name: &str) -> Result<Attributes, PlatformError> {
    Ok(pairs(query_json(call, name)?.as_ref()))
}

fn pairs(list: Option<&Value>) -> Attributes {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    let text = |item: &Value, name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    items.map(|item| (text(item, "Key"), text(item, "Value").into())).collect()
}

fn query_json(call: &Call, name: &str) -> Result<Option<Value>, PlatformError> {
    let Some(text) = call.parameter(name) else { return Ok(None) };
    serde_json::from_str(text).map(Some).map_err(|_| invalid(name, "a list in JSON", &text.into()))
}

fn query_texts(call: &Call, name: &str) -> Result<Vec<String>, PlatformError> {
    Ok(texts(query_json(call, name)?.as_ref()))
}

fn texts(list: Option<&Value>) -> Vec<String> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|item| Some(item.as_str()?.to_owned())).collect()
}

/// `functions/x` of a name, or of an ARN.
fn resource_of(resource: &str) -> String {
    let short = short_arn(resource);
    if short.contains('/') { short.to_owned() } else { format!("functions/{short}") }
}
