//! Tags of functions, in the form that many services of Alibaba Cloud share: lists in a query are JSON.

use std::collections::BTreeMap;

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

/// Resources that one call may name.
const RESOURCES: usize = 50;

pub(super) async fn route(host: &FunctionHost, call: &Call) -> Result<Answer, PlatformError> {
    match call.method.as_str() {
        "POST" => {
            let body = call.attributes(FIELDS)?;
            let resources = required(resources(&texts(body.get("ResourceId")))?)?;
            host.tag(&resources, pairs(body.get("Tag"))).await?;
            Ok(Answer::nothing())
        }
        "DELETE" => {
            let resources = required(resources(&query_texts(call, "ResourceId")?)?)?;
            let names = query_texts(call, "TagKey")?;
            let all = call.parameter("All") == Some("true");
            if names.is_empty() && !all {
                return Err(PlatformError::invalid_argument("TagKey is required, unless All is true"));
            }
            host.untag(&resources, &names, all).await?;
            Ok(Answer::nothing())
        }
        "GET" => list(host, call).await,
        _ => unsupported(call),
    }
}

/// The tags of functions, a page at a time, ordered by function and tag.
async fn list(host: &FunctionHost, call: &Call) -> Result<Answer, PlatformError> {
    let resources = resources(&query_texts(call, "ResourceId")?)?;
    let wanted = wanted(call, "Tag")?;
    let mut found = BTreeMap::new();
    for (resource, tags) in host.all_tags().await? {
        let Some(("functions", name)) = resource.split_once('/') else { continue };
        let is_asked = resources.is_empty() || resources.contains(&resource);
        if is_asked && has(Some(&tags), &wanted) {
            found.extend(tags.value.attributes.iter().map(|(key, value)| {
                let shown = json!({ "ResourceId": name, "ResourceType": "function", "TagKey": key, "TagValue": value });
                // No name has this character, so the order is that of the functions.
                (format!("{name}/{key}"), shown)
            }));
        }
    }
    let page = call.page(found)?;
    let shown: Vec<_> = page.items.into_iter().map(|(_, shown)| shown).collect();
    let next = page.next.unwrap_or_default();
    Ok(Answer::ok(json!({ "TagResources": shown, "NextToken": next, "RequestId": call.request_id })))
}

fn required(resources: Vec<String>) -> Result<Vec<String>, PlatformError> {
    if resources.is_empty() { Err(PlatformError::invalid_argument("ResourceId is required")) } else { Ok(resources) }
}

fn resources(named: &[String]) -> Result<Vec<String>, PlatformError> {
    if named.len() > RESOURCES {
        return Err(PlatformError::invalid_argument(format!(
            "ResourceId contains too many values (max: {RESOURCES}, actual: {})",
            named.len()
        )));
    }
    Ok(named.iter().map(|resource| resource_of(resource)).collect())
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
