//! Tags of services.

use serde_json::{Value, json};

use super::{arn, unsupported};
use crate::{
    api::{
        call::{Answer, Call},
        schema::{self, Field, Shape, field},
        short_arn,
    },
    control::{Attributes, Document, Stored},
    host::FunctionHost,
    platform_error::PlatformError,
};

const FIELDS: &[Field] = &[
    field("resourceArn", Shape::Text(512)),
    field("tags", Shape::TextMap),
    field("tagKeys", Shape::Texts),
    field("all", Shape::Boolean),
];

pub(super) async fn route(host: &FunctionHost, call: &Call) -> Result<Answer, PlatformError> {
    match (call.method.as_str(), call.path.first().map(String::as_str)) {
        ("POST", Some("tag")) => {
            let body = call.attributes(FIELDS)?;
            let tags = body.get("tags").and_then(Value::as_object).cloned().unwrap_or_default();
            host.tag(&[resource(&body)?], tags).await?;
            Ok(Answer::ok(json!({})))
        }
        ("DELETE", Some("tag")) => {
            let body = call.attributes(FIELDS)?;
            let names = body.get("tagKeys").and_then(Value::as_array).into_iter().flatten();
            let names: Vec<_> = names.filter_map(|name| Some(name.as_str()?.to_owned())).collect();
            let all = body.get("all").and_then(Value::as_bool).unwrap_or(false);
            host.untag(&[resource(&body)?], &names, all).await?;
            Ok(Answer::ok(json!({})))
        }
        ("GET", Some("tag")) => {
            let Some(resource) = call.parameter("resourceArn") else {
                return Err(PlatformError::invalid_argument("ResourceArn is required"));
            };
            let resource = short_arn(resource);
            let tags = host.tags(resource).await?;
            Ok(Answer::ok(json!({ "resourceArn": arn(host, resource), "tags": tags })))
        }
        ("GET", Some("tags")) => {
            let tags = host.all_tags().await?;
            let page = call.page(tags)?;
            Ok(page.answer("resources", |resource, tags: &Stored<Document>| {
                json!({ "resourceArn": arn(host, resource), "tags": tags.value.attributes })
            }))
        }
        _ => unsupported(call),
    }
}

/// The short name of the resource that a body is about.
fn resource(body: &Attributes) -> Result<String, PlatformError> {
    Ok(short_arn(schema::required(body, "resourceArn")?).to_owned())
}
