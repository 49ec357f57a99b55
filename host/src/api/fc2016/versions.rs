//! Versions of a service.

use serde_json::{Value, json};

use super::unsupported;
use crate::{
    api::{
        call::{Answer, Call},
        fields::DESCRIPTION,
        schema::{Field, Shape, field},
        versions,
    },
    catalog::ScopeId,
    control::{VersionRecord, text},
    host::FunctionHost,
    platform_error::PlatformError,
};

const FIELDS: &[Field] = &[field("description", Shape::Text(DESCRIPTION))];

pub(super) async fn route(
    host: &FunctionHost,
    call: &Call,
    id: &ScopeId,
    rest: &[&str],
) -> Result<Answer, PlatformError> {
    match (call.method.as_str(), rest) {
        ("POST", []) => {
            let attributes = call.attributes(FIELDS)?;
            let version = host.publish_version(id, text(&attributes, "description"), call.if_match()).await?;
            Ok(Answer::of(&version, show(&version.value)))
        }
        ("GET", []) => versions::list(host, call, id, show).await,
        ("DELETE", [version]) => {
            host.delete_version(id, version).await?;
            Ok(Answer::nothing())
        }
        _ => unsupported(call),
    }
}

pub(super) fn show(version: &VersionRecord) -> Value {
    json!({
        "versionId": version.number.to_string(),
        "description": version.description,
        "createdTime": version.created,
        "lastModifiedTime": version.created,
    })
}
